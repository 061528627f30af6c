from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.samples import process_state
from tiktoken_cache_init import interrupts
from tiktoken_cache_init.errors import DeadlinePassed, Stopped


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    with process_state():
        # A shell starts a background job with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.listen()
        yield


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, Stopped), (signal.SIGALRM, DeadlinePassed)])
def test_an_exception_that_python_ignores_is_raised_again(
    number: signal.Signals, error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Dying()
    with pytest.raises(error):
        time.sleep(10)
    assert capfd.readouterr().err == ""


def test_another_ignored_exception_is_reported_by_python(capfd: pytest.CaptureFixture[str]) -> None:
    class Dying:
        def __del__(self) -> None:
            raise ValueError

    Dying()
    assert "ValueError" in capfd.readouterr().err


def test_the_first_signal_decides_the_exit_code() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        with pytest.raises(Stopped) as caught:
            signal.raise_signal(number)
        assert caught.value.code == 143


def test_a_signal_waits_until_the_end_of_a_block() -> None:
    done = []

    def block() -> None:
        with interrupts.blocked():
            signal.raise_signal(signal.SIGTERM)
            done.append(True)

    with pytest.raises(Stopped):
        block()
    assert done == [True]
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)


def test_the_deadline_can_be_ended() -> None:
    signal.setitimer(signal.ITIMER_REAL, 60)
    interrupts.end_deadline()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.listen()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
