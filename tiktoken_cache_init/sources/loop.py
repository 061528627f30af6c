"""The event loop of a fetch, which a signal ends in order."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import interrupts

_DESCRIPTORS = 4
"""File descriptors for an event loop and one connection."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end. A signal cancels it, and then its handler is called.

    Unlike `asyncio.run`, this does not wait for threads, because a name look-up may hang in one.

    Raises:
        OSError: this process may open too few files.
    """
    try:
        _require_descriptors()
    except OSError:
        main.close()
        raise
    received: list[int] = []
    handlers: dict[int, interrupts.Handler] = {}

    def receive(signum: int) -> None:
        # A second signal must not interrupt the clean-up of the coroutine.
        if not received:
            task.cancel()
        received.append(signum)

    with interrupts.blocked():
        loop = asyncio.new_event_loop()
        # A signal that a thread receives would reach the main thread even while it is blocked there.
        loop.set_default_executor(ThreadPoolExecutor(initializer=interrupts.block))
        task = loop.create_task(main)
        for each in interrupts.SIGNALS:
            handler = signal.getsignal(each)
            if callable(handler):
                handlers[each] = handler
                loop.add_signal_handler(each, receive, each)
        interrupts.unblock()
        loop.run_until_complete(asyncio.wait({task}))
        interrupts.block()
        loop.run_until_complete(_close(loop))
        loop.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    failure = None if task.cancelled() else task.exception()
    if received:
        handlers[received[0]](received[0], None)
    if failure:
        raise failure


async def _close(loop: asyncio.AbstractEventLoop) -> None:
    # Otherwise Python prints warnings about bodies that were not read completely.
    await loop.shutdown_asyncgens()
    # On Python 3.11, closing generators can start tasks.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _require_descriptors() -> None:
    # With too few of them, asyncio prints a traceback.
    opened = []
    try:
        for _ in range(_DESCRIPTORS):
            opened.append(os.dup(0))  # noqa: PERF401  the list must hold what is open when dup fails
    finally:
        for descriptor in opened:
            os.close(descriptor)
