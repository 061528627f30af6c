from __future__ import annotations

import threading
import time
from typing import NoReturn

import pytest

from tiktoken_cache_init.errors import NoThread
from tiktoken_cache_init.run import Closed, DeadlinePassed, Run

LONG = 60.0
"""Seconds that no test takes."""


def fail(_: object) -> NoReturn:
    raise ValueError("no")


# Time.


def test_without_a_deadline_there_is_always_time() -> None:
    run = Run()
    run.check()
    assert run.remaining() > 1e8


def test_the_time_that_remains_is_never_negative() -> None:
    run = Run(0.001)
    time.sleep(0.002)
    assert run.remaining() == 0.0
    with pytest.raises(DeadlinePassed):
        run.check()


def test_elapsed_and_remaining_time_make_up_the_deadline() -> None:
    run = Run(LONG)
    assert run.elapsed() + run.remaining() == pytest.approx(LONG, abs=1)


def test_nothing_sleeps_past_the_deadline() -> None:
    run = Run(0.01)
    with pytest.raises(DeadlinePassed):
        run.sleep(LONG)
    assert run.elapsed() < LONG / 2


def test_a_sleep_ends_with_the_run() -> None:
    run = Run()
    threading.Timer(0.01, run.close).start()
    with pytest.raises(Closed):
        run.sleep(LONG)
    assert run.elapsed() < LONG / 2


def test_no_sleep_is_no_wait() -> None:
    Run(LONG).sleep(0)


# The end.


def test_a_closed_run_says_so() -> None:
    run = Run()
    assert not run.closed
    run.close()
    assert run.closed
    with pytest.raises(Closed):
        run.check()


def test_what_was_begun_last_is_undone_first_and_only_once() -> None:
    run, undone = Run(), list[int]()
    for number in range(3):
        run.at_end(lambda number=number: undone.append(number))  # type: ignore[misc]
    run.close()
    run.close()
    assert undone == [2, 1, 0]


def test_what_is_begun_after_the_end_is_undone_at_once() -> None:
    run, undone = Run(), list[int]()
    run.close()
    run.at_end(lambda: undone.append(1))
    assert undone == [1]


# One worker.


def test_what_the_worker_returns_comes_back() -> None:
    assert Run().wait_for(lambda: 5) == 5


def test_work_may_take_its_time() -> None:
    assert Run().wait_for(lambda: time.sleep(0.6) or 5) == 5  # type: ignore[func-returns-value]


def test_work_is_not_done_on_the_thread_that_waits() -> None:
    assert Run().wait_for(threading.current_thread) is not threading.current_thread()


def test_what_the_worker_raises_comes_back() -> None:
    with pytest.raises(ValueError, match="no"):
        Run().wait_for(lambda: fail(None))


def test_a_worker_that_minds_no_deadline_is_left_behind() -> None:
    run, end = Run(0.001), threading.Event()
    with pytest.raises(DeadlinePassed):
        run.wait_for(lambda: end.wait(LONG), grace=0.01)
    end.set()
    assert run.elapsed() < LONG / 2


def test_a_worker_has_a_moment_after_the_deadline_to_say_how_far_it_came() -> None:
    run = Run(0.001)

    def work() -> str:
        time.sleep(0.05)
        return "half"

    assert run.wait_for(work, grace=LONG) == "half"


# Many workers.


def test_results_come_in_the_order_of_the_items() -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (20 - item))
        return item * item

    assert Run().map(work, range(20)) == [item * item for item in range(20)]


def test_no_items_are_no_work() -> None:
    assert Run().map(fail, []) == []


@pytest.mark.parametrize("count", [2, 6])
def test_the_files_of_the_catalogue_are_worked_on_side_by_side(count: int) -> None:
    everybody = threading.Barrier(count)
    assert sorted(Run().map(lambda _: everybody.wait(LONG), range(count))) == list(range(count))


def test_more_items_than_workers_are_all_worked_on() -> None:
    assert Run().map(lambda item: item, range(100)) == list(range(100))


def test_the_first_failure_is_raised_while_others_still_work() -> None:
    run, end = Run(), threading.Event()
    with pytest.raises(ValueError):
        run.map(lambda item: fail(item) if item == 3 else end.wait(LONG), range(4))
    end.set()
    assert run.elapsed() < LONG / 2


def test_even_an_exit_of_a_worker_comes_back() -> None:
    def work(_: int) -> NoReturn:
        raise SystemExit(5)

    with pytest.raises(SystemExit):
        Run().map(work, [1])


def test_the_deadline_ends_the_waiting() -> None:
    run, end = Run(0.01), threading.Event()
    with pytest.raises(DeadlinePassed):
        run.map(lambda _: end.wait(LONG), [1])
    end.set()
    assert run.elapsed() < LONG / 2


def test_the_tick_goes_on_while_workers_work() -> None:
    run, enough, ticks = Run(), threading.Event(), list[int]()

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            enough.set()

    assert run.map(lambda _: enough.wait(LONG), [1], tick=tick, every=0.001) == [True]


def test_no_further_item_is_taken_up_once_the_run_ends() -> None:
    run, taken = Run(), list[int]()

    def work(item: int) -> None:
        taken.append(item)
        run.close()

    with pytest.raises(Closed):
        run.map(work, range(1000))
    assert 1 <= len(taken) < 1000


def test_a_machine_that_has_no_thread_left_is_told_of_with_what_limits_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    undone: list[int] = []
    run = Run()
    run.at_end(lambda: undone.append(1))
    for work in (lambda: run.wait_for(int), lambda: run.map(int, ["1"])):
        with pytest.raises(NoThread, match="--pids-limit") as caught:
            work()
        assert caught.value.exit_code == 3
    run.close()
    assert undone == [1]
