"""The names of temporary files, and what killed runs have left under them.

A writer holds a lock on its file for as long as it lives. The lock tells the truth between processes under one kernel, which
the boot id in the name shows; on a volume shared between machines it may not, and age decides.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from . import catalogue
from .content import holds, holds_under
from .errors import VolumeError
from .explanations import explain
from .light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .volume import Volume

PREFIX = ".tiktoken-cache-init-"
"""What the names of our temporary files begin with; the kernel's boot id and some random digits follow."""

LAST_COPY = "-last-copy"
"""What they end with where the only other copy of a vocabulary is about to be overwritten, as when swapped names are put
right. Such a file outlives its run: it may be all that a closed network has. Any other can be had again from where it came."""

_STALE_AFTER = 3600.0
"""Seconds after which a temporary file is taken for dead where locks cannot tell."""

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


def temporary_name() -> str:
    """Return a new name."""
    return f"{PREFIX}{_boot_id()}-{os.urandom(8).hex()}"


def sweep(volume: Volume, spare: Collection[str] = ()) -> None:
    """Remove what killed runs have left: only our own temporary files, only those whose writer is dead.

    ``spare`` names some that are still of use. A last copy stays until its vocabulary is in place, whichever run that is.

    Raises:
        VolumeError: the volume cannot be listed.
    """
    try:
        names = [name for name in os.listdir(volume.fd) if name.startswith(PREFIX) and name not in spare]
    except OSError as error:
        raise VolumeError(explain(error, "list", volume.path)) from error
    for name in names:
        # Whoever is not allowed to look or to remove leaves it to one who is: the volume is no worse for it.
        with suppress(OSError):
            if _is_dead(volume.fd, name) and not _is_last_copy(volume.fd, name):
                os.unlink(name, dir_fd=volume.fd)


def _is_dead(folder: int, name: str) -> bool:
    status = os.lstat(name, dir_fd=folder)
    # A link lives for no longer than two system calls, and whoever loses one makes another.
    if stat.S_ISLNK(status.st_mode):
        return True
    if not stat.S_ISREG(status.st_mode):
        return False
    boot = _boot_id()
    if not boot or not name.startswith(f"{PREFIX}{boot}-"):
        return _is_old(folder, status)
    fd = _open(folder, name)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Held by a writer that lives; or there are no locks here, and age decides.
        return error.errno not in _HELD and _is_old(folder, status)
    finally:
        os.close(fd)
    return True


def _is_old(folder: int, status: os.stat_result) -> bool:
    return _now(folder) - status.st_mtime > _STALE_AFTER


def _now(folder: int) -> float:
    """Return the time by the volume's own clock, which on a network share is not this machine's."""
    name = temporary_name()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            os.unlink(name, dir_fd=folder)
            return os.fstat(fd).st_mtime
        finally:
            os.close(fd)
    except OSError:
        return time.time()


def _is_last_copy(folder: int, name: str) -> bool:
    if not name.endswith(LAST_COPY):
        return False
    fd = _open(folder, name)
    try:
        status = os.fstat(fd)
        return any(
            not _is_in_place(folder, vocabulary) and holds(fd, status, vocabulary)
            for vocabulary in catalogue.VOCABULARIES
            if vocabulary.size == status.st_size
        )
    finally:
        os.close(fd)


def _is_in_place(folder: int, vocabulary: catalogue.Vocabulary) -> bool:
    for name in (vocabulary.cache_key, vocabulary.published_name):
        with suppress(OSError):
            if holds_under(name, vocabulary, folder=folder, follow=True):
                return True
    return False


def _open(folder: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def _boot_id() -> str:
    # Absent outside Linux and in some sandboxes: then age alone tells a dead writer.
    with suppress(OSError), open(_BOOT_ID, "rb") as file:
        return file.read(8).decode("ascii", "replace")
    return ""
