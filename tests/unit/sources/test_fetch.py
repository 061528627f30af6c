from __future__ import annotations

import asyncio
import math
import os
import random
import signal
import string
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, process_state, settings, staged_file, vocabulary
from tests.server import Server, give, serve, silent
from tests.unit.sources.fetching import supplied, watch
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import DeadlinePassed, VolumeError
from tiktoken_cache_init.sources import Delivery, SourceError, supply
from tiktoken_cache_init.sources import fetch as module
from tiktoken_cache_init.sources.failures import CannotResumeError, NotFoundError, TooSlowError
from tiktoken_cache_init.sources.fetch import Fetch, _backoff, _Route, _routes
from tiktoken_cache_init.values import SourceName
from tiktoken_cache_init.volume.staging import StagedFile

RIGHT = b"right bytes, " * 20_000
WRONG = b"wrong bytes, " * 20_000
WANTED = vocabulary(RIGHT)
HALF = len(RIGHT) // 2

ORIGIN = "origin https://openaipublic.blob.core.windows.net"
OWN = "https://a.example/x"
NAMES = (CL100K.path, CL100K.published_name, CL100K.cache_key)

# Routes.


@pytest.mark.parametrize(
    ("wanted", "mirrors", "origin", "expected"),
    [
        (CL100K, (), True, [(ORIGIN, [CL100K.url])]),
        (CL100K, (), False, []),
        (CL100K._replace(url=OWN), (), True, [(f"its own URL {OWN}", [OWN]), (ORIGIN, [CL100K.url])]),
        (
            CL100K,
            ("https://u:secret@m.example", "/usb", "http://n.example/a/?sig=1"),
            True,
            [
                ("https://***@m.example", [f"https://u:secret@m.example/{name}" for name in NAMES]),
                ("http://n.example/a/?***", [f"http://n.example/a/{name}?sig=1" for name in NAMES]),
                (ORIGIN, [CL100K.url]),
            ],
        ),
    ],
)
def test_the_mirrors_come_before_the_origin_and_directories_are_no_routes(
    wanted: Vocabulary, mirrors: tuple[str, ...], origin: bool, expected: list[tuple[str, list[str]]]
) -> None:
    routes = _routes(wanted, settings(mirrors=mirrors, origin=origin))
    assert [(route.label, route.urls) for route in routes] == expected


# The order of attempts.

Step = Callable[[StagedFile], None]


class Bench:
    """One vocabulary, routes that a test scripts, and a clock that moves only during sleeps."""

    def __init__(self, staged: StagedFile, monkeypatch: pytest.MonkeyPatch) -> None:
        self.delivery = Delivery(staged)
        self.now = 0.0
        self.slept: list[float] = []
        self.said: list[str] = []
        """URL of each attempt, and a bar after each call of the source."""
        self.positions: list[int] = []
        """Position in the file before each attempt."""
        self.limits: list[tuple[float, ...]] = []
        self._steps: dict[str, list[Step]] = {}
        monkeypatch.setattr(module, "transfer", self._transfer)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(asyncio, "sleep", self._sleep)
        monkeypatch.setattr(random, "uniform", lambda *_: 1.0)

    def obtain(
        self,
        steps: dict[str, list[Step]],
        *routes: _Route,
        end: float = 100,
        sources: tuple[SourceName, ...] = ("fetch",),
    ) -> bool:
        """Call the source as often as it is called in a run, and return whether it supplied the file.

        Each URL has one step for each attempt. The last step is repeated. Without ``routes``, each URL is a route.
        """
        self._steps = {url: list(each) for url, each in steps.items()}
        fetch = Fetch(settings(sources=sources), end, watch)
        fetch._routes[self.delivery] = list(routes) or [_Route(url, [url]) for url in steps]
        fetch._sources_behind = len(sources) - 1
        for _ in sources:
            asyncio.run(fetch._fetch(None, asyncio.Semaphore(1), self.delivery))  # type: ignore[arg-type]
            fetch._sources_behind = 0
            if self.delivery.staged.is_right:
                break
            self.said.append("|")
        return self.delivery.staged.is_right

    @property
    def failures(self) -> list[tuple[str, str]]:
        return [(failure.label, failure.reason) for failure in self.delivery.failures]

    async def _transfer(self, _: object, url: str, staged: StagedFile, *limits: float) -> None:
        self.said.append(url)
        self.positions.append(staged.position)
        self.limits.append(limits)
        steps = self._steps[url]
        (steps.pop(0) if len(steps) > 1 else steps[0])(staged)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.now += seconds


