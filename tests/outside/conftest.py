"""Fixtures of the tests that drive the command from outside: on this host, and through the image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.outside.driving import Command, Container, Host, Unpacked


@pytest.fixture(params=["host", "image"])
def command(request: pytest.FixtureRequest, tmp_path: Path, vocabularies: Path) -> Command:
    """The command, with pipes that an engine may stand between."""
    if request.param == "host":
        return Command(Host())
    return Command(Container(request.getfixturevalue("image"), [tmp_path, vocabularies]))


@pytest.fixture(scope="session")
def unpacked(image: str, tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> Unpacked:
    """The image's files, in a folder."""
    if os.geteuid():
        pytest.skip("only root can run a program in another root")
    return Unpacked(image, tmp_path_factory.mktemp("unpacked"), [tmp_path_factory.getbasetemp(), vocabularies])


@pytest.fixture(params=["host", "image"])
def direct(request: pytest.FixtureRequest) -> Command:
    """The command, with the very arguments and pipes that it is given."""
    return Command(Host() if request.param == "host" else request.getfixturevalue("unpacked"))


@pytest.fixture
def offline(vocabularies: Path) -> list[str]:
    """Flags of a run that has every vocabulary at hand and no other source."""
    return ["--sources=baked", f"--baked-dir={vocabularies}"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A folder of this machine to fill, empty."""
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def filled(volume: Path, offline: list[str]) -> Path:
    """The same, filled."""
    assert Command(Host())("--cache-dir", str(volume), *offline).code == 0
    return volume
