from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, process_state, settings, staged_file, vocabulary
from tests.unit.conftest import Refuse
from tests.unit.sources.fetching import supplied, watch
from tests.unit.sources.server import Server, continue_with, give, silent
from tests.vocabularies import CL100K
from tiktoken_cache_init.errors import DeadlinePassed, Stopped, VolumeError
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import Delivery, SourceError
from tiktoken_cache_init.sources import fetch as module
from tiktoken_cache_init.sources.failures import CannotResumeError, NotFoundError, TooSlowError
from tiktoken_cache_init.sources.fetch import Fetch, _backoff, _Route, _routes
from tiktoken_cache_init.values import SourceName
from tiktoken_cache_init.volume.staging import StagedFile

RIGHT = b"right bytes, " * 20_000
WRONG = b"wrong bytes, " * 20_000
WANTED = vocabulary(RIGHT)
HALF = len(RIGHT) // 2

Step = Callable[[StagedFile], None]


# Routes.


def labels(chosen: Settings) -> list[str]:
    return [route.label for route in _routes(TINY, chosen)]


def test_the_mirrors_come_before_the_origin_and_directories_are_no_routes() -> None:
    chosen = settings(mirrors=("https://u:secret@m.example", "/usb", "http://n.example"), origin=True)
    assert labels(chosen) == [
        "https://***@m.example",
        "http://n.example",
        "its own URL https://vocabularies.example/tiny.tiktoken",
    ]
    assert labels(chosen._replace(origin=False))[2:] == []
    [origin] = _routes(CL100K, settings(origin=True))
    assert (origin.label, list(origin.urls)) == (
        "origin https://openaipublic.blob.core.windows.net",
        [CL100K.url],
    )


def test_the_origin_may_have_the_bytes_of_a_private_vocabulary() -> None:
    published = CL100K
    private, origin = _routes(published._replace(url="https://a.example/x"), settings(origin=True))
    assert (private.label, private.urls) == ("its own URL https://a.example/x", ["https://a.example/x"])
    assert (origin.label, origin.urls) == ("origin https://openaipublic.blob.core.windows.net", [published.url])


def test_a_mirror_stands_in_for_the_origins_base_and_keeps_its_query() -> None:
    key = CL100K.cache_key
    [route] = _routes(CL100K, settings(mirrors=("https://m.example/a/?sig=1",)))
    assert list(route.urls) == [
        f"https://m.example/a/{name}?sig=1" for name in ("encodings/cl100k_base.tiktoken", "cl100k_base.tiktoken", key)
    ]


# The order of attempts.


class Bench:
    """One vocabulary, routes that a test scripts, and a clock that moves only during sleeps."""

    def __init__(self, staged: StagedFile, monkeypatch: pytest.MonkeyPatch) -> None:
        self.delivery = Delivery(staged)
        self.now = 0.0
        self.slept: list[float] = []
        self.said: list[str] = []
        self.limits: list[tuple[float, float]] = []
        self._steps: dict[str, list[Step]] = {}
        monkeypatch.setattr(module, "transfer", self._download)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(asyncio, "sleep", self._sleep)
        monkeypatch.setattr(random, "uniform", lambda *_: 1.0)

    def route(self, label: str, *steps: Step) -> _Route:
        """Return a route with one step for each attempt. The last step is repeated."""
        self._steps[label] = list(steps)
        return _Route(label, [label])

    def obtain(self, *routes: _Route, end: float = float("inf"), sources: tuple[SourceName, ...] = ("fetch",)) -> bool:
        """Call the source as often as it is called in a run, and return whether it supplied the file."""
        fetch = Fetch(settings(sources=sources), end, watch)
        fetch._routes[self.delivery] = list(routes)
        fetch._sources_behind = len(sources) - 1
        for _ in sources:
            asyncio.run(fetch._fetch(None, asyncio.Semaphore(1), self.delivery))  # type: ignore[arg-type]
            self.said.append("|")
            fetch._sources_behind = 0
            if self.delivery.complete:
                break
        self.said.pop()
        return self.delivery.complete

    @property
    def failures(self) -> list[tuple[str, str]]:
        return [(failure.label, failure.reason) for failure in self.delivery.failures]

    async def _download(self, _: object, url: str, staged: StagedFile, *limits: float) -> None:
        self.said.append(url)
        self.limits.append((limits[0], limits[1]))
        steps = self._steps[url]
        (steps.pop(0) if len(steps) > 1 else steps[0])(staged)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.now += seconds


