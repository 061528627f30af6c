"""Fixtures: the images under test, stand-ins for images of other projects, and engines to run them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consumers.build import app_context
from tests.containers import engine as machine
from tests.orchestrators.cluster import Cluster, loader
from tests.orchestrators.engines import Engine, Podman, own_podman, running_engine
from tests.orchestrators.manifests import KUBERNETES, read

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

MANIFESTS_IMAGE = read(KUBERNETES / "helm" / "values.yaml")[0]["extraInitContainers"][0]["image"]
"""Name and tag of the image in the manifests."""

APPS = {
    "dify-api": "langgenius/dify-api:1.13.3",
    "dify-plugin-daemon": "langgenius/dify-plugin-daemon:0.5.3-local",
    "ragflow": "infiniflow/ragflow:v0.27.0",
    "open-webui": "ghcr.io/open-webui/open-webui:main",
    "vllm": "vllm/vllm-openai:latest",
    "maxkb": "1panel/maxkb:v2.1.0",
    "private-gpt": "zylonai/private-gpt:0.6.2",
}
"""Target in tests/consumers/app/Dockerfile -> image that the compose file of the application names."""

# The stand-ins use none of these services. They only have to run, and to stop at once.
OTHERS = ("redis:latest", "mysql:8.2", "mysql:8.2.0", "redis:6-alpine", "ollama/ollama:latest")
SLEEPER = 'FROM busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT ["sleep", "3600"]\n'


@pytest.fixture(scope="session")
def data_image(image: str) -> str:
    """Build the data-only image in the machine's engine."""
    tag = f"{image.partition(':')[0]}:test-data"
    machine.build("--target", "data", "--tag", tag)
    return tag


@pytest.fixture(scope="session")
def app_images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Build the applications' stand-ins in the machine's engine; return published name -> tag."""
    python = "tiktoken-cache-init-test-python"
    machine.build("--target", "debian", "--tag", python)
    context = str(app_context(tmp_path_factory.mktemp("app-image")))
    images = {}
    for target, published in APPS.items():
        tag = f"tiktoken-cache-init-test-app:{target}"
        machine.docker("build", "--build-arg", f"PYTHON={python}", "--target", target, "--tag", tag, context)
        images[published] = tag
    return images


@pytest.fixture(scope="session")
def engine(image: str, data_image: str, gateway_image: str, app_images: dict[str, str]) -> Iterator[Engine]:
    """Start an engine with the images under test, and with the stand-ins under their published names."""
    with running_engine() as engine:
        engine.load(image, data_image, gateway_image, *app_images.values(), "busybox")
        engine.docker("tag", image, "tiktoken-cache-init")
        engine.docker("tag", data_image, "tiktoken-cache-init:data")
        for published in GATEWAYS:
            engine.docker("tag", gateway_image, published)
        for published, app in app_images.items():
            engine.docker("tag", app, published)
        engine.docker("build", "--tag", OTHERS[0], "-", given=SLEEPER)
        for other in OTHERS[1:]:
            engine.docker("tag", OTHERS[0], other)
        yield engine


@pytest.fixture(scope="session")
def engine_28(image: str, gateway_image: str) -> Iterator[Engine]:
    """Start a Docker 28 engine, which can mount images.

    ``DOCKER_28`` names a directory with its programs in ``bin/`` and its plug-ins in ``config/``, if the machine's own
    engine is older.
    """
    installed = os.environ.get("DOCKER_28")
    if not installed and int(machine.docker("version", "--format", "{{.Server.Version}}").stdout.split(".")[0]) < 28:
        pytest.skip("image mounts need Docker 28: install it, or set DOCKER_28 to a directory that holds one")
    with running_engine(Path(installed) if installed else None) as engine:
        engine.load(image, gateway_image, "busybox")
        engine.docker("tag", image, "tiktoken-cache-init")
        engine.docker("tag", gateway_image, "calciumion/new-api:latest")
        for other in OTHERS[:2]:
            engine.docker("build", "--tag", other, "-", given=SLEEPER)
        yield engine


@pytest.fixture(scope="session")
def _podman(image: str, data_image: str, gateway_image: str) -> Iterator[Podman]:
    with own_podman() as podman:
        podman.load(image, "localhost/tiktoken-cache-init:latest", f"localhost/{MANIFESTS_IMAGE}")
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


@pytest.fixture(scope="session")
def cluster_loader() -> list[str]:
    """Return the command that gives images to the cluster's nodes. Without a cluster, skip before an image is built."""
    return loader()


@pytest.fixture(scope="session")
def cluster(cluster_loader: list[str], image: str, gateway_image: str) -> Iterator[Cluster]:
    """Provide the cluster that KUBECONFIG names, with the images on its nodes."""
    cluster = Cluster()
    try:
        cluster.start(cluster_loader, image, gateway_image)
        yield cluster
    finally:
        cluster.clear()