def step(upto: int, error: SourceError | None = None, content: bytes = RIGHT) -> Step:
    """Return a step that writes the content up to ``upto`` bytes, and then raises the error."""

    def run(staged: StagedFile) -> None:
        staged.write(content[staged.position : upto])
        if error:
            raise error

    return run


def part(upto: int, content: bytes = RIGHT) -> Step:
    return step(upto, SourceError("broke", transient=True), content)


def again(staged: StagedFile) -> None:
    """Write the first half from the start."""
    staged.restart()
    part(HALF)(staged)


def wait(seconds: float) -> Step:
    return step(0, SourceError("wait", transient=True, wait=seconds))


def slow(upto: int, needed: float) -> Step:
    return step(upto, TooSlowError(1024, needed, 9))


def absent(text: str) -> Step:
    return step(0, NotFoundError(text))


OK = step(len(RIGHT))
RETRY = part(0)
NO = step(0, SourceError("no"))


@pytest.fixture
def bench(volume: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with staged_file(volume, WANTED) as staged:
        yield Bench(staged, monkeypatch)


@pytest.mark.parametrize(
    ("steps", "said", "slept"),
    [
        ({"a": [OK], "b": [OK]}, "a", []),
        ({"a": [NO], "b": [OK]}, "ab", []),
        # The waits grow.
        ({"a": [RETRY]}, "aaaaa|", [0.5, 1, 2, 4]),
        # No route is waited for while another is due.
        ({"a": [RETRY, OK], "b": [RETRY], "c": [NO]}, "abca", [0.5]),
        ({"a": [wait(20), OK], "b": [wait(7), OK]}, "abb", [7]),
        # A server may ask for a longer wait, but not for one that ends after the deadline.
        ({"a": [wait(17), OK]}, "aa", [17]),
        ({"a": [wait(0.1), OK]}, "aa", [0.5]),
        ({"a": [wait(100)]}, "a|", []),
        ({"a": [wait(101)], "b": [NO]}, "ab|", []),
        # A few bytes, or the same bytes again, are no progress.
        ({"a": [part(10), part(20)]}, "aaaaa|", [0.5, 1, 2, 4]),
        ({"a": [part(HALF), again]}, "aaaaaa|", [0.5, 1, 2, 4]),
        ({"a": [part(66_000), *[RETRY] * 4, part(66_000 + (1 << 16)), RETRY, OK]}, "aaaaaaaa", [0.5, 1, 2, 4, 0.5]),
    ],
)
def test_routes_are_tried_in_order_and_again_until_one_supplies_the_file(
    bench: Bench, steps: dict[str, list[Step]], said: str, slept: list[float]
) -> None:
    done = bench.obtain(steps)
    assert (bench.said, bench.slept) == (list(said), slept)
    assert done != said.endswith("|")
    tried = said.strip("|")
    assert "".join(label for label, _ in bench.failures) == (tried[:-1] if done else tried)
    assert bench.delivery.label == tried[-1]


def test_waits_double_up_to_a_limit_and_vary_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [_backoff(3) for _ in range(200)]
    assert 1 <= min(waits) < 1.5
    assert 2.5 < max(waits) <= 3
    monkeypatch.setattr(random, "uniform", lambda *_: 1.0)
    assert [_backoff(number) for number in (0, 1, 2, 6, 7, 20)] == [0, 0.5, 1, 16, 30, 30]


def test_another_route_continues_where_the_first_broke_off(bench: Bench) -> None:
    assert bench.obtain({"a": [part(HALF), NO], "b": [OK]})
    assert bench.positions == [0, HALF, HALF]


def test_a_route_that_cannot_continue_is_tried_from_the_start(bench: Bench) -> None:
    cannot = step(0, CannotResumeError("no"))
    assert bench.obtain({"a": [part(HALF, WRONG), NO], "b": [cannot, OK]})
    assert (bench.said, bench.positions) == (["a", "a", "b", "b"], [0, HALF, HALF, 0])
    assert bench.failures == [("a", "broke"), ("a", "no")]


@pytest.mark.parametrize(
    ("steps", "said", "failures"),
    [
        ({"1": [absent("one")], "2": [absent("two")], "3": [OK]}, "123", []),
        ({"1": [absent("one")], "2": [absent("two")]}, "12|", [("mirror", "one")]),
        # A mirror that fails is not asked for its other names.
        ({"1": [NO], "2": [OK]}, "1|", [("mirror", "no")]),
    ],
)
def test_each_name_of_a_mirror_is_tried_until_one_is_there(
    bench: Bench, steps: dict[str, list[Step]], said: str, failures: list[tuple[str, str]]
) -> None:
    bench.obtain(steps, _Route("mirror", list(steps)))
    assert (bench.said, bench.failures) == (list(said), failures)


# Slow routes.


@pytest.mark.parametrize(
    ("steps", "sources", "said"),
    [
        # The next route continues the file.
        ({"a": [slow(HALF, 50)], "b": [OK]}, ["fetch"], "ab"),
        # The fastest of the slow routes is continued if there is nothing better.
        ({"a": [slow(1, 60)], "b": [slow(2, 50), OK], "c": [RETRY, NO]}, ["fetch"], "abccb"),
        # The sources behind come before a slow route.
        ({"a": [slow(HALF, 50), OK], "b": [NO]}, ["fetch", "wheel"], "ab|a"),
    ],
)
def test_a_slow_route_is_left_and_continued_if_there_is_nothing_better(
    bench: Bench, steps: dict[str, list[Step]], sources: list[SourceName], said: str
) -> None:
    assert bench.obtain(steps, sources=tuple(sources))
    assert bench.said == list(said)
    assert bench.failures[0][1].startswith("too slow: at 1.0 KiB/s it needs ")
    assert (bench.limits[-1] == (15, math.inf)) == (said != "ab")


@pytest.mark.parametrize(
    ("routes", "end", "sources", "limits"),
    [
        (1, 10, ("fetch",), (15, math.inf)),
        (2, 10, ("fetch",), (5, 10)),
        (2, 0, ("fetch",), (15, math.inf)),
        (1, 10, ("fetch", "wheel"), (5, 10)),
        (2, 300, ("fetch", "wheel"), (15, 300)),
        (2, 300, ("wheel", "fetch"), (15, 300)),
    ],
)
def test_a_route_with_alternatives_gets_a_share_of_the_time_that_is_left(
    bench: Bench, routes: int, end: float, sources: tuple[SourceName, ...], limits: tuple[float, float]
) -> None:
    assert Fetch(settings(sources=sources), end, watch)._limits(_Route("a", []), routes) == limits


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
    wanted = [(vocabulary(name.encode(), name), name.encode()) for name in string.ascii_letters]
    found = supplied(settings(origin=True), volume, *wanted)
    assert all(delivery.label.endswith(": complete") for delivery in found)
    assert most == 8


# Fetches from a server.


def test_several_files_are_fetched_from_a_mirror(server: Server, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_backoff", lambda _: 0.0)
    server.script("/tiny.tiktoken", serve(CONTENT, upto=5), serve(CONTENT))
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


def test_the_deadline_ends_a_transfer_and_is_recorded(server: Server, volume: Path) -> None:
    def stop(request: Any) -> None:
        os.kill(os.getpid(), signal.SIGALRM)
        silent(request)

    def handler(*_: object) -> None:
        raise DeadlinePassed

    server.script("/tiny.tiktoken", stop)
    with process_state(), staged_file(volume) as staged:
        signal.signal(signal.SIGALRM, handler)
        delivery = Delivery(staged)
        with pytest.raises(DeadlinePassed):
            supply([delivery], settings(mirrors=(server.url,), sources=("fetch",)), time.monotonic() + 60, watch)
    assert [failure.reason for failure in delivery.failures] == ["0 of 21 bytes came before the deadline"]