def give_bytes(content: bytes = RIGHT) -> Step:
    """Return a step that writes the rest of the content."""
    return lambda staged: staged.write(content[staged.position :])


def part(upto: int, content: bytes = RIGHT) -> Step:
    """Return a step that writes the content up to ``upto`` bytes and then fails."""

    def step(staged: StagedFile) -> None:
        staged.write(content[staged.position : upto])
        raise SourceError("broke", transient=True)

    return step


def fail(reason: str = "no", *, transient: bool = True, wait: float = 0.0) -> Step:
    def step(_: StagedFile) -> None:
        raise SourceError(reason, transient=transient, wait=wait, advice="do something")

    return step


@pytest.fixture
def bench(volume: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with staged_file(volume, WANTED) as staged:
        yield Bench(staged, monkeypatch)


def test_the_first_route_is_enough_if_it_works(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", give_bytes()), bench.route("b", give_bytes()))
    assert (bench.said, bench.failures, bench.delivery.label) == (["a"], [], "a")


def test_a_route_that_cannot_recover_is_tried_once_and_the_next_at_once(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", fail(transient=False)), bench.route("b", give_bytes()))
    assert (bench.said, bench.slept) == (["a", "b"], [])


def test_a_route_that_can_recover_is_tried_five_times_with_growing_waits(bench: Bench) -> None:
    assert not bench.obtain(bench.route("a", fail()))
    assert bench.slept == [0.5, 1, 2, 4]
    assert bench.said == ["a"] * 5


def test_waits_double_up_to_a_limit_and_vary_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [_backoff(3) for _ in range(200)]
    assert 1 <= min(waits) < 1.5
    assert 2.5 < max(waits) <= 3
    monkeypatch.setattr(random, "uniform", lambda *_: 1.0)
    assert [_backoff(number) for number in (0, 1, 2, 6, 7, 20)] == [0, 0.5, 1, 16, 30, 30]


def test_no_route_is_waited_for_while_another_is_due(bench: Bench) -> None:
    a, b = bench.route("a", fail(), give_bytes()), bench.route("b", fail())
    c = bench.route("c", fail(transient=False))
    assert bench.obtain(a, b, c)
    assert bench.said == ["a", "b", "c", "a"]
    assert bench.slept == [0.5]


def test_the_route_that_is_due_first_is_waited_for(bench: Bench) -> None:
    a, b = bench.route("a", fail(wait=20), give_bytes()), bench.route("b", fail(wait=7), give_bytes())
    assert bench.obtain(a, b)
    assert (bench.said, bench.slept) == (["a", "b", "b"], [7])


@pytest.mark.parametrize(("asked", "waited"), [(17, 17), (0.1, 0.5)])
def test_the_wait_that_a_server_asks_for_is_kept_if_it_is_longer_than_our_own(
    bench: Bench, asked: float, waited: float
) -> None:
    assert bench.obtain(bench.route("a", fail(wait=asked), give_bytes()))
    assert bench.slept == [waited]


@pytest.mark.parametrize("wait", [10, 11])
def test_a_route_that_is_due_only_after_the_deadline_is_given_up(bench: Bench, wait: float) -> None:
    assert not bench.obtain(bench.route("a", fail(wait=wait)), end=10)
    assert (bench.said, bench.slept) == (["a"], [])


def test_progress_costs_no_retry_and_no_wait(bench: Bench) -> None:
    steps = [part(size) for size in range(66_000, len(RIGHT), 66_000)]
    assert bench.obtain(bench.route("a", fail(), fail(), fail(), fail(), *steps, fail(), fail(), give_bytes()))
    assert len(bench.slept) == 6


def test_a_few_bytes_or_the_same_bytes_again_are_no_progress(bench: Bench) -> None:
    def again(staged: StagedFile) -> None:
        staged.restart()
        part(HALF)(staged)

    assert not bench.obtain(bench.route("a", part(10), part(20)), bench.route("b", again))
    assert bench.said.count("a") == 5
    assert bench.said.count("b") == 6


def test_another_route_continues_where_the_first_broke_off(bench: Bench) -> None:
    at: list[int] = []

    def note(staged: StagedFile) -> None:
        at.append(staged.position)
        give_bytes()(staged)

    assert bench.obtain(bench.route("a", part(HALF), fail(transient=False)), bench.route("b", note))
    assert at == [HALF]


def test_a_route_that_cannot_continue_is_tried_from_the_start(bench: Bench) -> None:
    def cannot(_: StagedFile) -> None:
        raise CannotResumeError("no")

    def note(staged: StagedFile) -> None:
        assert staged.position == 0
        give_bytes()(staged)

    a, b = bench.route("a", part(HALF, WRONG), fail(transient=False)), bench.route("b", cannot, note)
    assert bench.obtain(a, b)
    assert bench.said == ["a", "a", "b", "b"]
    assert bench.failures == [("a", "broke"), ("a", "no")]


def test_each_name_of_a_mirror_is_tried_until_one_is_there(bench: Bench) -> None:
    def absent(text: str) -> Step:
        def step(_: StagedFile) -> None:
            raise NotFoundError(text)

        return step

    for name, step in (("1", absent("one")), ("2", absent("two")), ("3", give_bytes())):
        bench.route(name, step)
    assert bench.obtain(_Route("mirror", ["1", "2", "3"]))
    assert bench.said == ["1", "2", "3"]
    bench.delivery.staged.restart()
    assert not bench.obtain(_Route("mirror", ["1", "2"]))
    assert bench.failures == [("mirror", "one")]


def test_a_mirror_that_fails_is_not_asked_for_its_other_names(bench: Bench) -> None:
    bench.route("1", fail(transient=False))
    assert not bench.obtain(_Route("mirror", ["1", "2"]))
    assert bench.said == ["1"]


# Slow routes.


def slow(upto: int, needed: float) -> Step:
    """Return a step that writes the content up to ``upto`` bytes, and then is too slow."""

    def step(staged: StagedFile) -> None:
        staged.write(RIGHT[staged.position : upto])
        raise TooSlowError(1024, needed, 9)

    return step


def test_a_slow_route_is_left_for_the_next_one_which_continues_the_file(bench: Bench) -> None:
    assert bench.obtain(bench.route("a", slow(HALF, 50)), bench.route("b", give_bytes()), end=10)
    assert (bench.said, bench.slept) == (["a", "b"], [])
    assert bench.failures == [("a", "too slow: at 1.0 KiB/s it needs 50 s more, and 9 s are left")]


def test_the_fastest_of_the_slow_routes_is_continued_if_there_is_nothing_better(bench: Bench) -> None:
    a, b = bench.route("a", slow(100, 60)), bench.route("b", slow(200, 50), give_bytes())
    assert bench.obtain(a, b, bench.route("c", fail(), fail(transient=False)), end=100)
    assert bench.said == ["a", "b", "c", "c", "b"]
    assert bench.limits[-1] == (15, math.inf)


def test_the_sources_behind_come_before_a_slow_route(bench: Bench) -> None:
    a, b = bench.route("a", slow(HALF, 50), give_bytes()), bench.route("b", fail(transient=False))
    assert bench.obtain(a, b, end=100, sources=("fetch", "wheel"))
    assert bench.said == ["a", "b", "|", "a"]
    assert bench.limits[-1] == (15, math.inf)


@pytest.mark.parametrize(
    ("routes", "end", "sources", "limits"),
    [
        (1, 10, ("fetch",), (15, math.inf)),
        (2, 10, ("fetch",), (5, 10)),
        (1, 10, ("fetch", "wheel"), (5, 10)),
        (2, 300, ("fetch", "wheel"), (15, 300)),
        (2, 300, ("wheel", "fetch"), (15, 300)),
    ],
)
def test_a_route_with_alternatives_gets_a_share_of_the_time_that_is_left(
    bench: Bench, routes: int, end: float, sources: tuple[SourceName, ...], limits: tuple[float, float]
) -> None:
    fetch = Fetch(settings(sources=sources), end, watch)
    assert fetch._limits(bench.route("a"), routes) == limits


def test_eight_transfers_run_at_once_and_the_others_wait_for_them(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = most = 0

    async def count(_: object, __: str, staged: StagedFile, *___: float) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        staged.write(staged.vocabulary.published_name.encode())

    monkeypatch.setattr(module, "transfer", count)
    wanted = [vocabulary(f"{number}".encode(), f"{number}") for number in range(20)]
    with contextlib.ExitStack() as stack:
        deliveries = [Delivery(stack.enter_context(staged_file(volume, each))) for each in wanted]
        Fetch(settings(origin=True), time.monotonic() + 60, watch).supply(deliveries)
        assert all(delivery.complete for delivery in deliveries)
    assert most == 8


# Fetches from a server.


def test_several_files_are_fetched_from_a_mirror(server: Server, volume: Path) -> None:
    server.script("/tiny.tiktoken", continue_with(CONTENT, upto=5), continue_with(CONTENT))
    server.script(f"/{OTHER.cache_key}", give(OTHER_CONTENT))
    found = supplied(settings(mirrors=(server.url,)), volume, (TINY, CONTENT), (OTHER, OTHER_CONTENT))
    assert [delivery.label for delivery in found] == [f"{server.url}: complete"] * 2
    assert server.requests[0].headers["User-Agent"].startswith("tiktoken-cache-init/")
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_no_client_is_made_if_there_is_no_route(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_client", None)
    [found] = supplied(settings(mirrors=("/nowhere",)), volume, (TINY, CONTENT))
    assert found.failures == []


@pytest.mark.filterwarnings("error")
def test_too_few_file_descriptors_are_noticed_before_the_event_loop_is_made(volume: Path, refuse: Refuse) -> None:
    refuse("dup", errno.EMFILE)
    with pytest.raises(OSError, match="Too many open files"):
        supplied(settings(origin=True), volume, (TINY, CONTENT))


@pytest.mark.filterwarnings("error")
def test_a_failure_of_the_volume_ends_every_transfer(
    server: Server, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script("/tiny.tiktoken", give(CONTENT))
    server.script("/other.tiktoken", silent)
    monkeypatch.setattr(StagedFile, "write", lambda *_: (_ for _ in ()).throw(VolumeError("full: free some space")))
    with pytest.raises(VolumeError, match="full"):
        supplied(settings(mirrors=(server.url,)), volume, (TINY, CONTENT), (OTHER, OTHER_CONTENT))


def test_progress_is_watched_while_bytes_are_awaited(
    server: Server, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WATCH_EVERY", 0.01)
    seen = threading.Event()

    def look(deliveries: list[Delivery]) -> None:
        if deliveries[0].label == server.url:
            seen.set()

    def wait(request: Any) -> None:
        assert seen.wait(30)
        give(CONTENT)(request)

    server.script("/tiny.tiktoken", wait)
    [found] = supplied(settings(mirrors=(server.url,)), volume, (TINY, CONTENT), watcher=look)
    assert found.label == f"{server.url}: complete"


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        ([signal.SIGALRM], DeadlinePassed),
        ([signal.SIGTERM], Stopped),
        ([signal.SIGINT], Stopped),
        ([signal.SIGALRM, signal.SIGTERM], Stopped),
    ],
)
def test_a_signal_ends_a_transfer_at_once(
    server: Server, volume: Path, numbers: list[signal.Signals], error: type[BaseException]
) -> None:
    def handler(signum: int, _: FrameType | None) -> None:
        raise DeadlinePassed if signum == signal.SIGALRM else Stopped(signum)

    def stop(request: Any) -> None:
        for each in numbers:
            os.kill(os.getpid(), each)
        silent(request)

    server.script("/tiny.tiktoken", stop)
    began = time.monotonic()
    with process_state():
        for each in numbers:
            signal.signal(each, handler)
        with pytest.raises(error):
            supplied(settings(mirrors=(server.url,)), volume, (TINY, CONTENT))
        assert all(signal.getsignal(each) is handler for each in numbers)
    assert time.monotonic() - began < 2


def test_a_signal_that_comes_while_the_event_loop_is_closed_is_handled(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closing(asyncio.SelectorEventLoop):
        def close(self) -> None:
            super().close()
            signal.raise_signal(signal.SIGINT)

    def handler(signum: int, _: FrameType | None) -> None:
        raise Stopped(signum)

    monkeypatch.setattr(asyncio, "new_event_loop", Closing)
    monkeypatch.setattr(module, "_MAX_ATTEMPTS", 1)
    with process_state():
        signal.signal(signal.SIGINT, handler)
        with pytest.raises((Stopped, KeyboardInterrupt)) as caught:
            supplied(
                settings(origin=True)._replace(timeout=0.1, mirrors=("http://127.0.0.1:1",)), volume, (TINY, CONTENT)
            )
    assert caught.type is Stopped
