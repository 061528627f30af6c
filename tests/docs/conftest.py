"""Fixtures: the program with baked vocabularies, and a shell for the commands of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import engine
from tests.docs.shell import Shell
from tests.drivers import TWO, Host, install


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> Host:
    """Return a driver for the program with baked vocabularies, which are its only source."""
    entry_point = install(tmp_path_factory.mktemp("program") / "program", vocabularies)
    return Host(program=entry_point, variables={**TWO, "TIKTOKEN_INIT_SOURCES": "baked"})


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Make a shell in a scratch clone."""
    shell = Shell(tmp_path)
    yield shell
    shell.clean()


@pytest.fixture
def with_engine(shell: Shell, gateway_image: str) -> Shell:
    """Return the same shell with a container engine."""
    shell.use_docker(gateway_image)
    return shell


@pytest.fixture
def with_image(with_engine: Shell, image: str) -> Shell:
    """Return the same shell with the image in the engine."""
    engine.docker("tag", image, with_engine.image)
    return with_engine
