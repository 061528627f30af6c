"""Fixtures of the tests that run the command from outside, on this host and in a container without capabilities."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers import Container, Driver, Host


@pytest.fixture(params=["host", "image"])
def driver(request: pytest.FixtureRequest, tmp_path: Path, vocabularies: Path) -> Driver:
    """Return the driver for this host or for the image."""
    if request.param == "host":
        return Host()
    return Container(request.getfixturevalue("image"), [tmp_path, vocabularies])


@pytest.fixture
def offline(vocabularies: Path) -> list[str]:
    """Return the options of a run whose only source is a directory with every vocabulary."""
    return ["--sources=baked", f"--baked-dir={vocabularies}"]


@pytest.fixture
def filled(volume: Path, offline: list[str]) -> Path:
    """Fill the volume."""
    assert Host().run("--cache-dir", str(volume), *offline).code == 0
    return volume
