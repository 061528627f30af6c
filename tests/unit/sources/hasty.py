"""Simulated time for the tests of downloads."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class Hasty(asyncio.SelectorEventLoop):
    """Event loop with simulated time: it advances the time at once in place of waiting."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        selector = selectors.SelectSelector()
        select = selector.select

        def at_once(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        selector.select = at_once  # type: ignore[method-assign]
        super().__init__(selector)

    def time(self) -> float:
        return self.now
