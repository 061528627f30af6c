"""Fixtures of the tests that drive the command from outside, on this host and in a container without rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers import Container, Driver, Host


@pytest.fixture(params=["host", "image"])
def driver(request: pytest.FixtureRequest, tmp_path: Path, vocabularies: Path) -> Driver:
    """The command."""
    if request.param == "host":
        return Host()
    return Container(request.getfixturevalue("image"), [tmp_path, vocabularies])


@pytest.fixture
def offline(vocabularies: Path) -> list[str]:
    """The options of a run that has every vocabulary at hand and no other source."""
    return ["--sources=baked", f"--baked-dir={vocabularies}"]


@pytest.fixture
def filled(volume: Path, offline: list[str]) -> Path:
    """The same directory, filled."""
    assert Host().run("--cache-dir", str(volume), *offline).code == 0
    return volume
