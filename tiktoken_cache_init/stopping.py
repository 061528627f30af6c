"""Ending at once when asked to. As PID 1 of a container a process has no default signal handlers: without these,
`docker stop` would wait ten seconds and then kill it.
"""

from __future__ import annotations

from .errors import Stopped
from .light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _stop(signum: int, _: FrameType | None) -> None:
    # The clean-up must not be interrupted by an impatient second signal.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signum)


def install() -> None:
    """Have SIGTERM, SIGINT and SIGHUP raise `Stopped` in the main thread."""
    for each in _SIGNALS:
        # nohup and the like ask that a signal be ignored by setting it so beforehand.
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _stop)
