"""The compose example, with a stand-in for the gateway, on an internal network.

`tests.docs.test_commands` runs it from the build to the gateway's counts. `tests.orchestrators` tests the overrides.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, Done, docker, machine_bundle, run
from tests.vocabularies import shared_directory
from tiktoken_cache_init.catalogue import VOCABULARIES

HERE = """
services:
  tiktoken-init:
    image: {image}
    build: !reset null
    pull_policy: never
  new-api:
    image: {gateway}
    pull_policy: never
    ports: !reset []
    restart: "no"
networks:
  default:
    internal: true
"""
"""Changes to the example: the images of this run, no published port, an internal network."""

Compose = Callable[..., Done]
Make = Callable[..., Compose]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Make]:
    """Yield a function that makes compose projects, and remove the projects at the end."""
    made: list[Compose] = []

    def make(files: Sequence[Path], directory: Path = tmp_path) -> Compose:
        name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
        options = ["--project-name", name, "--project-directory", str(directory)]
        options += [word for file in files for word in ("--file", str(file))]

        def compose(*arguments: str, check: bool = True, variables: Mapping[str, str] | None = None) -> Done:
            return docker("compose", *options, *arguments, check=check, variables=variables)

        made.append(compose)
        return compose

    yield make
    for compose in made:
        compose("down", "--volumes", "--timeout", "1", "--remove-orphans")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def answers(compose: Compose) -> bool:
    """Wait until the gateway answers its health check or stops; return whether it answers."""
    for _ in range(100):
        done = compose("exec", "-T", "new-api", "wget", "-qO-", "http://localhost:3000/api/status", check=False)
        if '"success":true' in done.stdout:
            return True
        if "is not running" in done.stderr:
            return False
        time.sleep(0.1)
    return False


@pytest.fixture
def example(project: Make, tmp_path: Path, image: str, gateway_image: str) -> Compose:
    """Return the example with the images of this run."""
    here = written(tmp_path / "here.yml", HERE.format(image=image, gateway=gateway_image))
    return project([ROOT / "docker-compose.example.yml", here])


def test_a_second_start_finds_every_file_right(example: Compose) -> None:
    example("up", "--detach")
    example("down", "--timeout", "1")
    example("up", "--detach")
    assert answers(example)
    assert example("logs", "tiktoken-init").stdout.count("already right") == len(VOCABULARIES)


def test_the_gateway_without_the_init_service_exits_with_its_error(example: Compose) -> None:
    done = example("run", "--rm", "--no-deps", "new-api", check=False)
    assert done.returncode == 1
    assert "failed to get gpt-3.5-turbo token encoder" in done.stdout + done.stderr


def test_a_failing_init_service_keeps_the_gateway_from_starting(
    project: Make, tmp_path: Path, image: str, gateway_image: str
) -> None:
    here = written(tmp_path / "here.yml", HERE.format(image=image, gateway=gateway_image))
    misspelled = "services: {tiktoken-init: {environment: {TIKTOKEN_INIT_ENCODINGS: cl100k}}}"
    compose = project([ROOT / "docker-compose.example.yml", here, written(tmp_path / "misspelled.yml", misspelled)])
    done = compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "did you mean cl100k_base?" in compose("logs", "tiktoken-init").stdout
    assert compose("logs", "new-api").stdout == ""


def test_the_example_builds_the_image(project: Make, tmp_path: Path, image: str) -> None:
    tag = f"tiktoken-cache-init-test-built:{uuid.uuid4().hex[:12]}"
    build = {"additional_contexts": {"vocabularies": str(shared_directory())}}
    here = written(tmp_path / "here.json", json.dumps({"services": {"tiktoken-init": {"image": tag, "build": build}}}))
    compose = project([ROOT / "docker-compose.example.yml", here], ROOT)
    bundle = machine_bundle()
    compose("build", "tiktoken-init", variables={"SSL_CERT_FILE": bundle} if bundle else {})
    try:
        assert run(tag, [], "list").returncode == 0
    finally:
        docker("image", "rm", tag)
