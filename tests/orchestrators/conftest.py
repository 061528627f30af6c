"""Fixtures: engines with the images under test, and with stand-ins for images of other projects."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from tests.containers import engine as machine
from tests.orchestrators.engines import Engine, Podman, own_podman, running_engine
from tests.vocabularies import CL100K, O200K, SMALL
from tiktoken_cache_init.catalogue import Vocabulary

NEW_API = "calciumion/new-api:v0.8.2.0"

GATEWAYS = (
    NEW_API,
    "calciumion/new-api:latest",
    "justsong/one-api:latest",
    "martialbe/one-api:latest",
    "deanxv/done-hub:latest",
    "ghcr.io/veloera/veloera:latest",
)
"""Images that the compose files of the gateways name."""

APPS = {
    "langgenius/dify-api:1.13.3": ("$TIKTOKEN_CACHE_DIR", SMALL),
    "langgenius/dify-plugin-daemon:0.5.3-local": ("$TIKTOKEN_CACHE_DIR", (*SMALL, CL100K, O200K)),
    # RAGFlow overwrites the variable.
    "infiniflow/ragflow:v0.27.0": ("/ragflow", (CL100K,)),
    "ghcr.io/open-webui/open-webui:main": ("$TIKTOKEN_CACHE_DIR", (CL100K,)),
    "vllm/vllm-openai:latest": ("$TIKTOKEN_RS_CACHE_DIR", (O200K,)),
}
"""Image of an application -> the directory that it reads, and the vocabularies that it loads."""

FOUND = "every vocabulary is right"
"""Output of the stand-in for an application that finds its vocabularies."""

# The stand-ins use none of these services. They only have to run, and to stop at once.
OTHERS = ("redis:latest", "mysql:8.2", "mysql:8.2.0", "redis:6-alpine", "ollama/ollama:latest")
SLEEPER = 'FROM busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT ["sleep", "3600"]\n'


def stand_in(directory: str, vocabularies: tuple[Vocabulary, ...]) -> str:
    """Return the Dockerfile of a stand-in that looks for vocabularies in a directory."""
    sums = " ".join(shlex.quote(f"{each.sha256}  {each.cache_key}") for each in vocabularies)
    script = f"cd {directory} && printf '%s\\n' {sums} | sha256sum -c && echo {FOUND} && exec sleep 3600"
    return f"FROM busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT {json.dumps(['sh', '-c', script])}\n"


@pytest.fixture(scope="session")
def engine(image: str, gateway_image: str) -> Iterator[Engine]:
    """Start an engine with the image under test, and with the stand-ins under their published names."""
    with running_engine() as engine:
        engine.load(image, gateway_image, "busybox")
        engine.docker("tag", image, "tiktoken-cache-init")
        for published in GATEWAYS:
            engine.docker("tag", gateway_image, published)
        for published, (directory, vocabularies) in APPS.items():
            engine.docker("build", "--tag", published, "-", given=stand_in(directory, vocabularies))
        engine.docker("build", "--tag", OTHERS[0], "-", given=SLEEPER)
        for other in OTHERS[1:]:
            engine.docker("tag", OTHERS[0], other)
        yield engine


@pytest.fixture(scope="session")
def _podman(image: str, gateway_image: str) -> Iterator[Podman]:
    with own_podman() as podman:
        data_image = f"{image.partition(':')[0]}:test-data"
        machine.build("--target", "data", "--tag", data_image)
        podman.load(image, "localhost/tiktoken-cache-init:latest")
        podman.load(data_image, "localhost/tiktoken-cache-init:data")
        podman.load(gateway_image, f"docker.io/{NEW_API}")
        yield podman


@pytest.fixture
def podman(_podman: Podman) -> Iterator[Podman]:
    """Provide podman as root, with the images under test and the stand-in as New-API."""
    yield _podman
    _podman.clear()


@pytest.fixture(scope="session")
def rootless_podman(image: str, gateway_image: str) -> Iterator[Podman]:
    """Provide podman as a user without entries in /etc/subuid."""
    with own_podman(rootless=True) as podman:
        podman.load(image, "localhost/tiktoken-cache-init:latest")
        podman.load(gateway_image, f"docker.io/{NEW_API}")
        yield podman
