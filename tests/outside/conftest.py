"""Fixtures of the tests that run the command from outside, on this host and in a container without capabilities."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers import TWO, Container, Driver, Host, install


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> Path:
    """Install the program with every vocabulary baked in; return its entry point."""
    return install(tmp_path_factory.mktemp("program") / "installed", vocabularies)


@pytest.fixture
def host(program: Path) -> Host:
    """Return the driver for this host."""
    return Host(program=program, variables=TWO)


@pytest.fixture(params=["host", "image"])
def driver(request: pytest.FixtureRequest, tmp_path: Path, vocabularies: Path, host: Host) -> Driver:
    """Return the driver for this host or for the image."""
    if request.param == "host":
        return host
    return Container(request.getfixturevalue("image"), [tmp_path, vocabularies], variables=TWO)


@pytest.fixture
def filled(volume: Path, host: Host) -> Path:
    """Fill the volume."""
    assert host.run("--cache-dir", str(volume), "--sources=baked").code == 0
    return volume
