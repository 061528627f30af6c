"""Every command of the front page and of the pages for users, in both languages, run as it is written."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import engine
from tests.docs.markdown import blocks
from tests.machine import ROOT
from tests.orchestrators.running import COUNTS, run, wait_for
from tests.samples import command
from tests.states import READY
from tests.vocabularies import DEFAULT, shared_directory
from tiktoken_cache_init import REPOSITORY
from tiktoken_cache_init.catalogue import VOCABULARIES

# All blocks have a name here. For a new block, write a name and a test that runs it. A block that only one language has, such as
# one that is changed in one language, is a block of its own.
COMPOSE, FILL, START, DEVELOP, COMPOSE_IN_CHINA, DEVELOP_IN_CHINA = blocks("README")
INSPECT, OVERRIDE = blocks("docs/troubleshooting")
BUILD, BUILD_BEHIND_A_PROXY, BUILD_IN_CHINA, _PODMAN, MAKE_IMAGE = blocks("docs/building")
SAVE, LOAD, FILL_AGAIN, EXPORT, UNPACK, DOWNLOAD = blocks("docs/without-a-registry")


def test_other_blocks_run_elsewhere() -> None:
    assert [*blocks("docs/settings"), *blocks("docs/consumers")] == []
    # DEVELOP is in tests/bare_machine, and the blocks of podman and Kubernetes are in tests/orchestrators.
    assert f"export {PYPI_IN_CHINA}\n{DEVELOP}" == DEVELOP_IN_CHINA


PYPI_IN_CHINA = "PIP_INDEX_URL=https://pypi.tuna.tsinghua.edu.cn/simple"


class Shell:
    """Shell of a reader, next to a clone of the work tree.

    The commands run as they are written, except that images, volumes, containers, ports and the clone have names of this
    test, and that builds use no mirror and no proxy, which the tests do not reach.
    """

    def __init__(self, directory: Path, gateway: str) -> None:
        self.name = f"tiktoken-page-{uuid.uuid4().hex[:12]}"
        """Name in place of ``tiktoken-cache-init``, ``tiktoken`` and ``new-api``."""
        self.directory = directory
        self.clone = directory / self.name
        self.variables = {"COMPOSE_PROJECT_NAME": self.name, "TIKTOKEN_CACHE_INIT_IMAGE": self.name}
        self.options = shlex.join(["--build-context", f"vocabularies={shared_directory()}", *engine.trust()])
        """Options of each build."""
        self._replaced = {
            f"git clone https://github.com/{REPOSITORY}": "test -d tiktoken-cache-init",
            "tiktoken-cache-init": self.name,
            "docker build -t": f"docker build {self.options} -t",
            "docker.m.daocloud.io/library/": "",
            "--build-arg DEBIAN_MIRROR=http://mirrors.tuna.tsinghua.edu.cn/debian": "",
            f"--build-arg {PYPI_IN_CHINA}": "",
            "http://proxy.example:3128": "",
            "calciumion/new-api:v0.8.2.0": gateway,
            "-v tiktoken:": f"-v {self.name}:",
            "rm -f new-api": f"rm -f {self.name}",
            "--name new-api": f"--name {self.name}",
            "}}' new-api": f"}}}}' {self.name}",
            "-p 3000:3000": "-p 127.0.0.1::3000",
            "/path/to/data": f"{directory}/data",
        }
        """Text in the commands -> what this test has in its place."""
        # The clone has the files that git tracks, as they are in the work tree now.
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.clone / name)

    def typed(self, text: str) -> str:
        """Return a text of the project with the names of this test."""
        for theirs, ours in self._replaced.items():
            text = text.replace(theirs, ours)
        return text

    def run(self, commands: str, directory: Path | None = None) -> str:
        """Run commands of a page in the clone's parent, or in another directory, and return their output."""
        where = directory or self.directory
        return run("sh", "-ec", self.typed(commands), variables=self.variables, directory=where, timeout=1200).stdout

    def clear(self) -> None:
        """Remove everything that the commands have left in the engine."""
        engine.docker("compose", "--project-name", self.name, "down", "--volumes", "--timeout", "1", check=False)
        for kind in ("container", "volume", "image"):
            engine.docker(kind, "rm", "--force", self.name, check=False)


@pytest.fixture
def shell(gateway_image: str, tmp_path: Path) -> Iterator[Shell]:
    """Make a shell without the image."""
    shell = Shell(tmp_path, gateway_image)
    yield shell
    shell.clear()


@pytest.fixture
def shell_with_image(image: str, shell: Shell) -> Shell:
    """Make a shell on a machine that has the image."""
    engine.docker("tag", image, shell.name)
    return shell


THEIRS = f"""
services:
  new-api:
    image: {engine.GATEWAY_IMAGE}
    pull_policy: never
networks:
  default:
    # The gateway cannot download anything, so it starts only with the files in the volume.
    internal: true
"""
"""Compose file of a reader, who has a gateway already."""


@pytest.mark.parametrize("block", [COMPOSE, COMPOSE_IN_CHINA], ids=["English", "Chinese"])
def test_an_existing_compose_file_gets_the_init_container(block: str, shell: Shell) -> None:
    (shell.directory / "docker-compose.yml").write_text(THEIRS)
    # The last command shows the log, and the gateway may need another moment.
    *commands, log = block.splitlines()
    assert shell.run("\n".join(commands)).splitlines()[-1] == READY
    assert "token encoders initialized" in wait_for(COUNTS, lambda: shell.run(log))


