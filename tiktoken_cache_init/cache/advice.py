"""An OSError on the volume -> one line with the cause and the remedy that fits this user, directory and host."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ..errors import VolumeError
from .mounts import file_system

# What a file system answers that does not offer a call at all, unlike a disk that fails.
NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_OVERFLOW_ID = 65534
"""The owner that the kernel shows for a user who has no number in this user namespace."""
_OPENSHIFT_IDS = 1_000_000_000
"""OpenShift assigns users from this number on."""
_IDENTITY_MAP = ["0", "0", "4294967295"]
"""The fields of ``/proc/self/uid_map`` outside user namespaces."""


@contextlib.contextmanager
def volume_errors(doing: str, path: str, needed: int = 0) -> Iterator[None]:
    """Turn an OSError into a `VolumeError` that says what could not be done to ``path``.

    Args:
        doing: a verb, such as ``write in``.
        path: a path in the volume.
        needed: bytes that the run needs, for the message of a full disk.

    Raises:
        VolumeError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise VolumeError(explain(error, doing, path, needed)) from error


def explain(error: OSError, doing: str, path: str, needed: int = 0) -> str:
    """Return one line: what could not be done, the cause, and the remedy."""
    head = f"cannot {doing} {path}: {error.strerror or error}"
    if error.errno == errno.EROFS:
        return f"{head}: mount it read-write in the init container; only the consumer's mount may have ':ro'"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        wanted = f"free at least {needed:,} bytes" if needed else "free some space"
        return f"{head}: {wanted}{_free_space(path)}; the files that were there are untouched"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{head}: {_permission_advice(path, error.errno)}"
    if error.errno == errno.EBUSY:
        return f"{head}: a single file is mounted there: mount the directory instead"
    if error.errno in NOT_OFFERED:
        return f"{head}: this storage does not offer the call: use another kind of volume, such as a local one"
    return f"{head}: check the volume's storage, then run again"


def explain_modes(path: str, found: int, wanted: int) -> str:
    """Return one line for a volume that keeps no permission bits, with everything that must be set there."""
    return (
        f"{path} does not keep permissions: everything has mode {found:04o} where {wanted:04o} is needed: set them on the "
        "mount (SMB, azureFile: file_mode=0644,dir_mode=0755; vfat, blobfuse, other FUSE: allow_other,umask=0022), or, if the "
        f"gateway runs as {_id(os.geteuid(), os.getegid())} too, set TIKTOKEN_INIT_MODE=0{found & 0o666:03o}"
    )


def explain_owner(error: OSError, owner: tuple[int, int]) -> str:
    """Return one line for files that cannot be given to their owner."""
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
    us = _id(uid, gid)
    try:
        directory = path if os.path.isdir(path) else os.path.dirname(path) or "."
        status = os.stat(directory)
    except OSError:
        return f"this runs as {us}, and a parent directory is not searchable by it: chmod o+x the parents, or run as their owner"
    mode = stat.S_IMODE(status.st_mode)
    owner = _id(status.st_uid, status.st_gid)
    facts = f"this runs as {us}, the directory belongs to {owner} with mode {mode:04o}"
    if status.st_uid == _OVERFLOW_ID and (host_id := _host_id(uid)) is not None:
        return (
            f"{facts}, a user from outside this user namespace: mount it with :U (podman), or on the host run: "
            f"chown {host_id} DIRECTORY"
        )
    if status.st_uid == uid:
        return f"{facts}: {_own_directory_advice(directory, number, mode, uid)}"
    if uid >= _OPENSHIFT_IDS:
        return (
            f"{facts}, and OpenShift assigned this user: set securityContext.fsGroup in the pod, or make the directory "
            "writable by its group: chgrp 0 and chmod g+rwxs"
        )
    if uid and status.st_uid == 0:
        return (
            f'{facts}: run as its owner (docker run --user {owner}; compose: user: "{owner}"), or, in Kubernetes, set '
            f"securityContext.fsGroup: {gid}, or chown the directory to {us}"
        )
    return (
        f'{facts}: run as its owner (docker run --user {owner}; compose: user: "{owner}"; Kubernetes: '
        f"securityContext.runAsUser: {status.st_uid}), or as root with the capability DAC_OVERRIDE"
    )


def _own_directory_advice(directory: str, number: int, mode: int, uid: int) -> str:
    """Say why the owner of a directory is refused."""
    if number == errno.EPERM:
        return f"a file or the directory is immutable: on the host, find it with lsattr {directory} and run chattr -i on it"
    if mode & 0o300 != 0o300:
        return f"its owner may not write: run chmod u+rwx {directory}"
    if uid == 0 and file_system(directory).startswith("nfs"):
        return (
            "the NFS server maps root to nobody (root_squash): on the server, chown the exported directory to a UID and run as "
            'it (docker run --user UID; compose: user: "UID"; Kubernetes: runAsUser: UID), or chmod 0777 the directory'
        )
    return (
        "the mode allows it, so something else forbids it: SELinux (mount with :z), or a network file system that maps root to "
        "nobody (root_squash: chown the directory to a UID and run as it: docker run --user UID)"
    )


def _host_id(uid: int) -> int | None:
    """Return the host's number of a user of this user namespace, or None outside of one."""
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
