from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.samples import OTHER, settings, staged_file, vocabulary
from tests.unit.sources.hasty import Hasty
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Delivery, SourceError, Watch
from tiktoken_cache_init.sources import fetch as module
from tiktoken_cache_init.sources.failures import CannotResumeError, NotFoundError, TooSlowError
from tiktoken_cache_init.sources.fetch import Fetch, _backoff, _routes
from tiktoken_cache_init.sources.transfer import transfer
from tiktoken_cache_init.values import SourceName
from tiktoken_cache_init.volume.staging import StagedFile

RIGHT = b"right bytes, " * 20_000
WANTED = vocabulary(RIGHT)
HALF = len(RIGHT) // 2
ENOUGH = 64 * 1024
"""Bytes that count as progress."""

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


# Attempts, in simulated time.

Step = Callable[[StagedFile], Awaitable[None] | None]


def ignore(_: object) -> None:
    """Ignore the progress."""


class Bench:
    """One vocabulary or more, and mirrors that a test scripts."""

    def __init__(self, staged: StagedFile, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deliveries = [Delivery(staged)]
        self.tried: list[str] = []
        """Mirror of each attempt, and a bar after each call of the source that did not supply everything."""
        self.urls: list[str] = []
        self.positions: list[int] = []
        """Position in the file before each attempt."""
        self.times: list[float] = []
        self.limits: list[tuple[float, float]] = []
        """Time-out and end of each attempt."""
        self._steps: dict[str, list[Step]] = {}
        self._loop: Hasty | None = None
        monkeypatch.setattr(module, "transfer", self._transfer)
        monkeypatch.setattr(module, "make_client", lambda *_: contextlib.nullcontext())
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=self.now))
        monkeypatch.setattr(asyncio, "new_event_loop", self._new_loop)
        monkeypatch.setattr(random, "uniform", lambda *_: 1.0)

    def obtain(
        self,
        steps: dict[str, list[Step]],
        sources: tuple[SourceName, ...] = ("fetch",),
        end: float = 100,
        watch: Watch = ignore,
    ) -> bool:
        """Call the source as often as it is called in a run, and return whether it supplied the files.

        Each mirror has one step for each attempt. The last step is repeated.
        """
        self._steps = {name: list(each) for name, each in steps.items()}
        chosen = settings(mirrors=tuple(f"https://{name}" for name in steps), sources=sources)
        fetch = Fetch(chosen, end, watch)
        missing = self.deliveries
        for _ in range(2):
            fetch.supply(missing)
            missing = [delivery for delivery in missing if not delivery.staged.is_right]
            if not missing:
                return True
            self.tried.append("|")
        return False

    @property
    def failures(self) -> list[tuple[str, str]]:
        found = self.deliveries[0].failures
        return [(failure.label.removeprefix("https://"), failure.reason) for failure in found]

    @property
    def waits(self) -> list[float]:
        """Seconds between two attempts."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False) if later > earlier]

    async def _transfer(self, _: object, url: str, staged: StagedFile, timeout: float, end: float) -> None:
        name = url.removeprefix("https://").partition("/")[0]
        self.tried.append(name)
        self.urls.append(url)
        self.positions.append(staged.position)
        self.times.append(self.now())
        self.limits.append((timeout, end))
        steps = self._steps[name]
        if rest := (steps.pop(0) if len(steps) > 1 else steps[0])(staged):
            await rest

    def now(self) -> float:
        return self._loop.now if self._loop else 0.0

    def _new_loop(self) -> Hasty:
        self._loop = Hasty(self.now())
        return self._loop


def step(upto: int, error: Exception | None = None) -> Step:
    """Return a step that writes the content up to ``upto`` bytes, and then raises the error."""

    def run(staged: StagedFile) -> None:
        staged.write(RIGHT[staged.position : upto])
        if error:
            raise error

    return run


def part(upto: int) -> Step:
    return step(upto, SourceError("broke", transient=True))


def again(upto: int) -> Step:
    """Return a step that begins the file again, writes it up to ``upto`` bytes, and then breaks."""

    def run(staged: StagedFile) -> None:
        staged.restart()
        part(upto)(staged)

    return run


async def write_later(staged: StagedFile) -> None:
    await asyncio.sleep(1)
    staged.write(RIGHT)


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
    ("steps", "tried", "waits"),
    [
        ({"a": [NO], "b": [OK]}, "ab", []),
        # The waits grow.
        ({"a": [RETRY]}, "aaaaa||", [0.5, 1, 2, 4]),
        # No route is waited for while another is due.
        ({"a": [RETRY, OK], "b": [RETRY], "c": [NO]}, "abca", [0.5]),
        ({"a": [wait(20), OK], "b": [wait(7), OK]}, "abb", [7]),
        # A server may ask for a longer wait, but not for one that ends after the deadline.
        ({"a": [wait(17), OK]}, "aa", [17]),
        ({"a": [wait(100)]}, "a||", []),
        ({"a": [wait(101)], "b": [NO]}, "ab||", []),
        ({"a": [wait(0.1), OK]}, "aa", [0.5]),
        # A few bytes, or the same bytes again, are no progress.
        ({"a": [part(10), part(20)]}, "aaaaa||", [0.5, 1, 2, 4]),
        ({"a": [part(HALF), again(0), again(HALF)]}, "aaaaaa||", [0.5, 1, 2, 4]),
        ({"a": [RETRY, RETRY, part(ENOUGH), RETRY, part(2 * ENOUGH), RETRY, OK]}, "aaaaaaa", [0.5, 1, 0.5, 0.5]),
        ({"a": [part(ENOUGH - 1), OK]}, "aa", [0.5]),
    ],
)
def test_routes_are_tried_in_order_and_again_until_one_supplies_the_file(
    bench: Bench, steps: dict[str, list[Step]], tried: str, waits: list[float]
) -> None:
    done = bench.obtain(steps)
    assert (bench.tried, bench.waits) == (list(tried), waits)
    assert done != tried.endswith("|")
    labels = tried.strip("|")
    assert "".join(label for label, _ in bench.failures) == (labels[:-1] if done else labels)
    assert bench.deliveries[0].label == f"https://{labels[-1]}"


def test_waits_double_up_to_a_limit_and_vary_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [_backoff(3) for _ in range(200)]
    assert 1 <= min(waits) < 1.5
    assert 2.5 < max(waits) <= 3
    monkeypatch.setattr(random, "uniform", lambda *_: 1.0)
    assert [_backoff(number) for number in (0, 1, 6, 7, 20)] == [0, 0.5, 16, 30, 30]


def test_another_route_continues_the_file(bench: Bench) -> None:
    assert bench.obtain({"a": [part(HALF), NO], "b": [OK]})
    assert bench.positions == [0, HALF, HALF]


def test_a_route_that_cannot_continue_begins_at_once_without_a_failure(bench: Bench) -> None:
    cannot = step(0, CannotResumeError("no"))
    assert bench.obtain({"a": [part(10)], "b": [cannot, OK]})
    assert (bench.tried, bench.positions, bench.waits) == (["a", "b", "b"], [0, 10, 0], [])
    assert bench.failures == [("a", "broke")]


def test_a_mirror_is_used_at_once_after_another_one_sent_wrong_bytes_and_broke(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"wrong"
        raise httpx.ReadError("")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "a":
            return httpx.Response(200, content=broken())
        if request.headers.get("Range") == "bytes=5-":
            return httpx.Response(206, headers={"Content-Range": "bytes 5-"}, stream=httpx.ByteStream(RIGHT[5:]))
        return httpx.Response(200, stream=httpx.ByteStream(RIGHT))

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    monkeypatch.setattr(module, "transfer", transfer)
    monkeypatch.setattr(module, "make_client", lambda *_: client)
    assert bench.obtain({"a": [], "b": []})
    assert bench.failures == [("a", "the connection broke: ReadError")]
    assert bench.now() == 0


@pytest.mark.parametrize(
    ("steps", "failures"),
    [
        ([absent("one"), OK], []),
        ([absent("one"), absent("two")], [("a", "one")]),
        # A mirror that fails is not asked for its other names.
        ([NO], [("a", "no")]),
    ],
)
def test_each_name_of_a_mirror_is_tried_until_one_is_there(
    bench: Bench, steps: list[Step], failures: list[tuple[str, str]]
) -> None:
    assert bench.obtain({"a": steps}) == (not failures)
    assert bench.failures == failures
    urls = [f"https://a/{name}" for name in (WANTED.published_name, WANTED.cache_key)]
    assert bench.urls == urls[: len(steps)]


@pytest.mark.parametrize(
    ("steps", "sources", "tried"),
    [
        # The next route continues the file.
        ({"a": [slow(HALF, 50)], "b": [OK], "c": [NO]}, ["fetch"], "ab"),
        # The fastest of the slow routes is continued if there is nothing better.
        ({"a": [slow(1, 60)], "b": [slow(2, 50), OK], "c": [RETRY, NO]}, ["fetch"], "abccb"),
        # The sources behind come before a slow route.
        ({"a": [slow(HALF, 50), OK], "b": [NO]}, ["fetch", "wheel"], "ab|a"),
    ],
)
def test_a_slow_route_is_left_and_continued_if_there_is_nothing_better(
    bench: Bench, steps: dict[str, list[Step]], sources: list[SourceName], tried: str
) -> None:
    assert bench.obtain(steps, tuple(sources))
    assert bench.tried == list(tried)
    assert (bench.limits[-1] == (15, math.inf)) == (tried != "ab")
    assert "".join(label for label, _ in bench.failures) == tried.replace("|", "")[:-1]
    assert bench.positions == sorted(bench.positions)


@pytest.mark.parametrize(
    ("steps", "sources", "end", "limits"),
    [
        # The last resort has all the time.
        ({"a": [OK]}, ["fetch"], 10, [(15, math.inf)]),
        ({"a": [OK]}, ["wheel", "fetch"], 10, [(15, math.inf)]),
        ({"a": [OK]}, ["fetch", "wheel"], 10, [(5, 10)]),
        ({"a": [NO], "b": [NO], "c": [OK]}, ["fetch"], 9, [(3, 9), (4.5, 9), (15, math.inf)]),
        ({"a": [wait(4), OK], "b": [wait(9)]}, ["fetch"], 10, [(5, 10), (5, 10), (3, 10)]),
        ({"a": [OK], "b": [NO]}, ["fetch", "wheel"], 300, [(15, 300)]),
        ({"a": [OK], "b": [NO]}, ["fetch"], 1, [(0.5, 1)]),
        # The deadline has passed, and its signal is on its way.
        ({"a": [OK], "b": [NO]}, ["fetch"], 0, [(15, math.inf)]),
    ],
)
def test_a_route_with_alternatives_gets_a_share_of_the_time_that_is_left(
    bench: Bench, steps: dict[str, list[Step]], sources: list[SourceName], end: float, limits: list[tuple[float, float]]
) -> None:
    assert bench.obtain(steps, tuple(sources), end)
    assert bench.limits == limits


# The source as a whole.


def test_several_files_are_fetched_at_once_and_watched(
    volume: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "a:b")
    seen: list[str] = []
    with staged_file(volume, WANTED) as another:
        bench.deliveries.append(Delivery(another))
        assert bench.obtain({"a": [write_later]}, watch=lambda deliveries: seen.append(deliveries[1].label))
    assert bench.times == [0, 0]
    assert seen == ["", *["https://a"] * 4]
    warning = "NO_PROXY: 'a:b' is no host, domain or network: correct it"
    assert [delivery.warnings for delivery in bench.deliveries] == [[warning]] * 2


def test_eight_transfers_run_at_once_and_the_others_wait_for_them(volume: Path, bench: Bench) -> None:
    with contextlib.ExitStack() as stack:
        bench.deliveries += [Delivery(stack.enter_context(staged_file(volume, WANTED))) for _ in range(8)]
        assert bench.obtain({"a": [write_later]})
    assert bench.times == [0] * 8 + [1]


def test_no_client_is_made_if_there_is_no_route(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_client", None)
    with staged_file(volume, OTHER) as staged:
        Fetch(settings(mirrors=("/nowhere",)), 100, ignore).supply([Delivery(staged)])


def test_an_error_of_the_volume_is_raised(bench: Bench) -> None:
    with pytest.raises(VolumeError, match="full"):
        bench.obtain({"a": [step(0, VolumeError("full: free some space"))]})
