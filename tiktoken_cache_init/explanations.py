"""Why the system refuses something, on one line: what could not be done where, the cause, and the ways out."""

from __future__ import annotations

import errno
import os
import stat

from .light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .access import User


def explain(error: OSError, doing: str, path: str, *, needed: int = 0) -> str:
    """Return one line: what could not be done where, why, and the ways out. ``needed`` is in bytes."""
    cause = error.strerror or str(error)
    head = f"cannot {doing} {path}: {cause}"
    if error.errno == errno.EROFS:
        return f"{head}: mount it read-write in the init container (without ':ro'); only the consumer's mount may be read-only"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{head}: {f'{needed:,} bytes are needed' if needed else 'there is no room'}{_free_space(path)}; what was there before is untouched"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{head}: {_who(path, error.errno)}"
    if error.errno == errno.EBUSY:
        return f"{head}: a single file is mounted there; mount the folder instead"
    return f"{head}: check the volume's storage, then run again"


def explain_owner(error: OSError, owner: User) -> str:
    """Return one line: why files cannot be given to their owner, and the ways out."""
    return (
        f"cannot give the files to {owner}: {error.strerror}: that takes root with the capability CHOWN (compose: "
        f'cap_add: [CHOWN]); or run as that user (compose: user: "{owner}"; Kubernetes: securityContext.runAsUser: {owner.uid})'
    )


def _free_space(path: str) -> str:
    with suppress(OSError):
        space = os.statvfs(path)
        return f", {space.f_bavail * space.f_frsize:,} are free ({space.f_favail:,} inodes)"
    return ""


def _who(path: str, number: int) -> str:
    us = f"{os.geteuid()}:{os.getegid()}"
    try:
        folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
        status = os.stat(folder)
    except OSError:
        return f"we are {us}, and a folder above it lets us in no further"
    owner = f"{status.st_uid}:{status.st_gid}"
    if number == errno.EPERM and status.st_uid == os.geteuid():
        return (
            f"we are {us}, and the folder is ours, so it or the file is immutable, or its file system forbids this: on the "
            f"host, see what lsattr says of {path}, and take an 'i' away with chattr -i"
        )
    return (
        f"we are {us}, the folder belongs to {owner} with mode {stat.S_IMODE(status.st_mode):04o}: run the init container as "
        f'its owner (compose: user: "{owner}"; Kubernetes: securityContext.runAsUser: {status.st_uid}), or as root with '
        "DAC_OVERRIDE (compose: cap_add; Kubernetes: capabilities.add); if the mode allows it, SELinux does not: mount with :z"
    )
