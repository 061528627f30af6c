"""Make the directory that consumers mount, and let the readers of its files in."""

import errno
import os
import stat

from ..errors import VolumeError
from .advice import NOT_OFFERED, directory_mode, explain, explain_modes, explain_owner, volume_errors
from .mounts import file_system

_WITHOUT_MODES = ("cifs", "smb", "vfat", "msdos", "exfat", "ntfs", "fuse", "9p")
"""How the types of file systems begin that have one mode for everything."""


def prepare(path: str, mode: int, owner: tuple[int, int] | None) -> None:
    """Make the directory if it is missing, and let the readers of its files in. Permission bits are added, never removed.

    Args:
        path: the directory.
        mode: what its files must have, such as 0644.
        owner: whom a new directory is given to, or None.

    Raises:
        VolumeError: it cannot be made, is no directory, or keeps readers out.
    """
    if not os.path.isdir(path):
        with volume_errors("make", path):
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
                raise VolumeError(explain_owner(error, owner)) from error
    wanted = directory_mode(mode)
    missing = missing_bits(path, wanted)
    if not missing:
        return
    found = permissions(path)
    refused = None
    try:
        os.chmod(path, found | missing)
    except OSError as error:
        refused = error
    if missing_bits(path, wanted):
        raise VolumeError(_why_closed(path, mode, found, refused))


def _why_closed(path: str, mode: int, found: int, refused: OSError | None) -> str:
    """Return one line for a directory that keeps readers out and cannot be opened to them."""
    wanted = directory_mode(mode)
    if refused and refused.errno not in (errno.EPERM, errno.EACCES, *NOT_OFFERED):
        return explain(refused, "change the mode of", path)
    if refused and not os.access(path, os.W_OK | os.X_OK):
        # A user who can write in the directory can also change its mode, so one remedy is enough.
        return explain(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "write in", path)
    if not refused or os.stat(path).st_uid == os.geteuid() or file_system(path).startswith(_WITHOUT_MODES):
        return explain_modes(path, found, wanted)
    return (
        f"{path} has mode {found:04o}, so not every user can read its files, and this user cannot change the mode "
        f"({refused.strerror}): run chmod {found | wanted:04o} on it, or set TIKTOKEN_INIT_MODE=0{mode & _readers(found):03o} "
        "if the gateway's user can read it"
    )


def permissions(path: str) -> int:
    """Return the permission bits of a path.

    Raises:
        VolumeError: it cannot be looked at.
    """
    with volume_errors("open", path):
        return stat.S_IMODE(os.stat(path).st_mode)


def is_read_only(path: str) -> bool:
    """Say whether a directory is mounted read-only.

    Raises:
        VolumeError: it cannot be looked at.
    """
    with volume_errors("open", path):
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def missing_bits(path: str, wanted: int) -> int:
    """Return the bits that a directory lacks. The owner's write bit does not count: the owner decides."""
    return wanted & ~permissions(path) & ~stat.S_IWUSR


def _readers(mode: int) -> int:
    """Return the bits of those classes of users that a directory's mode lets in."""
    return sum(0o7 << shift for shift in (0, 3, 6) if mode >> shift & 0o5 == 0o5)
