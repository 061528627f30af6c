"""The directory that consumers mount: creation and permissions."""

import contextlib
import errno
import os
import stat

from ..errors import NOT_SUPPORTED, ModesError, OwnerError, StorageError, VolumeError, storage_errors
from .mounts import file_system

_WITHOUT_MODES = ("cifs", "smb", "vfat", "msdos", "exfat", "ntfs", "fuse", "9p")
"""Prefixes of the types of file systems that have one mode for all files."""


def prepare(path: str, mode: int, owner: tuple[int, int] | None) -> None:
    """Make the directory if it is missing, and add the permission bits that readers need. No bits are removed.

    Args:
        path: the directory.
        mode: mode of its files, such as 0644.
        owner: owner of a new directory, or None.

    Raises:
        VolumeError: the directory cannot be made, is not a directory, or does not get the permissions.
    """
    if not os.path.isdir(path):
        with storage_errors("make", path):
            if os.path.lexists(path):
                raise VolumeError(
                    f"{path} is not a directory: mount a volume or a directory there, not a file or a dead link"
                )
            # Another run may make it at the same time.
            os.makedirs(path, exist_ok=True)
        if owner:
            try:
                os.chown(path, *owner)
            except OSError as error:
                raise OwnerError(owner, error) from error
    found, missing = permissions(path, mode, owner)
    if not missing:
        return
    refused = None
    try:
        os.chmod(path, found | missing)
    except OSError as error:
        refused = error
    found, missing = permissions(path, mode, owner)
    if missing:
        raise _closed(path, mode, found, missing, refused)


def _closed(path: str, mode: int, found: int, missing: int, refused: OSError | None) -> VolumeError:
    """Return the error for a directory that did not get the permissions that readers need."""
    if refused and refused.errno not in (errno.EPERM, errno.EACCES, *NOT_SUPPORTED):
        return StorageError("change the mode of", path, refused)
    if refused and not os.access(path, os.W_OK | os.X_OK):
        # One remedy is enough: the owner of the directory can write in it and can change its mode.
        return StorageError("write in", path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    if not refused or file_system(path).startswith(_WITHOUT_MODES):
        return ModesError(path, found, found | missing)
    narrower = mode & _readers(found)
    remedy = (
        f", or set TIKTOKEN_INIT_MODE=0{narrower:03o} if the gateway's user can read it"
        if mode > narrower >= 0o400
        else ""
    )
    return VolumeError(
        f"{path} has mode {found:04o}, so not every user can read its files, and its mode cannot be changed "
        f"({refused.strerror}): run chmod {found | missing:04o} on it, or, if the storage refuses that too (TrueNAS, ZFS with "
        f"NFSv4 ACLs), let everyone@ read and traverse in its ACL{remedy}"
    )


def make_writable(path: str) -> None:
    """Let the owner of the directory write in it, if this is the user who runs. Best effort: the first write reports a failure."""
    with contextlib.suppress(OSError):
        status = os.stat(path)
        if status.st_uid == os.geteuid() and status.st_mode & 0o300 != 0o300:
            os.chmod(path, stat.S_IMODE(status.st_mode) | stat.S_IRWXU)


def directory_mode(mode: int) -> int:
    """Return the mode that a directory needs if its files have this mode: 0644 -> 0755."""
    return mode | (mode >> 2 & 0o111)


def nearest(path: str) -> str:
    """Return the directory, or if it does not exist, the nearest one above it."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def is_read_only(path: str) -> bool:
    """Return whether a directory is mounted read-only.

    Raises:
        VolumeError: the directory cannot be accessed.
    """
    with storage_errors("open", path):
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def permissions(path: str, mode: int, owner: tuple[int, int] | None) -> tuple[int, int]:
    """Return the permission bits of a directory, and those that it lacks.

    Args:
        path: the directory.
        mode: mode of its files. Everyone who may read these needs access to the directory.
        owner: owner of its files, or None.

    Raises:
        VolumeError: the path cannot be accessed.
    """
    with storage_errors("open", path):
        status = os.stat(path)
    # A reader does not need the owner's write bit.
    wanted = directory_mode(mode) & ~stat.S_IWUSR
    if owner and owner[0] != status.st_uid:
        wanted |= 0o050 if owner[1] == status.st_gid else 0o005
    found = stat.S_IMODE(status.st_mode)
    return found, wanted & ~found


def _readers(mode: int) -> int:
    """Return a mask of the user classes (owner, group, others) that a directory with this mode gives access to."""
    return sum(0o7 << shift for shift in (0, 3, 6) if mode >> shift & 0o5 == 0o5)
