"""Fetches for the tests of the client and of the retries."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from tests.samples import staged_file
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import Delivery
from tiktoken_cache_init.sources.fetch import Fetch


def watch(_: object) -> None:
    """Ignore the progress."""


def supplied(chosen: Settings, volume: Path, *contents: tuple[Any, bytes], watcher: Any = watch) -> list[Delivery]:
    """Fetch, compare each complete delivery with its content, and return the deliveries."""
    with contextlib.ExitStack() as stack:
        deliveries = [Delivery(stack.enter_context(staged_file(volume, wanted))) for wanted, _ in contents]
        Fetch(chosen, time.monotonic() + 60, watcher).supply(deliveries)
        for delivery, (_, content) in zip(deliveries, contents, strict=True):
            assert not delivery.staged.is_right or delivery.staged.head() == content
            delivery.label = f"{delivery.label}: {'complete' if delivery.staged.is_right else 'not complete'}"
        return deliveries
