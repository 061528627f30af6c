from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, settings, staged_file, vocabulary
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Delivery, SourceError, Watch
from tiktoken_cache_init.sources import fetch as module
from tiktoken_cache_init.sources.failures import NotFoundError, TooSlowError
from tiktoken_cache_init.sources.fetch import Fetch, _backoff, _Route, _routes
from tiktoken_cache_init.values import SourceName
from tiktoken_cache_init.volume.staging import StagedFile

RIGHT = b"right bytes, " * 20_000
WANTED = vocabulary(RIGHT)
HALF = len(RIGHT) // 2

ORIGIN = "origin https://openaipublic.blob.core.windows.net"
OWN = "https://a.example/x"
NAMES = (CL100K.path, CL100K.published_name, CL100K.cache_key)


def ignore(_: object) -> None:
    """Ignore the progress."""


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
        self.tried: list[str] = []
        """URL of each attempt, and a bar after each call of the source."""
        self.positions: list[int] = []
        """Position in the file before each attempt."""
        self.last_end = 0.0
        self._steps: dict[str, list[Step]] = {}
        monkeypatch.setattr(module, "transfer", self._transfer)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(asyncio, "sleep", self._sleep)
        monkeypatch.setattr(random, "uniform", lambda *_: 1.0)

    def obtain(
        self, steps: dict[str, list[Step]], *routes: _Route, sources: tuple[SourceName, ...] = ("fetch",)
    ) -> bool:
        """Call the source as often as it is called in a run, and return whether it supplied the file.

        Each URL has one step for each attempt. The last step is repeated. Without ``routes``, each URL is a route.
        """
        self._steps = {url: list(each) for url, each in steps.items()}
        fetch = Fetch(settings(sources=sources), 100, ignore)
        fetch._routes[self.delivery] = list(routes) or [_Route(url, [url]) for url in steps]
        for _ in sources:
            asyncio.run(fetch._fetch(None, self.delivery))  # type: ignore[arg-type]
            fetch._sources_behind = 0
            if self.delivery.staged.is_right:
                break
            self.tried.append("|")
        return self.delivery.staged.is_right

    @property
    def failures(self) -> list[tuple[str, str]]:
        return [(failure.label, failure.reason) for failure in self.delivery.failures]

    async def _transfer(self, _: object, url: str, staged: StagedFile, timeout: float, end: float) -> None:
        assert timeout == 15
        self.tried.append(url)
        self.positions.append(staged.position)
        self.last_end = end
        steps = self._steps[url]
        (steps.pop(0) if len(steps) > 1 else steps[0])(staged)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.now += seconds


def step(upto: int, error: SourceError | None = None) -> Step:
    """Return a step that writes the content up to ``upto`` bytes, and then raises the error."""

    def run(staged: StagedFile) -> None:
        staged.write(RIGHT[staged.position : upto])
        if error:
            raise error

    return run


def part(upto: int) -> Step:
    return step(upto, SourceError("broke", transient=True))


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
    ("steps", "tried", "slept"),
    [
        ({"a": [NO], "b": [OK]}, "ab", []),
        # The waits grow.
        ({"a": [RETRY]}, "aaaaa|", [0.5, 1, 2, 4]),
        # No route is waited for while another is due.
        ({"a": [RETRY, OK], "b": [RETRY], "c": [NO]}, "abca", [0.5]),
        ({"a": [wait(20), OK], "b": [wait(7), OK]}, "abb", [7]),
        # A server may ask for a longer wait, but not for one that ends after the deadline.
        ({"a": [wait(17), OK]}, "aa", [17]),
        ({"a": [wait(100)]}, "a|", []),
        ({"a": [wait(101)], "b": [NO]}, "ab|", []),
        # New bytes are progress, and the same bytes again are none.
        ({"a": [RETRY, RETRY, part(1), part(2), RETRY, OK]}, "aaaaaa", [0.5, 1, 0.25, 0.25, 0.5]),
        ({"a": [part(HALF), again]}, "aaaaaa|", [0.25, 0.5, 1, 2, 4]),
    ],
)
def test_routes_are_tried_in_order_and_again_until_one_supplies_the_file(
    bench: Bench, steps: dict[str, list[Step]], tried: str, slept: list[float]
) -> None:
    done = bench.obtain(steps)
    assert (bench.tried, bench.slept) == (list(tried), slept)
    assert done != tried.endswith("|")
    labels = tried.strip("|")
    assert "".join(label for label, _ in bench.failures) == (labels[:-1] if done else labels)
    assert bench.delivery.label == labels[-1]


def test_waits_vary_by_half() -> None:
    waits = [_backoff(3) for _ in range(200)]
    assert 1 <= min(waits) < 1.5
    assert 2.5 < max(waits) <= 3


def test_another_route_continues_where_the_first_broke_off(bench: Bench) -> None:
    assert bench.obtain({"a": [part(HALF)], "b": [OK]})
    assert bench.positions == [0, HALF]


