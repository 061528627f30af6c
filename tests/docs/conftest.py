"""Fixtures: a directory for the messages of the pages, and a shell for their commands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import engine
from tests.docs.running import Place
from tests.docs.shell import Shell


def opened(vocabularies: Path) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="tiktoken-docs-") as directory:
        yield Place(Path(directory), vocabularies)


place = pytest.fixture(opened, name="place")
shared_place = pytest.fixture(opened, name="shared_place", scope="module")


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
