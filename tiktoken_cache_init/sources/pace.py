"""Time limits of a transfer, and its speed."""

import asyncio
import math
from typing import NamedTuple

from .failures import TooSlowError

_MIN_SPEED = 1024
"""Bytes a second. A slower transfer counts as stalled."""
_JUDGED_AFTER = 2.0
"""Seconds after which the speed of a transfer tells how long it takes."""


class Limits(NamedTuple):
    """Time limits of a transfer, in seconds."""

    timeout: float
    """Time limit for the start, and again for each ``timeout * _MIN_SPEED`` bytes."""
    left: float = math.inf
    """Time in which the whole transfer must end, by estimate."""


class Pace:
    """Speed of a transfer. It extends the time limit after progress, and ends a transfer that would take too long."""

    def __init__(self, window: asyncio.Timeout, limits: Limits, size: int) -> None:
        self._window = window
        self._limits = limits
        self._size = size
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._received = self._marked = 0

    def check(self, count: int, position: int) -> None:
        """Take the number of bytes that have just come, and the position in the file after them.

        Raises:
            TooSlowError: the rest would take too long.
        """
        self._received += count
        elapsed = self._clock() - self._began
        if self._received - self._marked >= _MIN_SPEED * self._limits.timeout:
            self._window.reschedule(self._began + elapsed + self._limits.timeout)
            self._marked = self._received
        left = self._limits.left - elapsed
        if elapsed >= _JUDGED_AFTER:
            speed = self._received / elapsed
            needed = (self._size - position) / speed
            if needed > left:
                raise TooSlowError(speed, needed, left)
