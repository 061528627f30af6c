"""Exceptions and exit codes. Every message is one line of the form ``cause: remedy``."""

from enum import IntEnum


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
    "0": "ready: every wanted file is in the directory, right and readable",
    "1": "not ready (verify, export)",
    "2": "bad setting",
    "3": "the directory or standard output cannot be read or written",
    "4": "a vocabulary cannot be obtained",
    "70": "bug in this program",
    "128+N": "stopped by signal N",
}
"""Exit code -> its meaning, for the help and the documentation."""


class InitError(Exception):
    """Error that ends a run, with its exit code."""

    exit_code: int = ExitCode.BUG


class NotReadyError(InitError):
    """The directory does not hold the wanted files (verify, export)."""

    exit_code = ExitCode.NOT_READY


class SettingError(InitError):
    """An option, a variable or a value is wrong."""

    exit_code = ExitCode.BAD_SETTING


class VolumeError(InitError):
    """The directory cannot be read or written."""

    exit_code = ExitCode.VOLUME_FAILED


class OutputError(InitError):
    """Standard output cannot be written."""

    exit_code = ExitCode.VOLUME_FAILED


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
