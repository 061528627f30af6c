from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.samples import failures_of, staging, vocabulary
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.obtain import Attempts, obtain
from tiktoken_cache_init.run import Closed, DeadlinePassed, Run
from tiktoken_cache_init.sources import Route, RouteFailed
from tiktoken_cache_init.staging import StagedFile

RIGHT = b"right bytes, " * 20_000
WRONG = b"wrong bytes, " * 20_000
WANTED = vocabulary(RIGHT)
HALF = len(RIGHT) // 2

Step = Callable[[StagedFile], None]


class Clock(Run):
    """A run whose time passes only while it sleeps, and at once."""

    def __init__(self, deadline: float = float("inf")) -> None:
        super().__init__()
        self.now = 0.0
        self.end = deadline
        self.slept: list[float] = []

    def remaining(self) -> float:
        return max(0.0, self.end - self.now)

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        self.now += min(seconds, self.remaining())
        self.check()


class Told:
    """A route that does as it is told, one step a delivery; the last step stays."""

    def __init__(self, label: str, said: list[str], *steps: Step) -> None:
        self.label = label
        self.strikes = 0
        self.deliveries = 0
        self._said = said
        self._steps = list(steps)

    def deliver(self, _: object, staged: StagedFile) -> None:
        self.deliveries += 1
        self._said.append(self.label)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        step(staged)


def give(content: bytes) -> Step:
    """Go on from what is there, with bytes of ``content``."""
    return lambda staged: staged.write(content[staged.position :])


def part(upto: int, content: bytes = RIGHT) -> Step:
    """Go on from what is there up to so many bytes, then break."""

    def step(staged: StagedFile) -> None:
        staged.write(content[staged.position : upto])
        raise RouteFailed("broke", passing=True)

    return step


def afresh(content: bytes) -> Step:
    """Start again, as a server does that knows no ranges."""

    def step(staged: StagedFile) -> None:
        staged.restart()
        staged.write(content)

    return step


def fail(reason: str = "no", *, passing: bool = True, wait: float | None = None) -> Step:
    def step(_: StagedFile) -> None:
        raise RouteFailed(reason, passing=passing, wait=wait, advice="do something")

    return step


class Bench:
    """One vocabulary to be had, on a clock of its own."""

    def __init__(self, staged: StagedFile, clock: Clock) -> None:
        self.staged = staged
        self.clock = clock
        self.said: list[str] = []
        self.attempts = Attempts()

    def route(self, label: str, *steps: Step) -> Told:
        return Told(label, self.said, *steps)

    def obtain(self, *routes: Route, retries: int = 5) -> bool:
        return obtain(WANTED, list(routes), self.staged, self.clock, retries, self.attempts)

    @property
    def failures(self) -> list[tuple[str, str]]:
        return failures_of(self.attempts)


def with_jitter(monkeypatch: pytest.MonkeyPatch, byte: int) -> None:
    """Have the one random byte that a wait asks for be this; the names of temporary files take more of them."""
    urandom = os.urandom
    monkeypatch.setattr(os, "urandom", lambda size: bytes([byte]) if size == 1 else urandom(size))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    # Without jitter, so that the waits are the longest that they can be.
    with_jitter(monkeypatch, 0xFF)
    return clock


@pytest.fixture
def bench(clock: Clock, tmp_path: Path) -> Iterator[Bench]:
    with staging(tmp_path, WANTED) as (_, staged):
        yield Bench(staged, clock)


