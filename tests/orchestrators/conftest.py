"""Fixtures of the orchestrator tests: the images under test, stand-ins for others, and engines to run them on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.containers import engine as machine
from tests.orchestrators.engines import Engine, Podman, own_podman, running_engine

NEW_API = "calciumion/new-api:v0.8.2.0"

GATEWAYS = (
    NEW_API,
    "calciumion/new-api:latest",
    "justsong/one-api:latest",
    "martialbe/one-api:latest",
    "deanxv/done-hub:latest",
    "ghcr.io/veloera/veloera:latest",
)
"""The images that the gateways' compose files name."""

# Neither is used by the stand-in; they only have to be there, and to go when they are told.
OTHERS = ("redis:latest", "mysql:8.2", "mysql:8.2.0")
SLEEPER = 'FROM busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT ["sleep", "3600"]\n'


@pytest.fixture(scope="session")
def data_image(image: str) -> str:
    """The data-only image, in the machine's engine."""
    tag = f"{image.partition(':')[0]}:test-data"
    machine.build("--target", "data", "--tag", tag)
    return tag


@pytest.fixture(scope="session")
def engine(image: str, data_image: str, gateway_image: str) -> Iterator[Engine]:
    """An engine of the tests' own that has the images under test, and the stand-in under the gateways' published names."""
    with running_engine() as engine:
        engine.load(image, data_image, gateway_image, "busybox")
        engine.docker("tag", image, "tiktoken-cache-init")
        engine.docker("tag", data_image, "tiktoken-cache-init:data")
        for published in GATEWAYS:
            engine.docker("tag", gateway_image, published)
        engine.docker("build", "--tag", OTHERS[0], "-", given=SLEEPER)
        for other in OTHERS[1:]:
            engine.docker("tag", OTHERS[0], other)
        yield engine


@pytest.fixture(scope="session")
def _podman(image: str, data_image: str, gateway_image: str) -> Iterator[Podman]:
    with own_podman() as podman:
        podman.load(image, "localhost/tiktoken-cache-init:latest")
        podman.load(data_image, "localhost/tiktoken-cache-init:data")
        podman.load(gateway_image, f"docker.io/{NEW_API}")
        yield podman


@pytest.fixture
def podman(_podman: Podman) -> Iterator[Podman]:
    """podman as root, with the images under test and the stand-in as New-API, and nothing else."""
    yield _podman
    _podman.clear()


@pytest.fixture(scope="session")
def rootless_podman(image: str, gateway_image: str) -> Iterator[Podman]:
    """podman as a user who has no other user's ids to lend."""
    with own_podman(rootless=True) as podman:
        podman.load(image, "localhost/tiktoken-cache-init:latest")
        podman.load(gateway_image, f"docker.io/{NEW_API}")
        yield podman
