"""The one family of errors, and the exit codes they end in.

Every message is one line that says what is wrong, where, and what to do: it is all that most people will ever read.
"""

from __future__ import annotations

READY = 0
NOT_READY = 1
BAD_SETTING = 2
VOLUME_FAILED = 3
NOT_OBTAINED = 4
BUG = 70
SIGNALLED = 128

EXIT_CODES = {
    "0": "ready: every wanted file is in the folder, right and readable",
    "1": "not ready (verify, export)",
    "2": "a bad setting",
    "3": "the volume cannot be written or read, the output not be written, or no thread be started",
    "4": "the bytes could not be obtained",
    "70": "a bug in this program",
    "128+n": "stopped by signal n",
}


class InitError(Exception):
    """Anything that ends a run. ``exit_code`` is what the process exits with."""

    exit_code = BUG


class NotReady(InitError):
    """The volume does not hold what is wanted, and this command does not write."""

    exit_code = NOT_READY


class BadSetting(InitError):
    """A flag, a variable or a value that does not make sense."""

    exit_code = BAD_SETTING


class VolumeError(InitError):
    """The folder cannot be read, written, or made what the contract promises."""

    exit_code = VOLUME_FAILED


class NotObtained(InitError):
    """No source could supply the right bytes."""

    exit_code = NOT_OBTAINED


class OutputFailed(InitError):
    """Standard output does not take the result."""

    exit_code = VOLUME_FAILED


class NoThread(InitError):
    """The machine does not let this process have another thread."""

    exit_code = VOLUME_FAILED


class Stopped(InitError):
    """A signal asked the run to end."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.exit_code = SIGNALLED + signum
