"""Fixtures of the sources' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """Start a server on the loopback interface."""
    started = Server()
    yield started
    started.close()
