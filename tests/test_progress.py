from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.samples import CONTENT, staging, vocabulary
from tiktoken_cache_init.log import Log
from tiktoken_cache_init.obtain import Attempts
from tiktoken_cache_init.progress import Bar, Progress
from tiktoken_cache_init.redaction import Scrubber

CLEAR = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def attempts(tmp_path: Path) -> Iterator[list[Attempts]]:
    """One file that nobody has begun, and one of which 7 of 21 bytes are there."""
    begun = Attempts()
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT[:7])
        begun.staged, begun.label = staged, "http://a.example"
        yield [Attempts(), begun]


def watching(stream: io.StringIO, form: str = "text") -> Progress:
    return Progress(Log(stream, form, Scrubber([])), stream, form, time.monotonic())


def test_nothing_is_said_when_it_is_over_in_a_moment(clock: Clock, attempts: list[Attempts]) -> None:
    stream = io.StringIO()
    progress = watching(stream)
    clock.now += 1.9
    progress(attempts)
    progress.close()
    assert not stream.getvalue()


def test_a_log_gets_a_line_every_few_seconds(clock: Clock, attempts: list[Attempts]) -> None:
    stream = io.StringIO()
    progress = watching(stream)
    for _ in range(120):
        clock.now += 0.1
        progress(attempts)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("fetching: 7 of 21 bytes, 0 KiB/s, ")
    assert lines[0].endswith(", from http://a.example")


def test_the_time_left_is_reckoned_from_the_rate(clock: Clock, attempts: list[Attempts]) -> None:
    stream = io.StringIO()
    progress = watching(stream)
    clock.now += 7
    progress(attempts)
    assert ", 14 s left, " in stream.getvalue()


def test_no_time_is_promised_where_nothing_moves(clock: Clock, attempts: list[Attempts]) -> None:
    stream = io.StringIO()
    progress = watching(stream)
    clock.now += 7
    progress(attempts[:1])
    assert stream.getvalue() == "fetching: 0 of 0 bytes, 0 KiB/s\n"


def test_no_time_is_promised_where_nothing_is_left(clock: Clock, attempts: list[Attempts]) -> None:
    assert attempts[1].staged
    attempts[1].staged.write(CONTENT[7:])
    stream = io.StringIO()
    progress = watching(stream)
    clock.now += 7
    progress(attempts)
    assert stream.getvalue() == "fetching: 21 of 21 bytes, 0 KiB/s\n"


def test_json_gives_the_same_in_numbers(clock: Clock, attempts: list[Attempts]) -> None:
    stream = Terminal()
    progress = watching(stream, "json")
    clock.now += 7
    progress(attempts)
    record = json.loads(stream.getvalue())
    assert (record["event"], record["bytes"], record["total"], record["bytes_per_second"], record["sources"]) == (
        "progress",
        7,
        21,
        1,
        ["http://a.example"],
    )


def test_a_source_that_is_done_is_not_named_any_more(clock: Clock, attempts: list[Attempts]) -> None:
    assert attempts[1].staged
    attempts[1].staged.write(CONTENT[7:])
    attempts[0].label = "http://b.example"
    stream = io.StringIO()
    progress = watching(stream)
    clock.now += 7
    progress(attempts)
    assert stream.getvalue().endswith("from http://b.example\n")


def test_a_private_vocabulary_of_unknown_length_counts_as_far_as_it_is(clock: Clock, tmp_path: Path) -> None:
    stream, each = io.StringIO(), Attempts()
    with staging(tmp_path, vocabulary(size=None, limit=1000)) as (_, staged):
        staged.write(b"12345")
        each.staged, each.label = staged, "a"
        progress = watching(stream)
        clock.now += 5
        progress([each])
    assert stream.getvalue() == "fetching: 5 of 5 bytes, 0 KiB/s, from a\n"


# The bar.


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(clock: Clock, attempts: list[Attempts]) -> None:
    stream = Terminal()
    progress = watching(stream)
    for _ in range(3):
        clock.now += 2
        progress(attempts)
    drawn = stream.getvalue().split(CLEAR)[1:]
    assert len(drawn) == 3
    assert "\n" not in stream.getvalue()
    assert drawn[0].startswith("[##########                    ]  33% ")
    assert drawn[0].endswith(" http://a.example")
    progress.close()
    assert stream.getvalue().endswith(CLEAR)


def test_a_terminal_that_cannot_draw_gets_lines(
    clock: Clock, attempts: list[Attempts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    progress = watching(stream)
    clock.now += 7
    progress(attempts)
    progress.close()
    assert stream.getvalue().startswith("fetching: ")


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_bar_never_wraps(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    Bar(stream).draw(1 << 20, 3 << 20, 1.0, "http://a.example/" + "long/" * 20)
    assert len(stream.getvalue().removeprefix(CLEAR)) < columns


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(0, 0, "   0% 0.0/0.0 MiB 0 KiB/s waiting "), (0, 1 << 20, "waiting"), (1 << 20, 1 << 20, "100% 1.0/1.0 MiB ")],
)
def test_the_bar_knows_its_ends(done: int, total: int, text: str) -> None:
    stream = Terminal()
    Bar(stream).draw(done, total, 2.0, "a")
    assert text in stream.getvalue()


def test_the_bar_has_no_colour() -> None:
    stream = Terminal()
    Bar(stream).draw(1, 2, 1.0, "a")
    assert stream.getvalue().count("\x1b") == 1
