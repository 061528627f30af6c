"""Fixtures of the container tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import engine
from tests.machine import needs


@pytest.fixture(scope="session")
def busybox() -> str:
    """Return an image with tools that the image under test lacks."""
    needs("docker")
    return "busybox"


def _built(target: str) -> Iterator[str]:
    """Build a target, and remove its image at the end."""
    name = f"tiktoken-cache-init-test-{target}:{uuid.uuid4().hex[:12]}"
    engine.build("--target", target, "--tag", name)
    yield name
    engine.docker("rmi", "--force", name)


@pytest.fixture(scope="session")
def offline_image(image: str) -> Iterator[str]:
    """Build the target ``offline``."""
    yield from _built("offline")


@pytest.fixture(scope="session")
def stage(image: str) -> Iterator[str]:
    """Build the stage that has Debian's packages and the unpacked wheels."""
    yield from _built("lay-out")


@pytest.fixture
def volume() -> Iterator[str]:
    """Make a named volume."""
    name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
    engine.docker("volume", "create", name)
    yield name
    engine.docker("volume", "rm", "--force", name)


@pytest.fixture
def bind_directory(tmp_path: Path, busybox: str) -> Iterator[Path]:
    """Make a directory for bind mounts. A container empties it at the end: containers leave files of other users."""
    place = tmp_path / "bind"
    place.mkdir()
    yield place
    mount = f"{place}:/bind"
    engine.docker("run", "--rm", "--volume", mount, busybox, "sh", "-c", "rm -rf /bind/*")
