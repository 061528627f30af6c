from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.samples import CONTENT, OTHER, TINY, staged_file, vocabulary
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.output.log import Log
from tiktoken_cache_init.output.progress import Progress
from tiktoken_cache_init.redact import Scrubber
from tiktoken_cache_init.sources import Delivery

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


@pytest.fixture
def deliveries(volume: Path) -> Iterator[list[Delivery]]:
    """Yield one file without bytes, and one with 7 of its 21 bytes."""
    with staged_file(volume, OTHER) as first, staged_file(volume, TINY) as second:
        second.write(CONTENT[:7])
        begun = Delivery(second)
        begun.label = "http://a.example"
        waiting = Delivery(first)
        waiting.label = "http://b.example"
        yield [waiting, begun]


def progress_on(stream: io.StringIO, form: str = "text") -> Progress:
    return Progress(Log(stream, form, Scrubber([])), stream, form)


def test_a_short_fetch_shows_nothing(clock: Clock, deliveries: list[Delivery]) -> None:
    stream = io.StringIO()
    progress = progress_on(stream)
    clock.now += 1.9
    progress(deliveries)
    progress.close()
    assert not stream.getvalue()


def test_a_log_gets_a_line_every_few_seconds(clock: Clock, deliveries: list[Delivery]) -> None:
    stream = io.StringIO()
    progress = progress_on(stream)
    for _ in range(120):
        clock.now += 0.1
        progress(deliveries)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == ("fetching: 7 of 28 bytes, 0 KiB/s, 6 s left, from http://b.example, http://a.example")


def test_the_time_left_follows_from_the_rate(clock: Clock, volume: Path) -> None:
    big = vocabulary(bytes(1 << 20))
    stream = io.StringIO()
    progress = progress_on(stream)
    with staged_file(volume, big) as staged:
        staged.write(bytes(1 << 18))
        clock.now += 4
        progress([Delivery(staged)])
    assert stream.getvalue().startswith("fetching: 262,144 of 1,048,576 bytes, 64 KiB/s, 12 s left")


@pytest.mark.parametrize(("wanted", "data"), [(TINY, b""), (vocabulary(size=None, max_size=100), b"IQ==")])
def test_no_time_is_shown_if_the_rate_or_the_size_is_unknown(
    clock: Clock, volume: Path, wanted: Vocabulary, data: bytes
) -> None:
    stream = io.StringIO()
    progress = progress_on(stream)
    with staged_file(volume, wanted) as staged:
        staged.write(data)
        clock.now += 4
        progress([Delivery(staged)])
    assert "left" not in stream.getvalue()


def test_a_source_whose_file_is_complete_is_not_named(clock: Clock, deliveries: list[Delivery]) -> None:
    stream = io.StringIO()
    progress = progress_on(stream)
    deliveries[1].staged.write(CONTENT[7:])
    clock.now += 4
    progress(deliveries)
    assert stream.getvalue().endswith(", from http://b.example\n")


def test_json_has_the_progress_in_numbers(clock: Clock, deliveries: list[Delivery]) -> None:
    stream = io.StringIO()
    progress = progress_on(stream, "json")
    clock.now += 3.5
    progress(deliveries)
    record = json.loads(stream.getvalue())
    assert (record["event"], record["bytes"], record["total"], record["bytes_per_second"]) == ("progress", 7, 28, 2)
    assert record["sources"] == ["http://b.example", "http://a.example"]


def test_a_terminal_gets_one_line_that_is_cleared_at_the_end(
    clock: Clock, deliveries: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((31, 20)))
    monkeypatch.setattr(Terminal, "fileno", lambda _: 2)
    stream = Terminal()
    progress = progress_on(stream)
    for _ in range(2):
        clock.now += 3
        progress(deliveries)
    progress.close()
    drawn = stream.getvalue()
    assert "\n" not in drawn
    assert drawn.endswith(CLEAR)
    _, first, second, end = drawn.split(CLEAR)
    assert (len(first), len(second), end) == (30, 30, "")


def test_a_terminal_without_a_size_has_80_columns(clock: Clock, deliveries: list[Delivery]) -> None:
    stream = Terminal()
    progress = progress_on(stream)
    deliveries[0].label = "x" * 100
    clock.now += 3
    progress(deliveries)
    assert len(stream.getvalue().removeprefix(CLEAR)) == 79


def test_a_dumb_terminal_gets_lines(clock: Clock, deliveries: list[Delivery], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    progress = progress_on(stream)
    clock.now += 3
    progress(deliveries)
    progress.close()
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().endswith("\n")


def test_a_closed_terminal_is_tolerated(clock: Clock, deliveries: list[Delivery]) -> None:
    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    progress = progress_on(Gone())
    clock.now += 3
    progress(deliveries)
    progress.close()
