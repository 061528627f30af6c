"""How far the fetching is: a bar on a terminal, a line every few seconds in a log, nothing when it is over in a moment."""

from __future__ import annotations

import os
import time

from .light import suppress
from .terminal import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from .log import Log
    from .obtain import Attempts

_STANDARD_ERROR = 2
_FIRST_AFTER = 2.0
"""Seconds before anything is said."""
_EVERY = 5.0
"""Seconds between two lines of a log."""


class Progress:
    """Watches what is being received."""

    def __init__(self, log: Log, stream: TextIO, form: str, started: float) -> None:
        self._log = log
        self._stream = stream
        self._bar_allowed = form == "text" and stream.isatty() and os.environ.get("TERM") != "dumb"
        self._started = started
        self._said = 0.0
        self._bar: Bar | None = None

    def __call__(self, attempts: Sequence[Attempts]) -> None:
        """Say how far it is, if it is time to."""
        elapsed = time.monotonic() - self._started
        if elapsed < _FIRST_AFTER:
            return
        done, total = _counts(attempts)
        labels = dict.fromkeys(each.label for each in attempts if each.label and not _is_complete(each))
        where = ", ".join(labels)
        if self._bar_allowed:
            self._bar = self._bar or Bar(self._stream)
            self._bar.draw(done, total, elapsed, where)
        elif elapsed - self._said >= _EVERY or not self._said:
            self._said = elapsed
            rate = done / elapsed
            left = f", {(total - done) / rate:.0f} s left" if rate and total > done else ""
            self._log.line(
                "progress",
                f"fetching: {done:,} of {total:,} bytes, {rate / 1024:.0f} KiB/s{left}{where and f', from {where}'}",
                bytes=done,
                total=total,
                bytes_per_second=round(rate),
                sources=list(labels),
            )

    def close(self) -> None:
        """Take the bar away, so that the report stands alone."""
        if self._bar:
            self._bar.clear()


def _is_complete(attempts: Attempts) -> bool:
    staged = attempts.staged
    return staged is not None and staged.position == staged.vocabulary.size


def _counts(attempts: Sequence[Attempts]) -> tuple[int, int]:
    staged = [each.staged for each in attempts if each.staged]
    done = sum(each.position for each in staged)
    return done, max(done, sum(each.vocabulary.size or each.position for each in staged))


class Bar:
    """One line that is drawn over again. Plain characters and no colour, so NO_COLOR has nothing to switch off."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def draw(self, done: int, total: int, elapsed: float, where: str) -> None:
        """Draw the bar for so many bytes after so many seconds."""
        width = columns(_STANDARD_ERROR) - 1
        rate = done / elapsed
        left = f"{(total - done) / rate:.0f} s left" if rate else "waiting"
        share = done / total if total else 0.0
        text = f" {share:4.0%} {done / 1048576:.1f}/{total / 1048576:.1f} MiB {rate / 1024:.0f} KiB/s {left} {where}"
        cells = max(10, min(30, width - len(text) - 2))
        bar = "#" * round(share * cells)
        self._write(f"\r\x1b[K[{bar:<{cells}}]{text}"[: width + 4])

    def clear(self) -> None:
        """Remove the bar."""
        self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        # The terminal may be gone, which must not keep the volume from being filled.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
