from __future__ import annotations

import asyncio
import errno
import selectors
import signal
from collections.abc import AsyncIterator, Iterator
from types import FrameType

import pytest

from tests.samples import process_state
from tests.unit.conftest import Refuse
from tiktoken_cache_init import interrupts
from tiktoken_cache_init.errors import DeadlinePassed, Stopped
from tiktoken_cache_init.sources.loop import run


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    def handler(signum: int, _: FrameType | None) -> None:
        raise DeadlinePassed if signum == signal.SIGALRM else Stopped(signum)

    with process_state():
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)
        yield
        assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.filterwarnings("error")
def test_tasks_and_generators_that_are_left_are_ended() -> None:
    ended: list[str] = []
    left: list[object] = []

    async def leave() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append("task")

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append("generator")

    async def main() -> None:
        numbers = generate()
        left.extend([asyncio.create_task(leave()), numbers])
        await anext(numbers)

    run(main)
    assert ended == ["generator", "task"]


def test_a_thread_receives_no_signal() -> None:
    blocked: set[int] = set()

    async def main() -> None:
        blocked.update(await asyncio.to_thread(signal.pthread_sigmask, signal.SIG_BLOCK, ()))

    run(main)
    assert set(interrupts.SIGNALS) <= blocked


def test_a_failure_is_raised_when_the_loop_is_closed() -> None:
    async def main() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        run(main)


def test_an_error_of_a_transport_is_not_printed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        # A transport calls this for an error that ends it, such as a MemoryError while it reads.
        asyncio.get_running_loop().call_exception_handler({"message": "Fatal read error"})

    run(main)
    assert caplog.records == []


@pytest.mark.filterwarnings("error")
def test_too_few_file_descriptors_are_noticed_before_the_loop_is_made(refuse: Refuse) -> None:
    refuse("DefaultSelector", errno.EMFILE, selectors)
    with pytest.raises(OSError, match="Too many open files"):
        run(lambda: asyncio.sleep(0))


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        ([signal.SIGALRM], DeadlinePassed),
        ([signal.SIGINT], Stopped),
        # A stop that follows the deadline is not lost.
        ([signal.SIGALRM, signal.SIGTERM], Stopped),
    ],
)
def test_a_signal_ends_the_coroutine_and_is_handled(numbers: list[int], error: type[BaseException]) -> None:
    cleaned: list[bool] = []

    async def main() -> None:
        for number in numbers:
            signal.raise_signal(number)
        try:
            await asyncio.sleep(60)
        finally:
            # The second signal does not interrupt this.
            await asyncio.sleep(0.01)
            cleaned.append(True)

    def run_and_continue() -> None:
        try:
            run(main)
        finally:
            # Python handles the second signal here at the latest, as in a fill.
            interrupts.unblock()

    with pytest.raises(error):
        run_and_continue()
    assert cleaned == [True]


def test_a_signal_that_comes_while_the_loop_is_closed_is_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closing(asyncio.SelectorEventLoop):
        def close(self) -> None:
            super().close()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(asyncio, "new_event_loop", Closing)
    with pytest.raises((Stopped, KeyboardInterrupt)) as caught:
        run(lambda: asyncio.sleep(0))
    assert caught.type is Stopped