def test_the_first_route_is_enough_if_it_works(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", give(RIGHT)), bench.route("b", give(RIGHT)))
    assert bench.staged.is_right()
    assert (bench.said, bench.failures, bench.attempts.label) == (["a"], [], "a")


def test_no_route_is_no_luck(bench: Bench) -> None:
    assert not bench.obtain()


def test_what_cannot_pass_is_tried_once_and_the_next_route_at_once(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", fail(passing=False)), bench.route("b", give(RIGHT)))
    assert (bench.said, bench.clock.slept) == (["a", "b"], [])


def test_what_can_pass_is_tried_again_after_longer_and_longer_waits(bench: Bench) -> None:
    assert not bench.obtain(bench.route("a", fail()), retries=9)
    assert bench.clock.slept == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert bench.said == ["a"] * 9


def test_waits_are_shortened_at_random_but_not_below_half(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with_jitter(monkeypatch, 0)
    assert not bench.obtain(bench.route("a", fail()), retries=3)
    assert bench.clock.slept == [0.25, 0.5]


def test_a_route_is_given_up_after_so_many_attempts(bench: Bench) -> None:
    assert not bench.obtain(bench.route("a", fail()), retries=1)
    assert (bench.said, bench.clock.slept) == (["a"], [])


def test_nothing_is_waited_for_while_another_route_is_due(bench: Bench) -> None:
    a, b, c = bench.route("a", fail(), give(RIGHT)), bench.route("b", fail()), bench.route("c", fail(passing=False))
    assert bench.obtain(a, b, c)
    assert bench.said == ["a", "b", "c", "a"]
    assert bench.clock.slept == [0.5]


def test_the_route_that_is_due_first_is_waited_for(bench: Bench) -> None:
    a, b = bench.route("a", fail(wait=20), give(RIGHT)), bench.route("b", fail(wait=7), give(RIGHT))
    assert bench.obtain(a, b)
    assert bench.said == ["a", "b", "b"]
    assert bench.clock.slept == [7]


def test_a_wait_that_was_asked_for_is_kept_to(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", fail(wait=17), give(RIGHT)))
    assert bench.clock.slept == [17]


def test_a_wait_that_was_asked_for_does_not_shorten_our_own(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", fail(wait=0), give(RIGHT)))
    assert bench.clock.slept == [0.5]


@pytest.mark.parametrize("wait", [10, 11])
def test_a_wait_up_to_the_deadline_or_beyond_gives_the_route_up_at_once(bench: Bench, wait: float) -> None:
    bench.clock.end = 10
    assert not bench.obtain(bench.route("a", fail(wait=wait)))
    assert (bench.said, bench.clock.slept) == (["a"], [])


def test_the_deadline_ends_the_waiting(bench: Bench) -> None:
    bench.clock.end = 10

    def late(_: StagedFile) -> None:
        bench.clock.now = 10
        raise RouteFailed("no", passing=True)

    with pytest.raises(DeadlinePassed):
        bench.obtain(bench.route("a", fail(wait=5), late), bench.route("b", late))


def test_the_end_of_the_run_ends_the_trying(bench: Bench) -> None:
    def close(_: StagedFile) -> None:
        bench.clock.close()
        raise RouteFailed("no", passing=True)

    with pytest.raises(Closed):
        bench.obtain(bench.route("a", close))


# Progress.


def test_progress_costs_no_retry_and_no_wait(bench: Bench) -> None:
    steps = [part(size) for size in range(70_000, len(RIGHT), 70_000)]
    assert len(steps) == 3
    assert bench.obtain(bench.route("a", *steps, give(RIGHT)), bench.route("b", give(RIGHT)), retries=1)
    assert (bench.said, bench.clock.slept) == (["a"] * 4, [])


def test_a_few_bytes_are_no_progress(bench: Bench) -> None:
    assert not bench.obtain(bench.route("a", part(10), part(20)), retries=2)
    assert bench.said == ["a", "a"]


def test_the_same_bytes_again_are_no_progress(bench: Bench) -> None:
    def again(staged: StagedFile) -> None:
        staged.restart()
        part(HALF)(staged)

    assert not bench.obtain(bench.route("a", again), retries=3)
    assert bench.said == ["a"] * 4


def test_progress_makes_good_for_the_failures_before_it(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", fail(), part(HALF), fail(), give(RIGHT)), retries=2)


def test_another_route_goes_on_where_the_first_broke_off(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", part(HALF), fail(passing=False)), bench.route("b", give(RIGHT)))
    assert bench.staged.restarts == 0
    assert bench.said == ["a", "a", "b"]


# Wrong bytes.


def test_wrong_bytes_are_thrown_away_and_the_route_with_them(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", give(WRONG)), bench.route("b", give(RIGHT)))
    assert bench.said == ["a", "b"]
    [(label, reason)] = bench.failures
    assert label == "a"
    assert reason.startswith("wrong bytes (260,000 bytes, the right length)")
    assert hashlib.sha256(WRONG).hexdigest() in reason


def test_wrong_bytes_are_called_what_they_are(bench: Bench) -> None:
    assert not bench.obtain(bench.route("a", give(b"<html>" + b" " * 100)), bench.route("b", give(b"")))
    page, nothing = [reason for _, reason in bench.failures]
    assert page.startswith("wrong bytes: an HTML page, as an error page or a captive portal sends (106 bytes)")
    assert nothing.startswith("wrong bytes: empty (0 bytes)")
    assert not bench.staged.position


def test_mixed_bytes_are_blamed_on_nobody_before_a_fresh_delivery(bench: Bench) -> None:
    a = bench.route("a", part(HALF, WRONG), fail(passing=False))
    b = bench.route("b", give(RIGHT))
    assert bench.obtain(a, b)
    assert bench.said == ["a", "a", "b", "b"]
    assert bench.failures == [("a", "broke"), ("a", "no")]


def test_a_route_that_is_wrong_from_the_start_as_well_is_blamed(bench: Bench) -> None:
    a, b = bench.route("a", part(HALF), fail(passing=False)), bench.route("b", give(WRONG))
    assert not bench.obtain(a, b)
    assert bench.said == ["a", "a", "b", "b"]
    assert [label for label, reason in bench.failures if "wrong bytes" in reason] == ["b"]


def test_a_route_that_started_again_by_itself_needs_no_fresh_delivery_to_be_blamed(bench: Bench) -> None:
    a, b = bench.route("a", part(HALF), fail(passing=False)), bench.route("b", afresh(WRONG))
    assert not bench.obtain(a, b)
    assert bench.said == ["a", "a", "b"]


def test_a_fresh_delivery_that_breaks_is_a_failure_like_any_other(bench: Bench) -> None:
    a = bench.route("a", part(HALF, WRONG), fail(passing=False))
    b = bench.route("b", give(RIGHT), part(HALF), give(RIGHT))
    assert bench.obtain(a, b)
    assert bench.failures == [("a", "broke"), ("a", "no"), ("b", "broke")]


# Strikes.


def test_a_route_that_failed_for_one_file_is_not_the_first_choice_for_the_next(bench: Bench, tmp_path: Path) -> None:
    a = bench.route("a", fail(passing=False), give(RIGHT))
    b = bench.route("b", give(RIGHT))
    assert bench.obtain(a, b)
    with staging(tmp_path, WANTED) as (_, staged):
        assert obtain(WANTED, [a, b], staged, bench.clock, 5, Attempts())
    assert bench.said == ["a", "b", "b"]


def test_routes_with_equal_strikes_keep_their_order(bench: Bench) -> None:
    a, b = bench.route("a", give(RIGHT)), bench.route("b", give(RIGHT))
    a.strikes = b.strikes = 3
    assert bench.obtain(a, b)
    assert bench.said == ["a"]


def test_progress_is_no_strike(bench: Bench) -> None:
    a = bench.route("a", part(HALF), give(RIGHT))
    assert bench.obtain(a)
    assert a.strikes == 0


# What is noted.


def test_each_failure_is_noted_in_order_with_its_advice(bench: Bench) -> None:
    assert not bench.obtain(bench.route("a", fail("one")), bench.route("b", fail("two")), retries=2)
    assert bench.failures == [("a", "one"), ("b", "two"), ("a", "one"), ("b", "two")]
    assert {failure.advice for failure in bench.attempts.failures} == {"do something"}


@pytest.mark.parametrize(("pin", "so_far"), [(WANTED, "10 of 260,000"), (WANTED._replace(size=None), "10")])
def test_what_the_deadline_cut_off_is_noted_with_how_far_it_came(
    bench: Bench, tmp_path: Path, pin: Vocabulary, so_far: str
) -> None:
    attempts = Attempts()
    attempts.cut_off()
    assert not attempts.failures
    with staging(tmp_path, pin) as (_, staged):
        assert not obtain(pin, [bench.route("a", part(10))], staged, bench.clock, 1, attempts)
        attempts.cut_off()
    assert failures_of(attempts)[1:] == [("a", f"{so_far} bytes when the deadline passed")]
    assert "TIKTOKEN_INIT_DEADLINE" in attempts.failures[1].advice


def test_the_file_in_transfer_is_there_for_the_progress(bench: Bench) -> None:
    bench.obtain(bench.route("a", give(RIGHT)))
    assert bench.attempts.staged is bench.staged
