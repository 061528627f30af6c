"""The event loop of a fetch, which a signal ends in order."""

import asyncio
import selectors
import signal
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import interrupts


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine function to its end. A signal cancels it. Its handler runs after the loop is closed.

    Unlike `asyncio.run`, this does not wait for threads, because a name look-up may hang in one.

    Raises:
        OSError: this process may open too few files.
    """
    # With too few file descriptors for its selector, its pair of sockets and a connection, asyncio prints a traceback.
    with selectors.DefaultSelector(), socket.socket(), socket.socket(), socket.socket():
        pass
    received: list[int] = []
    handlers = {each: handler for each in interrupts.SIGNALS if callable(handler := signal.getsignal(each))}

    def receive(signum: int) -> None:
        # A second signal must not interrupt the clean-up of the coroutine.
        if not received:
            task.cancel()
        received.append(signum)

    with interrupts.blocked():
        loop = asyncio.new_event_loop()
        # A signal that a thread receives would reach the main thread even while it is blocked there.
        loop.set_default_executor(ThreadPoolExecutor(initializer=interrupts.block))
        # The transfer fails with the same error and reports it. By default, asyncio also prints a traceback.
        loop.set_exception_handler(lambda *_: None)
        task = loop.create_task(main())
        for each in handlers:
            loop.add_signal_handler(each, receive, each)
        interrupts.unblock()
        [failure] = loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        interrupts.block()
        loop.run_until_complete(_close(loop))
        loop.close()
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in received:
            signal.raise_signal(number)
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