@pytest.mark.parametrize(
    ("steps", "tried", "failures"),
    [
        ({"1": [absent("one")], "2": [absent("two")], "3": [OK]}, "123", []),
        ({"1": [absent("one")], "2": [absent("two")]}, "12|", [("mirror", "one")]),
        # A mirror that fails is not asked for its other names.
        ({"1": [NO], "2": [OK]}, "1|", [("mirror", "no")]),
    ],
)
def test_each_name_of_a_mirror_is_tried_until_one_is_there(
    bench: Bench, steps: dict[str, list[Step]], tried: str, failures: list[tuple[str, str]]
) -> None:
    bench.obtain(steps, _Route("mirror", list(steps)))
    assert (bench.tried, bench.failures) == (list(tried), failures)


@pytest.mark.parametrize(
    ("steps", "sources", "tried", "last_end"),
    [
        # The last resort has all the time.
        ({"a": [OK]}, ["fetch"], "a", math.inf),
        ({"a": [OK]}, ["fetch", "wheel"], "a", 100),
        ({"a": [OK]}, ["wheel", "fetch"], "a", math.inf),
        # The next route continues the file.
        ({"a": [slow(HALF, 50)], "b": [OK], "c": [NO]}, ["fetch"], "ab", 100),
        # The fastest of the slow routes is continued if there is nothing better.
        ({"a": [slow(1, 60)], "b": [slow(2, 50), OK], "c": [RETRY, NO]}, ["fetch"], "abccb", math.inf),
        # The sources behind come before a slow route.
        ({"a": [slow(HALF, 50), OK], "b": [NO]}, ["fetch", "wheel"], "ab|a", math.inf),
    ],
)
def test_a_slow_route_is_left_and_continued_if_there_is_nothing_better(
    bench: Bench, steps: dict[str, list[Step]], sources: list[SourceName], tried: str, last_end: float
) -> None:
    assert bench.obtain(steps, sources=tuple(sources))
    assert (bench.tried, bench.last_end) == (list(tried), last_end)


# The source as a whole.

Transfer = Callable[[Delivery, float], Awaitable[None]]


@pytest.fixture
def supplied(volume: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Delivery]]]:
    """Return a function that calls the source twice with two vocabularies, and with a replacement for `transfer`."""
    with staged_file(volume, TINY) as first, staged_file(volume, OTHER) as second:
        deliveries = [Delivery(first), Delivery(second)]

        def supply(
            transfer: Transfer | None, watch: Watch = ignore, mirror: str = "https://m.example"
        ) -> list[Delivery]:
            async def replacement(_: object, url: str, staged: StagedFile, __: float, end: float) -> None:
                assert transfer
                assert url == f"https://m.example/{staged.vocabulary.published_name}"
                await transfer(next(each for each in deliveries if each.staged is staged), end)

            monkeypatch.setattr(module, "transfer", replacement)
            source = Fetch(settings(mirrors=(mirror,), sources=("fetch", "wheel")), 1e9, watch)
            source.supply(deliveries)
            source.supply([delivery for delivery in deliveries if not delivery.staged.is_right])
            return deliveries

        first.write(b"wrong bytes")
        yield supply


def content_of(delivery: Delivery) -> bytes:
    return CONTENT if delivery.vocabulary is TINY else OTHER_CONTENT


async def slow_at_first(delivery: Delivery, end: float) -> None:
    """Write half of the right bytes in the first call, and the others in the second call."""
    staged, content = delivery.staged, content_of(delivery)
    if end < math.inf:
        # Wrong bytes of another source are not continued.
        assert staged.position == 0
        staged.write(content[:3])
        raise TooSlowError(1, 2, 1)
    staged.write(content[3:])


def test_several_files_are_fetched_and_continued_by_the_second_call(
    supplied: Callable[..., list[Delivery]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "a:b")
    deliveries = supplied(slow_at_first)
    assert [delivery.staged.is_right for delivery in deliveries] == [True, True]
    assert [delivery.label for delivery in deliveries] == ["https://m.example"] * 2
    assert deliveries[1].warnings[0] == "NO_PROXY: 'a:b' is no host, domain or network: correct it"


def test_no_client_is_made_if_there_is_no_route(
    supplied: Callable[..., list[Delivery]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "make_client", None)
    assert supplied(None, mirror="/nowhere")[0].failures == []


def test_a_failure_of_the_volume_ends_every_transfer(supplied: Callable[..., list[Delivery]]) -> None:
    async def full(delivery: Delivery, _: float) -> None:
        if delivery.vocabulary is OTHER:
            await asyncio.sleep(60)
        raise VolumeError("full: free some space")

    with pytest.raises(VolumeError, match="full"):
        supplied(full)


def test_progress_is_watched_while_bytes_are_awaited(
    supplied: Callable[..., list[Delivery]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WATCH_EVERY", 0.001)
    seen: list[str] = []

    async def wait_for_a_watcher(delivery: Delivery, _: float) -> None:
        while "https://m.example" not in seen:
            await asyncio.sleep(0.001)
        delivery.staged.write(content_of(delivery))

    deliveries = supplied(wait_for_a_watcher, lambda deliveries: seen.append(deliveries[0].label))
    assert deliveries[0].staged.is_right
