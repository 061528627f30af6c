"""The examples, run unchanged. The overrides are merged with compose files like those that each project publishes."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers.engine import ROOT
from tests.orchestrators.conftest import FOUND
from tests.orchestrators.engines import Engine
from tests.orchestrators.running import COUNTS, DIES, Done, run, wait_for
from tests.samples import names_in
from tiktoken_cache_init.catalogue import VOCABULARIES

PUBLISHED = Path(__file__).with_name("published")
EXAMPLES = ROOT / "examples"
OVERRIDE = ROOT / "docker-compose.override.example.yml"
WANTED = sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)
FILLED = f"ready: {len(WANTED)} files"

USUAL = ("docker-compose.yml", "docker-compose.override.yml")
"""Default names of the two files."""


class Project:
    """Directory with a published compose file and an override next to it."""

    def __init__(self, engine: Engine, directory: Path, published: str, override: Path | None) -> None:
        self.engine = engine
        self.directory = directory
        shutil.copy(PUBLISHED / f"{published}.yml", directory / USUAL[0])
        if override:
            shutil.copy(override, directory / USUAL[1])

    def change(self, *changes: tuple[str, str]) -> None:
        """Edit the override as its comments say."""
        text = (self.directory / USUAL[1]).read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.directory / USUAL[1]).write_text(text)

    def compose(self, *arguments: str, check: bool = True) -> Done:
        """Run a compose command."""
        # RAGFlow's service has this profile.
        variables = self.engine.variables | {"COMPOSE_PROFILES": "cpu"}
        return run("docker", "compose", *arguments, check=check, variables=variables, directory=self.directory)

    def logs(self, service: str) -> str:
        """Return the log of a service."""
        return self.compose("logs", "--no-color", service, check=False).stdout

    def inspect(self, service: str, template: str) -> str:
        """Return the facts of a template about the container of a service."""
        named = f"label=com.docker.compose.service={service}"
        container = self.engine.docker("ps", "--all", "--quiet", "--filter", named).stdout.strip()
        return self.engine.docker("inspect", "--format", template, container).stdout


Make = Callable[[str, Path | None], Project]


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Make]:
    """Yield a function that makes a project, and take the project down at the end."""
    made: list[Project] = []

    def make(published: str, override: Path | None) -> Project:
        made.append(Project(engine, tmp_path, published, override))
        return made[-1]

    yield make
    for one in made:
        one.compose("down", "--volumes", "--timeout", "1")


OVERRIDES = {
    "new-api": (OVERRIDE, COUNTS, ["new-api"]),
    "one-api": (EXAMPLES / "one-api.override.yml", COUNTS, ["one-api"]),
    "one-hub": (EXAMPLES / "one-hub.override.yml", COUNTS, ["one-hub"]),
    "done-hub": (EXAMPLES / "done-hub.override.yml", COUNTS, ["done-hub"]),
    "done-hub-as-one-hub": (EXAMPLES / "one-hub.override.yml", COUNTS, ["one-hub"]),
    "veloera": (EXAMPLES / "veloera.override.yml", COUNTS, ["veloera"]),
    "dify": (EXAMPLES / "dify.override.yml", FOUND, ["api", "worker", "worker_beat", "plugin_daemon"]),
    "ragflow": (EXAMPLES / "ragflow.override.yml", FOUND, ["ragflow-cpu"]),
    "open-webui": (EXAMPLES / "open-webui.override.yml", FOUND, ["open-webui"]),
    "vllm": (EXAMPLES / "vllm.override.yml", FOUND, ["vllm"]),
}
"""Published compose file -> the override for it, and the services that read vocabularies, with their output."""

IMAGE_MOUNT = EXAMPLES / "image-mount.override.yml"


def test_the_table_has_every_override() -> None:
    assert {override for override, _, _ in OVERRIDES.values()} == {OVERRIDE, *EXAMPLES.glob("*.override.yml")} - {
        IMAGE_MOUNT
    }


@pytest.mark.parametrize(
    "file", [ROOT / "docker-compose.example.yml", OVERRIDE, *EXAMPLES.glob("*.yml")], ids=lambda file: file.name
)
def test_one_variable_names_the_image(file: Path) -> None:
    assert file.read_text().count("${TIKTOKEN_CACHE_INIT_IMAGE:-tiktoken-cache-init}") == 1


@pytest.mark.parametrize("published", OVERRIDES)
def test_an_override_starts_the_services_of_the_published_file(published: str, project: Make) -> None:
    override, printed, services = OVERRIDES[published]
    started = project(published, override)
    started.compose("up", "-d")
    for service in services:
        wait_for(printed, functools.partial(started.logs, service))
        found = started.inspect(service, "{{json .Config.Labels}}{{range .Mounts}}{{.Name}} {{.RW}}\n{{end}}")
        assert "tiktoken-init:service_completed_successfully" in found
        assert f"{started.directory.name.lower()}_tiktoken false" in found
    assert FILLED in started.logs("tiktoken-init")


@pytest.mark.parametrize(("published", "message"), [("one-api", DIES), ("vllm", "No such file")])
def test_a_service_fails_without_the_override(published: str, message: str, project: Make) -> None:
    started = project(published, None)
    started.compose("up", "-d")
    wait_for(message, functools.partial(started.logs, OVERRIDES[published][2][0]))


def test_a_directory_of_a_user_needs_that_user(project: Make) -> None:
    gateway = project("one-api", EXAMPLES / "one-api.override.yml")
    gateway.change(("- tiktoken:/cache/tiktoken", "- ./tiktoken:/cache/tiktoken"), ("\n  tiktoken:\n", "\n  unused:\n"))
    directory = gateway.directory / "tiktoken"
    directory.mkdir()
    os.chown(directory, 1234, 1234)
    gateway.compose("up", "-d", check=False)
    assert "run as its owner (" in gateway.logs("tiktoken-init")
    gateway.change(("  tiktoken-init:\n    image", '  tiktoken-init:\n    user: "1234:1234"\n    image'))
    gateway.compose("up", "-d")
    wait_for(COUNTS, functools.partial(gateway.logs, "one-api"))
    assert names_in(directory) == WANTED


def test_a_misspelled_setting_keeps_the_gateway_from_starting_and_is_shown(project: Make) -> None:
    gateway = project("new-api", OVERRIDE)
    setting = "environment: {TIKTOKEN_INIT_ENCODINGS: cl100k_bse}"
    gateway.change(("cap_drop: [ALL]", f"cap_drop: [ALL]\n    {setting}"))
    assert gateway.compose("up", "-d", check=False).returncode != 0
    assert gateway.inspect("new-api", "{{.State.Status}}") == "created\n"
    assert "did you mean cl100k_base" in gateway.logs("tiktoken-init").splitlines()[-1]


def test_docker_28_mounts_the_image_without_an_init_container(engine: Engine, project: Make) -> None:
    if int(engine.docker("version", "--format", "{{.Server.Version}}").stdout.split(".")[0]) < 28:
        pytest.skip("image mounts need Docker 28: install it, or set DOCKER_28 to a directory that holds one")
    gateway = project("new-api", IMAGE_MOUNT)
    gateway.compose("up", "-d")
    wait_for(COUNTS, functools.partial(gateway.logs, "new-api"))
    assert "/tiktoken false" in gateway.inspect("new-api", "{{range .Mounts}}{{.Destination}} {{.RW}}\n{{end}}")
    assert engine.docker("ps", "--all", "--format", "{{.Names}}").stdout.split().count("tiktoken-init") == 0


def test_one_file_in_a_web_form_needs_no_directory(engine: Engine, tmp_path: Path) -> None:
    name = "registry.example/tiktoken-cache-init:1"
    engine.docker("tag", "tiktoken-cache-init", name)
    # Coolify and Dokploy add networks to each service.
    text = (EXAMPLES / "one-file.yml").read_text().replace("    image:", "    networks: [default]\n    image:")

    def compose(*arguments: str) -> str:
        command = ("docker", "compose", "--project-name", "form", "--file", "-", *arguments)
        variables = engine.variables | {"TIKTOKEN_CACHE_INIT_IMAGE": name}
        return run(*command, variables=variables, directory=tmp_path, given=text).stdout

    try:
        compose("up", "-d")
        wait_for(COUNTS, lambda: compose("logs", "new-api"))
        assert name in compose("ps", "--all", "--format", "{{.Image}}")
    finally:
        compose("down", "--volumes", "--timeout", "1")


def test_a_dockerfile_copies_from_the_image(engine: Engine) -> None:
    engine.docker("build", "--tag", "new-api-offline", "-", given=(EXAMPLES / "new-api.Dockerfile").read_text())
    checked = ("run", "--rm", "--network", "none", "--read-only", "--user", "1234:1234")
    assert COUNTS in engine.docker(*checked, "new-api-offline", "--check").stdout


HOST_NETWORK = """
services:
  tiktoken-init: {networks: [host]}
  new-api: {networks: [host]}
networks:
  host: {external: true, name: host}
"""


def test_a_swarm_fills_the_volume_of_its_node(engine: Engine, tmp_path: Path) -> None:
    # The engine of the tests cannot make networks, and a service in the network of the host publishes no port.
    stack = (EXAMPLES / "swarm.yml").read_text().replace('    ports:\n      - "3000:3000"\n', "")
    (tmp_path / "stack.yml").write_text(stack)
    (tmp_path / "host.yml").write_text(HOST_NETWORK)
    engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        options = ("--detach=true", "--resolve-image=never", "-c", "stack.yml", "-c", "host.yml")
        engine.docker("stack", "deploy", *options, "s", directory=tmp_path)
        wait_for("1/1 completed", lambda: engine.docker("service", "ls").stdout)
        assert FILLED in engine.docker("service", "logs", "s_tiktoken-init").stdout
        wait_for(COUNTS, lambda: engine.docker("service", "logs", "s_new-api").stdout)
    finally:
        engine.docker("swarm", "leave", "--force")
        engine.clear()
        engine.docker("volume", "prune", "--all", "--force")
