"""Fixtures of the container tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers import engine
from tests.machine import needs

Built = Callable[[str], str]

OPTIONS = {"two-encodings": ("--build-arg", "ENCODINGS=cl100k_base,o200k_base")}
"""Image -> options of its build, if they are not `--target` and the name of the image."""


@pytest.fixture(scope="session")
def busybox() -> str:
    """Return an image with tools that the image under test lacks."""
    needs("docker")
    return "busybox"


@pytest.fixture(scope="session")
def built(image: str) -> Iterator[Built]:
    """Yield a function that builds an image once: that of a budget, or of a target. Remove the images at the end."""
    names = {"default": image}

    def build(target: str) -> str:
        if target not in names:
            names[target] = f"tiktoken-cache-init-test-{target}:{uuid.uuid4().hex[:12]}"
            engine.build(*OPTIONS.get(target, ("--target", target)), "--tag", names[target])
        return names[target]

    yield build
    del names["default"]
    if names:
        engine.docker("rmi", "--force", *names.values())


@pytest.fixture(scope="session")
def stage(built: Built) -> str:
    """Return the stage that has Debian's packages, the unpacked wheels and the project."""
    return built("lay-out")


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
    engine.docker("run", "--rm", "--volume", f"{place}:/bind", busybox, "sh", "-c", "rm -rf /bind/*")
