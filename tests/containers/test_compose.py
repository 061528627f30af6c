"""The compose examples, with a stand-in for the gateway, on a network that leads nowhere."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, Done, docker, machine_bundle, run
from tests.vocabularies import shared_folder

COUNTS = {"gpt-3.5-turbo": 20, "gpt-4": 20, "gpt-4o": 16}

HERE = """
services:
  tiktoken-init:
    image: {image}
    build: !reset null
    pull_policy: never
  new-api:
    image: {gateway}
    container_name: !reset null
    pull_policy: never
    ports: !reset []
    restart: "no"
networks:
  default:
    internal: true
"""
"""What the tests lay over the examples: the images of this run, no port of this machine, no way out."""

PUBLISHED = """
version: '3.4'
services:
  new-api:
    image: calciumion/new-api:latest
    container_name: new-api
    restart: always
    command: --log-dir /app/logs
    ports:
      - "3000:3000"
    volumes:
      - ./data:/data
      - ./logs:/app/logs
    environment:
      - SQL_DSN=root:123456@tcp(mysql:3306)/new-api
      - REDIS_CONN_STRING=redis://redis
      - TZ=Asia/Shanghai
      - TIKTOKEN_CACHE_DIR=./tiktoken_cache
    depends_on:
      - redis
      - mysql
  redis:
    image: redis:latest
    restart: always
  mysql:
    image: mysql:8.2
    restart: always
    volumes:
      - mysql_data:/var/lib/mysql
volumes:
  mysql_data:
"""
"""The shape of New-API's own file, with the setting that people uncomment."""

OTHERS = """
services:
  redis: {{image: {busybox}, command: [sleep, "600"], stop_signal: SIGKILL}}
  mysql: {{image: {busybox}, command: [sleep, "600"], stop_signal: SIGKILL}}
"""

Compose = Callable[..., Done]
Make = Callable[..., Compose]


@pytest.fixture(scope="session")
def gateway(gateway_image_context: Path) -> str:
    """An image of the gateway stand-in."""
    tag = "tiktoken-cache-init-test-gateway"
    docker("build", "--tag", tag, str(gateway_image_context))
    return tag


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Make]:
    """Makes compose projects of some files, and takes away what they leave. What they bind is in the test's own folder."""
    made: list[Compose] = []

    def make(files: Sequence[Path], folder: Path = tmp_path) -> Compose:
        name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
        options = ["--project-name", name, "--project-directory", str(folder)]
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
    """Wait until the gateway answers as its health check asks, or is gone."""
    for _ in range(100):
        done = compose("exec", "-T", "new-api", "wget", "-qO-", "http://localhost:3000/api/status", check=False)
        if '"success":true' in done.stdout:
            return True
        if "is not running" in done.stderr:
            return False
        time.sleep(0.1)
    return False


def counted(compose: Compose) -> object:
    """Return the token counts that the gateway printed when it started."""
    lines = compose("logs", "new-api").stdout.splitlines()
    return next(json.loads(line[line.index("{") :])["counts"] for line in lines if '"counts"' in line)


@pytest.fixture
def example(project: Make, tmp_path: Path, image: str, gateway: str) -> Compose:
    """The example, over the images of this run."""
    here = written(tmp_path / "here.yml", HERE.format(image=image, gateway=gateway))
    return project([ROOT / "docker-compose.example.yml", here])


def test_the_example_starts_the_gateway_once_the_volume_is_ready(example: Compose) -> None:
    example("up", "--detach")
    assert answers(example)
    assert counted(example) == COUNTS
    assert "ready: 2 files in /cache/tiktoken" in example("logs", "tiktoken-init").stdout


def test_the_second_start_finds_everything_right(example: Compose) -> None:
    example("up", "--detach")
    example("down", "--timeout", "1")
    example("up", "--detach")
    assert answers(example)
    assert example("logs", "tiktoken-init").stdout.count("already right") == 2


def test_without_the_init_service_the_gateway_dies_with_the_known_line(example: Compose) -> None:
    done = example("run", "--rm", "--no-deps", "new-api", check=False)
    assert done.returncode == 1
    assert "failed to get gpt-3.5-turbo token encoder" in done.stdout + done.stderr


def test_a_failing_init_service_keeps_the_gateway_from_starting(
    project: Make, tmp_path: Path, image: str, gateway: str
) -> None:
    here = written(tmp_path / "here.yml", HERE.format(image=image, gateway=gateway))
    misspelled = "services: {tiktoken-init: {environment: {TIKTOKEN_INIT_ENCODINGS: cl100k}}}"
    compose = project([ROOT / "docker-compose.example.yml", here, written(tmp_path / "misspelled.yml", misspelled)])
    done = compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "did you mean 'cl100k_base'?" in compose("logs", "tiktoken-init").stdout
    assert compose("logs", "new-api").stdout == ""


def test_the_override_adds_the_init_service_to_the_published_file(
    project: Make, tmp_path: Path, image: str, gateway: str, busybox: str
) -> None:
    here = written(tmp_path / "here.yml", HERE.format(image=image, gateway=gateway))
    others = written(tmp_path / "others.yml", OTHERS.format(busybox=busybox))
    published = written(tmp_path / "docker-compose.yml", PUBLISHED)
    compose = project([published, ROOT / "docker-compose.override.example.yml", here, others])
    compose("up", "--detach")
    assert answers(compose)
    assert counted(compose) == COUNTS


def test_the_example_builds_the_image(project: Make, tmp_path: Path, image: str) -> None:
    tag = f"tiktoken-cache-init-test-built:{uuid.uuid4().hex[:12]}"
    build = {"additional_contexts": {"vocabularies": str(shared_folder())}}
    here = written(tmp_path / "here.json", json.dumps({"services": {"tiktoken-init": {"image": tag, "build": build}}}))
    compose = project([ROOT / "docker-compose.example.yml", here], ROOT)
    bundle = machine_bundle()
    compose("build", "tiktoken-init", variables={"SSL_CERT_FILE": bundle} if bundle else {})
    try:
        assert run(tag, [], "list").returncode == 0
    finally:
        docker("image", "rm", tag)
