"""The progress of a fetch: one line that is redrawn on a terminal, or a line every few seconds in a log."""

import contextlib
import os
import time
from collections.abc import Sequence
from typing import TextIO

from ..sources import Delivery
from .log import Log

_FIRST_AFTER = 2.0
"""Seconds before the first line. Most fetches end earlier."""
_EVERY = 5.0
"""Seconds between two lines of a log."""


class Progress:
    """Progress display for deliveries."""

    def __init__(self, log: Log, stream: TextIO, form: str) -> None:
        self._log = log
        self._stream = stream
        self._on_terminal = form == "text" and stream.isatty() and os.environ.get("TERM") != "dumb"
        self._started = time.monotonic()
        self._next = _FIRST_AFTER
        self._drawn = False

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Show the progress, if the next line is due."""
        elapsed = time.monotonic() - self._started
        if elapsed < self._next:
            return
        done = sum(delivery.staged.position for delivery in deliveries)
        total = sum(delivery.vocabulary.size or delivery.staged.position for delivery in deliveries)
        labels = list(dict.fromkeys(each.label for each in deliveries if each.label and not each.staged.is_right))
        rate = done / elapsed
        left = f", {(total - done) / rate:.0f} s left" if rate and total > done else ""
        where = f", from {', '.join(labels)}" if labels else ""
        speed = f", {rate / 1024:.0f} KiB/s" if rate else ""
        text = f"fetching: {done:,} of {total:,} bytes{speed}{left}{where}"
        if self._on_terminal:
            self._drawn = True
            self._write(f"\r\x1b[K{text[: self._columns()]}")
        else:
            self._next = elapsed + _EVERY
            self._log.line("progress", text, bytes=done, total=total, bytes_per_second=round(rate), sources=labels)

    def close(self) -> None:
        """Remove the line from the terminal."""
        if self._drawn:
            self._write("\r\x1b[K")

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns - 1
        except OSError:
            return 79

    def _write(self, text: str) -> None:
        # A closed terminal must not stop a fill.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
