"""Remedies for errors of the volume: what to do about them as this user, with this directory, on this host."""

import contextlib
import errno
import os
import stat

from .errors import (
    FULL,
    NOT_SUPPORTED,
    InitError,
    ModesError,
    NotMountedError,
    OwnerError,
    ReadOnlyError,
    StorageError,
    VolumeError,
    user_text,
)
from .volume.directory import directory_mode
from .volume.mounts import file_system

_READ_WRITE = "mount it read-write in the init container; only the consumer's mount may have ':ro'"
_OVERFLOW_ID = 65534
"""UID that the kernel shows for an owner from outside this user namespace."""
_OPENSHIFT_FIRST_UID = 1_000_000_000
"""Lowest UID that OpenShift assigns."""
_DAC_OVERRIDE = 1 << 1
"""Bit of the capability in the ``CapEff`` line of ``/proc/self/status``."""
_IDENTITY_MAP = ["0", "0", "4294967295"]
"""Fields of ``/proc/self/uid_map`` outside user namespaces."""


def advised(error: InitError) -> InitError:
    """Return an error of the volume with its remedy for this user, directory and host. Return other errors unchanged."""
    match error:
        case StorageError():
            remedy = _storage_advice(error)
        case ModesError():
            remedy = _modes_advice(error)
        case OwnerError():
            remedy = _owner_advice(error)
        case ReadOnlyError():
            remedy = _READ_WRITE
        case NotMountedError():
            remedy = _mount_advice(error)
        case _:
            return error
    return VolumeError(f"{error}: {remedy}")


def _storage_advice(error: StorageError) -> str:
    path, number = error.path, error.cause.errno
    if number == errno.EROFS:
        return _READ_WRITE
    if number in FULL:
        wanted = f"free at least {error.needed:,} bytes" if error.needed else "free some space"
        free = error.free
        found = f" ({free.f_bavail * free.f_frsize:,} bytes and {free.f_favail:,} inodes are free)" if free else ""
        return f"{wanted}{found}; every file that was right is still right"
    if number in (errno.EACCES, errno.EPERM):
        return _permission_advice(path, number)
    if number in (errno.ENOTDIR, errno.ENAMETOOLONG):
        return "correct the path"
    if number == errno.EBUSY:
        return "something is mounted there: mount the directory instead"
    if number in NOT_SUPPORTED:
        return "this storage does not support the call: use another kind of volume, such as a local one"
    return "check the volume's storage, then run again"


def _modes_advice(error: ModesError) -> str:
    """Return the mount options for a volume that does not keep permission bits."""
    wanted, directories = error.wanted, directory_mode(error.wanted)
    owner = f"uid={os.geteuid()},gid={os.getegid()}"
    return (
        f"mount it with these options (SMB, azureFile: {owner},file_mode={wanted & 0o666:04o},dir_mode={directories:04o}; "
        f"vfat, blobfuse, other FUSE: {owner},allow_other,umask={0o777 & ~directories:04o}), or, if the gateway runs as "
        f"{user_text(os.geteuid(), os.getegid())} too, set TIKTOKEN_INIT_MODE=0{error.found & 0o666:03o}"
    )


def _owner_advice(error: OwnerError) -> str:
    who = user_text(*error.owner)
    return (
        f"run as root with the capability CHOWN (compose: cap_add: [CHOWN]), or as that user (docker run --user {who}; "
        f'compose: user: "{who}"; Kubernetes: runAsUser: {error.owner[0]})'
    )


def _mount_advice(error: NotMountedError) -> str:
    mounted = ", ".join(error.mounted)
    hint = f", or set TIKTOKEN_CACHE_DIR to a mounted directory ({mounted}), here and in the gateway" if mounted else ""
    return f"add -v tiktoken:{error.path}{hint}"


def _permission_advice(path: str, number: int) -> str:
    uid, gid = os.geteuid(), os.getegid()
    user = user_text(uid, gid)
    directory = path
    while not os.path.isdir(directory) and os.path.dirname(directory) != directory:
        directory = os.path.dirname(directory)
    if directory != path and not os.access(directory, os.X_OK):
        return f"this runs as {user}, and a parent directory is not searchable by it: chmod o+x the parents, or run as their owner"
    status = os.stat(directory)
    mode = stat.S_IMODE(status.st_mode)
    owner = user_text(status.st_uid, status.st_gid)
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
