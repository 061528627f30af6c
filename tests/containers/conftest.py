"""Fixtures of the container tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.containers import engine

Built = Callable[[str], str]

OPTIONS = {"two-encodings": ("--build-arg", "ENCODINGS=cl100k_base,o200k_base")}
"""Image -> options of its build, if they are not `--target` and the name of the image."""


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
    for target in names.keys() - {"default"}:
        engine.docker("rmi", "--force", names[target])


@pytest.fixture
def volume() -> Iterator[str]:
    """Make a named volume."""
    name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
    engine.docker("volume", "create", name)
    yield name
    engine.docker("volume", "rm", "--force", name)
