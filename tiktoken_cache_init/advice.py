"""Remedies for errors of the volume: what to do about them as this user, with this directory, in this place.

A place is a host, a container of Docker or podman, or a pod of Kubernetes. A remedy fits the place where it is printed.
"""

import contextlib
import errno
import os
import stat

from . import place
from .errors import (
    FULL,
    LIMITS,
    NOT_SUPPORTED,
    InitError,
    ModesError,
    NotMountedError,
    OwnerError,
    ReadOnlyError,
    StorageError,
    user_text,
)
from .volume.directory import directory_mode, nearest
from .volume.mounts import file_system

_OVERFLOW_ID = 65534
"""UID that the kernel shows for an owner from outside this user namespace."""
_OPENSHIFT_FIRST_UID = 1_000_000_000
"""Lowest UID that OpenShift assigns."""
_ALL_IDS = 4294967295
"""Number of IDs in ``/proc/self/uid_map`` outside user namespaces."""
_REMEDIES = {
    errno.ENOTDIR: "correct the path",
    errno.ENAMETOOLONG: "correct the path",
    errno.ENOTEMPTY: "move or remove it, then run again",
    errno.EBUSY: "something is mounted there: mount the directory instead",
    **LIMITS,
}
"""Error of a system call -> remedy, if it is the same everywhere."""


def advised(error: InitError) -> InitError:
    """Give an error of the volume its remedy for this user, directory and place. Return the same error."""
    match error:
        case StorageError():
            error.remedy = _storage_advice(error)
        case ModesError():
            error.remedy = _modes_advice(error)
        case OwnerError():
            error.remedy = _owner_advice(*error.owner)
        case ReadOnlyError():
            error.remedy = _read_write()
        case NotMountedError():
            error.remedy = _mount_advice(error)
    return error


def fill_advice(read_only: bool) -> str:
    """Return how to run fill after a verification, here and with this mount."""
    if place.in_pod():
        return "run the Job that fills the volume, or an init container that runs fill and mounts it read-write"
    writable = _here(host=" on a writable mount", container=" on a writable mount (no ':ro')")
    return f"to run fill, repeat this command without 'verify'{writable if read_only else ''}"


def _here(host: str, container: str, pod: str = "") -> str:
    """Return the text for the place where the program runs."""
    if place.in_pod():
        return pod
    return container if place.in_container() else host


def _as_user(uid: int | str, gid: int = -1) -> str:
    """Return how to run as another user."""
    user = user_text(uid, gid)
    return _here(
        host=f"sudo -u '#{uid}'" if uid else "sudo",
        container=f'docker run --user {user}; compose: user: "{user}"',
        pod=f"securityContext.runAsUser: {uid}",
    )


def _command(command: str, directory: str) -> str:
    """Return how to run a command on a directory of the volume."""
    return _here(
        host=f"run: {command} {_quoted(directory)}",
        container=f"on the host, run: {command} DIRECTORY",
        pod=f"on the node or in a Job that runs as root, run: {command} {_quoted(directory)}",
    )


def _quoted(path: str) -> str:
    """Return a path as a word of a shell. The image has no shlex."""
    return "'{}'".format(path.replace("'", "'\\''"))


def _storage_advice(error: StorageError) -> str:
    number = error.cause.errno
    if number == errno.EROFS:
        return _read_write()
    if number in FULL:
        wanted = f"free at least {error.needed:,} bytes" if error.needed else "free some space"
        free = error.free
        found = f" ({free.f_bavail * free.f_frsize:,} bytes and {free.f_favail:,} inodes are free)" if free else ""
        return f"{wanted}{found}; every file that was right is still right"
    if number in (errno.EACCES, errno.EPERM):
        return _permission_advice(error)
    if number in NOT_SUPPORTED:
        other = "use another kind of volume, such as a local one"
        return f"this storage does not support the call: {_here('name a directory on a local disk', other, other)}"
    return _REMEDIES.get(number or 0, "check the volume's storage, then run again")


def _read_write() -> str:
    return _here(
        host="mount it read-write, or name another directory",
        container="mount it read-write in the init container; only the consumer's mount may have ':ro'",
        pod="mount it read-write in the init container or the Job; only the gateway's mount may have readOnly",
    )


def _modes_advice(error: ModesError) -> str:
    """Return the mount options for a volume that does not keep permission bits."""
    wanted, directories = error.wanted, directory_mode(error.wanted)
    owner = f"uid={os.geteuid()},gid={os.getegid()}"
    return (
        f"mount it with these options (SMB, azureFile: {owner},file_mode={wanted & 0o666:04o},dir_mode={directories:04o}; "
        f"vfat, blobfuse, other FUSE: {owner},allow_other,umask={0o777 & ~directories:04o}), or, if the gateway runs as "
        f"{user_text(os.geteuid(), os.getegid())} too, set TIKTOKEN_INIT_MODE=0{error.found & 0o666:03o}"
    )


def _owner_advice(uid: int, gid: int) -> str:
    how = _here(host="sudo", container="compose: cap_add: [CHOWN]", pod="capabilities: add: [CHOWN]")
    return f"run as root with the capability CHOWN ({how}), or as that user ({_as_user(uid, gid)})"


