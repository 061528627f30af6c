"""Signals and the deadline, which end a run by an exception in the main thread.

A handler raises `Stopped` or `DeadlinePassed` wherever the program is. Python ignores an exception that is raised in a
``__del__`` method or in a callback of a weak reference. Such an exception is raised again.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from .errors import DeadlinePassed, Interrupted, Stopped

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SIGNALS = (*STOPPING, signal.SIGALRM)
"""The signals that interrupt a run. SIGALRM belongs to the deadline."""

_RAISED_AGAIN_AFTER = 0.01
"""Seconds until an exception that Python has ignored is raised again."""


def listen() -> None:
    """Set the handlers. PID 1 has no default handlers, so ``docker stop`` would wait ten seconds."""
    stopped: Stopped | None = None

    def stop(signum: int, _: FrameType | None) -> None:
        nonlocal stopped
        # The first signal decides the exit code.
        stopped = stopped or Stopped(signum)
        raise stopped

    def alarm(_: int, __: FrameType | None) -> None:
        raise stopped or DeadlinePassed()

    def raise_again(ignored: "UnraisableHookArgs") -> None:
        if isinstance(ignored.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, _RAISED_AGAIN_AFTER)
        else:
            sys.__unraisablehook__(ignored)

    for each in STOPPING:
        handle(each, stop)
    signal.signal(signal.SIGALRM, alarm)
    sys.unraisablehook = raise_again


def end_deadline() -> None:
    """Stop the timer of the deadline."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def handle(signum: signal.Signals, handler: Callable[[int, FrameType | None], object]) -> None:
    """Set the handler of a signal. A signal that nohup ignores stays ignored."""
    if signal.getsignal(signum) is not signal.SIG_IGN:
        signal.signal(signum, handler)


def block() -> None:
    """Keep signals waiting until `unblock` is called."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def unblock() -> None:
    """Let signals through.

    Raises:
        Stopped, DeadlinePassed: a signal was waiting.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Keep signals waiting during a block of code that must not be interrupted.

    Raises:
        Stopped, DeadlinePassed: a signal arrived before or during the block.
    """
    try:
        block()
        yield
    finally:
        unblock()
