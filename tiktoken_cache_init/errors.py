"""Exceptions and exit codes. Every message is one line of the form ``cause: remedy``.

The message of some errors of the volume has no remedy yet, because the remedy depends on the host. The command line adds it
with `advice.advised`.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from enum import IntEnum

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk or a used-up quota."""
NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system that does not support a call. Other errors mean that the storage fails."""

LIMITS = {
    errno.EMFILE: "raise the limit of open files (ulimit -n 1024, or docker run --ulimit nofile=1024)",
    errno.EFBIG: "raise the limit of the size of a file (ulimit -f unlimited)",
    errno.ENFILE: "the system has too many open files: stop other programs, or raise fs.file-max",
    errno.ENOMEM: "give it more memory (64 MiB are enough)",
}
"""Error of a system call that a limit of this process causes -> remedy."""


class ExitCode(IntEnum):
    """Exit codes that the documentation promises. A run that is stopped by signal N exits with 128 + N."""

    READY = 0
    NOT_READY = 1
    BAD_SETTING = 2
    VOLUME_FAILED = 3
    NOT_OBTAINED = 4
    BUG = 70
    SIGNALLED = 128


EXIT_CODES = {
    f"{ExitCode.READY}": "ready: every wanted file is in the directory, right and readable",
    f"{ExitCode.NOT_READY}": "not ready (verify, export), or nothing is baked in (path)",
    f"{ExitCode.BAD_SETTING}": "bad setting",
    f"{ExitCode.VOLUME_FAILED}": "the directory or standard output cannot be read or written",
    f"{ExitCode.NOT_OBTAINED}": "a vocabulary cannot be obtained",
    f"{ExitCode.BUG}": "bug in this program",
    f"{ExitCode.SIGNALLED}+N": "stopped by signal N",
}
"""Exit code -> its meaning, for the help and the documentation."""


class InitError(Exception):
    """Error that ends a run, with its exit code."""

    exit_code: int = ExitCode.BUG
    remedy = ""
    """Remedy for this host, if the message has none."""

    def __str__(self) -> str:
        cause = super().__str__()
        return f"{cause}: {self.remedy}" if self.remedy else cause


class NotReadyError(InitError):
    """The directory does not hold the wanted files (verify, export), or nothing is baked in (path)."""

    exit_code = ExitCode.NOT_READY


class SettingError(InitError):
    """An option, a variable or a value is wrong."""

    exit_code = ExitCode.BAD_SETTING


class VolumeError(InitError):
    """The directory or standard output cannot be read or written."""

    exit_code = ExitCode.VOLUME_FAILED


class StorageError(VolumeError):
    """A system call on the volume failed."""

    def __init__(self, action: str, path: str, cause: OSError, needed: int = 0) -> None:
        """Make the error.

        Args:
            action: a verb, such as ``write in``.
            path: a path in the volume.
            cause: the error of the system call.
            needed: bytes that the run needs, for the message about a full disk.
        """
        super().__init__(f"cannot {action} {path}: {cause.strerror or cause}")
        self.action = action
        self.path = path
        self.cause = cause
        self.needed = needed
        self.free: os.statvfs_result | None = None
        """Free space when the call failed, for a full disk. The clean-up of a run frees some of it."""
        if cause.errno in FULL:
            with contextlib.suppress(OSError):
                self.free = os.statvfs(path if os.path.exists(path) else os.path.dirname(path))


class ModesError(VolumeError):
    """The volume does not keep permission bits."""

    def __init__(self, path: str, found: int, wanted: int) -> None:
        super().__init__(
            f"{path} does not keep permissions: everything has mode {found:04o}, but {wanted:04o} is needed"
        )
        self.found = found
        self.wanted = wanted


class OwnerError(VolumeError):
    """The owner of a file or of the directory cannot be changed."""

    def __init__(self, owner: tuple[int, int], cause: OSError) -> None:
        super().__init__(f"cannot give the files to {user_text(*owner)}: {cause.strerror}")
        self.owner = owner


class ReadOnlyError(VolumeError):
    """The directory is mounted read-only."""


class NotMountedError(VolumeError):
    """Nothing is mounted at the directory in a container."""

    def __init__(self, path: str, mounted: list[str]) -> None:
        super().__init__(f"nothing is mounted at {path}, so its files would be lost with this container")
        self.path = path
        self.mounted = mounted
        """Directories at which the user has mounted something."""


class NotObtainedError(InitError):
    """No source supplied the right bytes."""

    exit_code = ExitCode.NOT_OBTAINED


class Interrupted(SystemExit):
    """Base of the exceptions that signal handlers raise. It is a SystemExit, because asyncio does not suppress that."""


class Stopped(Interrupted):
    """SIGTERM, SIGINT or SIGHUP arrived."""

    def __init__(self, signum: int) -> None:
        super().__init__(ExitCode.SIGNALLED + signum)
        self.signum = signum


class DeadlinePassed(Interrupted):
    """The deadline of the run passed."""

    def __init__(self) -> None:
        super().__init__(ExitCode.VOLUME_FAILED)


@contextlib.contextmanager
def storage_errors(action: str, path: str, needed: int = 0) -> Iterator[None]:
    """Turn an OSError into a `StorageError`. For the arguments, see `StorageError`.

    Raises:
        StorageError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(action, path, error, needed) from error


def user_text(uid: int | str, gid: int) -> str:
    """Return a user and a group as text. The group -1 is left out."""
    return f"{uid}" if gid == -1 else f"{uid}:{gid}"