def _mount_advice(error: NotMountedError) -> str:
    mounted = ", ".join(error.mounted)
    hint = f", or set TIKTOKEN_CACHE_DIR to a mounted directory ({mounted}), here and in the gateway" if mounted else ""
    add = f"add -v tiktoken:{error.path}"
    return _here(host=add, container=add, pod="mount a volume of the pod there (volumeMounts)") + hint


def _permission_advice(error: StorageError) -> str:
    """Return why this user may not make the directory, or not write in it, and the remedy."""
    path, user = error.path, user_text(os.geteuid(), os.getegid())
    directory = nearest(path)
    status = os.stat(directory)
    as_owner = f"run as its owner ({_as_user(status.st_uid, status.st_gid)})"
    if directory != path and not os.access(directory, os.X_OK):
        return f"this runs as {user}, and a parent directory is not searchable by it: chmod o+x {_quoted(directory)}, or {as_owner}"
    to_make = path if error.action == "make" else ""
    owner, mode = user_text(status.st_uid, status.st_gid), stat.S_IMODE(status.st_mode)
    facts = f"this runs as {user}, {directory if to_make else 'the directory'} belongs to {owner} with mode {mode:04o}"
    host_id = _host_id()
    if status.st_uid == _OVERFLOW_ID and host_id is not None:
        podman = _here(host="", container="mount it with :U (podman), or ")
        outside = _here(host="outside it, run", container="on the host run", pod="on the node run")
        return f"{facts}, a user from outside this user namespace: {podman}{outside}: chown {host_id} DIRECTORY"
    if status.st_uid == os.geteuid():
        is_immutable = error.cause.errno == errno.EPERM
        return f"{facts}: {_own_directory_advice(directory, is_immutable, mode, to_make)}"
    if os.geteuid() >= _OPENSHIFT_FIRST_UID:
        return (
            f"{facts}, and OpenShift assigned this user: set securityContext.fsGroup: {os.geteuid()} in the pod, or make the "
            f"directory writable by the group of this user: chgrp {os.getegid()} and chmod g+rwxs"
        )
    return f"{facts}: {_others_directory_advice(directory, status.st_uid, as_owner, to_make)}"


def _own_directory_advice(directory: str, is_immutable: bool, mode: int, to_make: str) -> str:
    """Return the remedy for a user who owns the directory but cannot write in it."""
    if is_immutable:
        return f"the directory or a file in it is immutable: {_command('chattr -R -i', directory)}"
    if mode & 0o300 != 0o300:
        return f"its owner may not write: {_command('chmod u+rwx', directory)}"
    make = f"make {to_make}, " if to_make else ""
    squashed = (
        f"{make}chown the directory to a UID and run as that UID ({_as_user('UID')}), or chmod 0777 the directory"
    )
    is_root = os.geteuid() == 0
    if is_root and _is_nfs(directory):
        return f"the NFS server maps root to nobody (root_squash): on the server, {squashed}"
    text = f"the mode looks right, so SELinux or the storage blocks access: {_selinux_advice()}"
    return f"{text}; with NFS and root_squash, {squashed}" if is_root else text


def _others_directory_advice(directory: str, owner: int, as_owner: str, to_make: str) -> str:
    """Return the remedy for a user who is not the owner of the directory."""
    uid, gid = os.geteuid(), os.getegid()
    capability = ", or as root with the capability DAC_OVERRIDE"
    as_root = "" if _is_nfs(directory) else _here(host="", container=capability, pod=capability)
    if uid == 0:
        return as_owner if _is_nfs(directory) else f"{as_owner}{as_root}; {_selinux_advice()}"
    if to_make:
        make = f"make it as root (sudo install -d -o {uid} -g {gid} {_quoted(to_make)}), or name a directory that this user can make"
        mount = f"mount a volume at {to_make} itself, or {as_owner}"
        return _here(host=make, container=mount, pod=mount)
    chown = f"chown the directory to {user_text(uid, gid)}"
    return _here(
        host=f"{as_owner}, or name another directory",
        container=f"{as_owner}{as_root if owner else f', or {chown}'}",
        pod=(
            f"set securityContext.fsGroup: {gid}; if the volume ignores it (ReadWriteMany claims, hostPath), {as_owner}, or "
            f"{chown} in a Job that runs as root"
        ),
    )


def _selinux_advice() -> str:
    return _here(
        host="with SELinux, look for 'denied' in the audit log",
        container="with SELinux, mount with :z",
        pod="with SELinux, set securityContext.seLinuxOptions",
    )


def _is_nfs(directory: str) -> bool:
    return file_system(directory).startswith("nfs")


def _host_id() -> int | None:
    """Return the UID of this user on the host, or None outside user namespaces."""
    with contextlib.suppress(OSError), open("/proc/self/uid_map") as table:
        for line in table:
            first, outside, count = map(int, line.split())
            if count < _ALL_IDS and first <= os.geteuid() < first + count:
                return outside + os.geteuid() - first
    return None