CHANGES = f"""
services:
  tiktoken-init:
    build: {{additional_contexts: {{vocabularies: {shared_directory()}}}}}
  new-api:
    image: {engine.GATEWAY_IMAGE}
    pull_policy: never
    ports: !reset []
networks: {{default: {{internal: true}}}}
"""
"""Changes to the example of a new gateway."""


def test_the_example_builds_the_image_fills_the_volume_and_starts_the_gateway(shell: Shell) -> None:
    (shell.clone / "changes.yml").write_text(CHANGES)
    shell.variables |= {
        "COMPOSE_FILE": f"{shell.clone}/docker-compose.example.yml:{shell.clone}/changes.yml",
        # The comments in the file say to do this behind a proxy that intercepts TLS.
        "SSL_CERT_FILE": engine.machine_bundle() or "/dev/null",
    }
    shell.run("docker compose up -d")
    wait_for(COUNTS, lambda: shell.run("docker compose logs"))
    # A later start needs no registry.
    shell.variables["BASE_IMAGE"] = "registry.invalid/debian"
    shell.run("docker compose down && docker compose up -d")
    printed = wait_for(COUNTS, lambda: shell.run("docker compose logs"))
    assert printed.count("already right") == len(VOCABULARIES)


def test_a_gateway_of_plain_docker_gets_the_volume_and_keeps_its_data(shell_with_image: Shell) -> None:
    shell = shell_with_image
    assert shell.run(FILL).splitlines()[-1] == READY
    data = shell.directory / "data"
    data.mkdir()
    shell.run(START)
    wait_for(COUNTS, lambda: engine.docker("logs", shell.name).stdout)
    variable, *mounts = shell.run(INSPECT).splitlines()
    assert variable == "TIKTOKEN_CACHE_DIR=/cache/tiktoken"
    assert f"mount {data} /data" in mounts
    assert [mount for mount in mounts if shell.name in mount and mount.endswith(" /cache/tiktoken")]


def test_the_override_follows_one_that_is_already_there(shell: Shell) -> None:
    theirs = "new-api: {image: busybox, depends_on: [redis], environment: [A=b, TIKTOKEN_CACHE_DIR=./cache]}"
    (shell.directory / "docker-compose.yml").write_text(f"services: {{{theirs}, redis: {{image: busybox}}}}")
    (shell.directory / "docker-compose.override.yml").write_text("services: {new-api: {environment: [C=d]}}")
    shell.run(OVERRIDE)
    new_api = json.loads(shell.run("docker compose config --format json"))["services"]["new-api"]
    assert new_api["environment"] == {"A": "b", "C": "d", "TIKTOKEN_CACHE_DIR": "/cache/tiktoken"}
    assert new_api["depends_on"].keys() == {"redis", "tiktoken-init"}


def test_the_image_and_the_files_are_carried_over(shell_with_image: Shell) -> None:
    shell = shell_with_image
    shell.run(SAVE)
    engine.docker("image", "rm", shell.name)
    shell.run(LOAD)
    assert shell.run(FILL_AGAIN).splitlines()[-1] == READY
    shell.run(EXPORT)
    shell.run(f"umask 077\n{UNPACK}")
    held = {path.name: path.stat().st_mode & 0o777 for path in (shell.directory / "tiktoken").iterdir()}
    assert held == {vocabulary.cache_key: 0o644 for vocabulary in VOCABULARIES}


def test_two_files_are_downloaded_by_hand(vocabularies: Path, volume: Path) -> None:
    commands = DOWNLOAD
    for each in DEFAULT:
        commands = commands.replace(
            f"curl -fo {each.cache_key} {each.url}\n", f"cp {vocabularies / each.cache_key} .\n"
        )
    assert run("sh", "-ec", commands, directory=volume).stdout.count(": OK") == 2
    assert command("verify", "--cache-dir", str(volume), "--encodings", "cl100k_base,o200k_base").code == 0


@pytest.mark.parametrize("block", [BUILD, BUILD_BEHIND_A_PROXY, BUILD_IN_CHINA], ids=["plain", "proxy", "China"])
def test_the_image_is_built(block: str, shell: Shell) -> None:
    # Docker does not refuse an argument that the Dockerfile does not have.
    known = {"HTTP_PROXY", "HTTPS_PROXY", *re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)}
    assert set(re.findall(r"--build-arg (\w+)=", block)) <= known
    shell.run(block, shell.clone)
    engine.docker("image", "inspect", shell.name)


def test_make_builds_the_image_of_a_commit(shell: Shell) -> None:
    makefile = shell.clone / "Makefile"
    makefile.write_text(shell.typed(makefile.read_text()))
    shell.variables["BUILD_OPTIONS"] = shell.options
    author = "-c user.name=nobody -c user.email=nobody@example.invalid"
    shell.run(f"git init -q && git add --all && git {author} commit -q -m 'A commit'", shell.clone)
    shell.run(MAKE_IMAGE, shell.clone)
    label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    revision = engine.docker("image", "inspect", "--format", label, shell.name).stdout
    assert revision == shell.run("git rev-parse HEAD", shell.clone)
