from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def deliveries(volume: Path) -> Iterator[list[Delivery]]:
    """Yield one file without bytes, and one with 7 of its 21 bytes."""
    with staged_file(volume, OTHER) as first, staged_file(volume, TINY) as second:
        second.write(CONTENT[:7])
        made = [Delivery(first), Delivery(second)]
        made[0].label, made[1].label = "http://b.example", "http://a.example"
        yield made


class Shown:
    """Progress on a stream, at times that the test chooses."""

    def __init__(self, clock: SimpleNamespace, stream: io.StringIO | None = None, form: str = "text") -> None:
        self._clock, self._stream = clock, stream or io.StringIO()
        self._progress = Progress(Log(self._stream, form, Scrubber([])), self._stream, form)

    def after(self, deliveries: list[Delivery], *steps: float) -> str:
        """Wait and report some times. Return everything that was written up to the end."""
        for step in steps:
            self._clock.now += step
            self._progress(deliveries)
        self._progress.close()
        return self._stream.getvalue()


def test_a_log_gets_a_line_every_few_seconds_but_none_of_a_short_fetch(
    clock: SimpleNamespace, deliveries: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not Shown(clock).after(deliveries, 1.9)
    lines = Shown(clock).after(deliveries, *[0.1] * 120).splitlines()
    assert len(lines) == 3
    assert lines[0] == "fetching: 7 of 28 bytes, 0 KiB/s, 6 s left, from http://b.example, http://a.example"
    monkeypatch.setenv("TERM", "dumb")
    assert Shown(clock, Terminal()).after(deliveries, 3).startswith("fetching: 7 of 28 bytes")


@pytest.mark.parametrize(
    ("wanted", "written", "said"),
    [
        (vocabulary(bytes(1 << 20)), 1 << 18, "fetching: 262,144 of 1,048,576 bytes, 64 KiB/s, 12 s left"),
        (TINY, 0, "fetching: 0 of 21 bytes"),
        (vocabulary(size=None), 8, "fetching: 8 of 8 bytes, 0 KiB/s"),
    ],
)
def test_the_time_left_follows_from_the_rate_if_it_and_the_size_are_known(
    clock: SimpleNamespace, volume: Path, wanted: Vocabulary, written: int, said: str
) -> None:
    with staged_file(volume, wanted) as staged:
        staged.write(bytes(written))
        # No source was tried yet, so none is named.
        assert Shown(clock).after([Delivery(staged)], 4) == f"{said}\n"


def test_a_source_whose_file_is_complete_is_not_named(clock: SimpleNamespace, deliveries: list[Delivery]) -> None:
    deliveries[1].staged.write(CONTENT[7:])
    assert Shown(clock).after(deliveries, 4).endswith(", from http://b.example\n")


def test_json_has_the_progress_in_numbers(clock: SimpleNamespace, deliveries: list[Delivery]) -> None:
    record = json.loads(Shown(clock, form="json").after(deliveries, 3.5))
    assert (record["event"], record["bytes"], record["total"], record["bytes_per_second"]) == ("progress", 7, 28, 2)
    assert record["sources"] == ["http://b.example", "http://a.example"]


@pytest.mark.parametrize("columns", [31, None])
def test_a_terminal_gets_one_line_that_is_cleared_at_the_end(
    clock: SimpleNamespace, deliveries: list[Delivery], columns: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries[0].label = "x" * 100
    if columns:
        monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, 20)))
        monkeypatch.setattr(Terminal, "fileno", lambda _: 2)
    drawn = Shown(clock, Terminal()).after(deliveries, 3, 3)
    assert "\n" not in drawn
    # A terminal without a size has 80 columns.
    assert [len(row) for row in drawn.split(CLEAR)] == [0, *[(columns or 80) - 1] * 2, 0]


def test_a_closed_terminal_is_tolerated(clock: SimpleNamespace, deliveries: list[Delivery]) -> None:
    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    assert not Shown(clock, Gone()).after(deliveries, 3)
