"""Messages for errors on the volume: one line with the cause, and the remedy for this user, directory and host."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ..errors import VolumeError
from .mounts import file_system

NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system that does not support a call. Other errors mean that the storage fails."""
READ_WRITE_ADVICE = "mount it read-write in the init container; only the consumer's mount may have ':ro'"
_OVERFLOW_ID = 65534
"""UID that the kernel shows for an owner from outside this user namespace."""
_OPENSHIFT_FIRST_UID = 1_000_000_000
"""Lowest UID that OpenShift assigns."""
_DAC_OVERRIDE = 1 << 1
"""Bit of the capability in the ``CapEff`` line of ``/proc/self/status``."""
_IDENTITY_MAP = ["0", "0", "4294967295"]
"""Fields of ``/proc/self/uid_map`` outside user namespaces."""


@contextlib.contextmanager
def volume_errors(doing: str, path: str, needed: int = 0) -> Iterator[None]:
    """Turn an OSError into a `VolumeError` that says what could not be done to ``path``.

    Args:
        doing: a verb, such as ``write in``.
        path: a path in the volume.
        needed: bytes that the run needs, for the message about a full disk.

    Raises:
        VolumeError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise VolumeError(explain(error, doing, path, needed)) from error


def explain(error: OSError, doing: str, path: str, needed: int = 0) -> str:
    """Return one line with the failed action, the cause and the remedy."""
    head = f"cannot {doing} {path}: {error.strerror or error}"
    if error.errno == errno.EROFS:
        return f"{head}: {READ_WRITE_ADVICE}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        wanted = f"free at least {needed:,} bytes" if needed else "free some space"
        return f"{head}: {wanted}{_free_space(path)}; the files that were there are untouched"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{head}: {_permission_advice(path, error.errno)}"
    if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG):
        return f"{head}: correct the path"
    if error.errno == errno.EBUSY:
        return f"{head}: something is mounted there: mount the directory instead"
    if error.errno in NOT_SUPPORTED:
        return f"{head}: this storage does not support the call: use another kind of volume, such as a local one"
    return f"{head}: check the volume's storage, then run again"


def explain_modes(path: str, found: int, wanted: int) -> str:
    """Return one line for a volume that does not keep permission bits, with the mount options to set."""
    user, directories = _id(os.geteuid(), os.getegid()), directory_mode(wanted)
    owner = f"uid={os.geteuid()},gid={os.getegid()}"
    return (
        f"{path} does not keep permissions: everything has mode {found:04o}, but {wanted:04o} is needed: mount it with these options "
        f"(SMB, azureFile: {owner},file_mode={wanted & 0o666:04o},dir_mode={directories:04o}; vfat, blobfuse, other FUSE: "
        f"{owner},allow_other,umask={0o777 & ~directories:04o}), or, if the gateway runs as {user} too, set "
        f"TIKTOKEN_INIT_MODE=0{found & 0o666:03o}"
    )


def directory_mode(mode: int) -> int:
    """Return the mode that a directory needs if its files have this mode: 0644 -> 0755."""
    return mode | (mode & 0o444) >> 2


def explain_owner(error: OSError, owner: tuple[int, int]) -> str:
    """Return one line for a failed change of the owner."""
    who = _id(*owner)
    return (
        f"cannot give the files to {who}: {error.strerror}: run as root with the capability CHOWN (compose: cap_add: [CHOWN]), "
        f'or as that user (docker run --user {who}; compose: user: "{who}"; Kubernetes: runAsUser: {owner[0]})'
    )


def _free_space(path: str) -> str:
    try:
        space = os.statvfs(path if os.path.exists(path) else os.path.dirname(path))
    except OSError:
        return ""
    return f" ({space.f_bavail * space.f_frsize:,} bytes and {space.f_favail:,} inodes are free)"


def _permission_advice(path: str, number: int) -> str:
    uid, gid = os.geteuid(), os.getegid()
    user = _id(uid, gid)
    directory = path
    while not os.path.isdir(directory) and os.path.dirname(directory) != directory:
        directory = os.path.dirname(directory)
    if directory != path and not os.access(directory, os.X_OK):
        return f"this runs as {user}, and a parent directory is not searchable by it: chmod o+x the parents, or run as their owner"
    status = os.stat(directory)
    mode = stat.S_IMODE(status.st_mode)
    owner = _id(status.st_uid, status.st_gid)
    facts = f"this runs as {user}, the directory belongs to {owner} with mode {mode:04o}"
    if status.st_uid == _OVERFLOW_ID and (host_id := _host_id(uid)) is not None:
        return (
            f"{facts}, a user from outside this user namespace: mount it with :U (podman), or on the host run: "
            f"chown {host_id} DIRECTORY"
        )
    if status.st_uid == uid:
        return f"{facts}: {_own_directory_advice(directory, number, mode, uid)}"
    if uid >= _OPENSHIFT_FIRST_UID:
        return (
            f"{facts}, and OpenShift assigned this user: set securityContext.fsGroup: {uid} in the pod, or make the directory "
            f"writable by the group of this user: chgrp {gid} and chmod g+rwxs"
        )
    if uid and status.st_uid == 0:
        return (
            f'{facts}: run as its owner (docker run --user {owner}; compose: user: "{owner}"), or, in Kubernetes, set '
            f"securityContext.fsGroup: {gid}, or chown the directory to {user}"
        )
    root = "" if _has_dac_override() or _is_nfs(directory) else ", or as root with the capability DAC_OVERRIDE"
    return (
        f'{facts}: run as its owner (docker run --user {owner}; compose: user: "{owner}"; Kubernetes: '
        f"securityContext.runAsUser: {status.st_uid}){root}"
    )


def _own_directory_advice(directory: str, number: int, mode: int, uid: int) -> str:
    """Return the advice for a user who owns the directory but cannot write in it."""
    if number == errno.EPERM:
        return "the directory or a file in it is immutable: on the host, run: chattr -R -i DIRECTORY"
    if mode & 0o300 != 0o300:
        return f"its owner may not write: run chmod u+rwx {directory}"
    squashed = (
        'chown the directory to a UID and run as that UID (docker run --user UID; compose: user: "UID"; Kubernetes: runAsUser: UID), '
        "or chmod 0777 the directory"
    )
    if uid == 0 and _is_nfs(directory):
        return f"the NFS server maps root to nobody (root_squash): on the server, {squashed}"
    text = "the mode looks right, so SELinux or the storage blocks access: with SELinux, mount with :z"
    return text if uid else f"{text}; with NFS and root_squash, {squashed}"


def _is_nfs(directory: str) -> bool:
    return file_system(directory).startswith("nfs")


def _has_dac_override() -> bool:
    """Return whether this process may write in every directory. If so, the refusal comes from the storage."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        effective = next((line for line in status if line.startswith("CapEff:")), "CapEff: 0")
        return bool(int(effective.split()[1], 16) & _DAC_OVERRIDE)
    return False


def _host_id(uid: int) -> int | None:
    """Return the UID on the host of a user of this user namespace, or None outside user namespaces."""
    try:
        with open("/proc/self/uid_map") as table:
            rows = [line.split() for line in table]
    except OSError:
        return None
    if rows == [_IDENTITY_MAP]:
        return None
    for first, outside, count in ((int(number) for number in row) for row in rows):
        if first <= uid < first + count:
            return outside + uid - first
    return None


def _id(uid: int, gid: int) -> str:
    return f"{uid}" if gid == -1 else f"{uid}:{gid}"
