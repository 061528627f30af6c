"""The compose examples, merged with compose files like those that each project publishes, and run unchanged."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.consumers.texts import expected
from tests.containers.engine import ROOT
from tests.orchestrators.build import compose_1_29
from tests.orchestrators.engines import Engine
from tests.orchestrators.running import COUNTS, DIES, Done, run, wait_for
from tiktoken_cache_init.catalogue import VOCABULARIES

PUBLISHED = Path(__file__).with_name("published")
EXAMPLES = ROOT / "examples"
OVERRIDE = ROOT / "docker-compose.override.example.yml"
WANTED = sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)


def counts(*encodings: str) -> str:
    """Return the output of a stand-in for an application with the right vocabularies."""
    return json.dumps({name: {label: len(ids) for label, ids in expected()[name].items()} for name in encodings})


class Example(NamedTuple):
    """Override, and the output of the services of the published file with it and without it."""

    override: Path
    services: dict[str, str]
    """Service -> its output with the right vocabularies."""
    without: str = DIES
    """Error of every service without the override."""
    profiles: str = ""


GPT2 = counts("gpt2")

SHAPES = {
    "new-api": Example(OVERRIDE, {"new-api": COUNTS}),
    "one-api": Example(EXAMPLES / "one-api.override.yml", {"one-api": COUNTS}),
    "one-hub": Example(EXAMPLES / "one-hub.override.yml", {"one-hub": COUNTS}),
    "done-hub": Example(EXAMPLES / "done-hub.override.yml", {"done-hub": COUNTS}),
    "done-hub-as-one-hub": Example(EXAMPLES / "one-hub.override.yml", {"one-hub": COUNTS}),
    "veloera": Example(EXAMPLES / "veloera.override.yml", {"veloera": COUNTS}),
    "dify": Example(
        EXAMPLES / "dify.override.yml",
        {
            "api": GPT2,
            "worker": GPT2,
            "worker_beat": GPT2,
            "plugin_daemon": counts("gpt2", "cl100k_base", "o200k_base"),
        },
        "Max retries exceeded with url: /gpt-2/encodings/main/vocab.bpe",
    ),
    "ragflow": Example(
        EXAMPLES / "ragflow.override.yml",
        {"ragflow-cpu": counts("cl100k_base")},
        "Max retries exceeded with url: /encodings/cl100k_base.tiktoken",
        profiles="cpu",
    ),
    "open-webui": Example(
        EXAMPLES / "open-webui.override.yml",
        {"open-webui": counts("cl100k_base")},
        "Max retries exceeded with url: /encodings/cl100k_base.tiktoken",
    ),
    "vllm": Example(
        EXAMPLES / "vllm.override.yml",
        {"vllm": counts("o200k_harmony")},
        "error downloading or loading vocab file",
    ),
}
"""Published compose file -> the override for it."""

USUAL = ("docker-compose.yml", "docker-compose.override.yml")
"""Default names of the two files."""


class Project:
    """Directory with a published compose file and an override next to it."""

    def __init__(self, engine: Engine, directory: Path, shape: str, command: tuple[str, ...], override: Path) -> None:
        self.engine = engine
        self.directory = directory
        self.example = SHAPES[shape]
        self.service = next(iter(self.example.services))
        self._command = command
        self.files = list(USUAL)
        shutil.copy(PUBLISHED / f"{shape}.yml", directory / USUAL[0])
        shutil.copy(override, directory / USUAL[1])

    def change(self, *changes: tuple[str, str], published: bool = False) -> None:
        """Edit the override or the published file as its comments say."""
        edited = self.directory / USUAL[0 if published else 1]
        text = edited.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        edited.write_text(text)

    def add(self, text: str) -> None:
        """Add another compose file."""
        (self.directory / "more.yml").write_text(text)
        self.files.append("more.yml")

    def compose(self, *arguments: str, check: bool = True, timeout: float = 300) -> Done:
        """Run a compose command on the files."""
        # Compose finds files with the default names by itself.
        files = [] if self.files == list(USUAL) else [word for file in self.files for word in ("-f", file)]
        variables = self.engine.variables | {"COMPOSE_PROFILES": self.example.profiles}
        command = [*self._command, *files, *arguments]
        return run(*command, check=check, variables=variables, directory=self.directory, timeout=timeout)

    def says(self, service: str = "") -> str:
        """Return the log of a service. The default is the first one that reads vocabularies."""
        return self.compose("logs", "--no-color", service or self.service, check=False).stdout

    def inspect(self, field: str) -> str:
        """Return a field of the container of the first service that reads vocabularies."""
        # A published file with `version` makes Compose print a warning first.
        container = self.compose("ps", "--all", "--quiet", self.service).stdout.splitlines()[-1]
        return self.engine.docker("inspect", "--format", field, container).stdout.strip()


Make = Callable[..., Project]


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Yield a function that makes projects, and take them down at the end."""
    made: list[Project] = []

    def make(
        shape: str,
        command: tuple[str, ...] = ("docker", "compose"),
        override: Path | None = None,
        on: str = "engine",
    ) -> Project:
        engine = request.getfixturevalue(on)
        made.append(Project(engine, tmp_path, shape, command, override or SHAPES[shape].override))
        return made[-1]

    yield make
    for one in made:
        one.compose("down", "--volumes", "--timeout", "1")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_override_starts_the_services_of_the_published_file(shape: str, project: Make) -> None:
    started = project(shape)
    started.compose("up", "-d")
    for service, printed in started.example.services.items():
        wait_for(printed, lambda service=service: started.says(service))  # type: ignore[misc]
    assert f"ready: {len(WANTED)} files" in started.says("tiktoken-init")
    mounts = (
        '{{range .Mounts}}{{if eq .Name "' + f"{started.directory.name.lower()}_tiktoken" + '"}}{{.RW}}{{end}}{{end}}'
    )
    assert started.inspect(mounts) == "false"


def test_a_gateway_answers_the_health_check_of_the_published_file(project: Make) -> None:
    gateway = project("new-api")
    gateway.compose("up", "-d")
    asked = ("exec", "-T", "new-api", "wget", "-qO-", "http://localhost:3000/api/status")
    wait_for('"success":true', lambda: gateway.compose(*asked, check=False).stdout)


@pytest.mark.parametrize("shape", ["one-api", "dify", "ragflow", "open-webui", "vllm"])
def test_every_service_fails_without_the_override(shape: str, project: Make) -> None:
    started = project(shape)
    started.files.pop()
    started.compose("up", "-d")
    for service in started.example.services:
        # The plugin daemon also loads gpt2 first.
        wait_for(started.example.without, lambda service=service: started.says(service))  # type: ignore[misc]


def test_gpt2_alone_is_not_enough_for_the_plugins_of_dify(project: Make) -> None:
    dify = project("dify")
    dify.change(("cap_drop: [ALL]", "cap_drop: [ALL]\n    environment: {TIKTOKEN_INIT_ENCODINGS: gpt2}"))
    dify.compose("up", "-d")
    wait_for(GPT2, lambda: dify.says("api"))
    wait_for("url: /encodings/cl100k_base.tiktoken", lambda: dify.says("plugin_daemon"))


def test_the_override_replaces_the_directory_of_the_published_file(project: Make) -> None:
    gateway = project("new-api")
    gateway.change(("# - TIKTOKEN_CACHE_DIR=./", "  - TIKTOKEN_CACHE_DIR=./"), published=True)
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.says)


def use_a_directory(gateway: Project) -> None:
    gateway.change(("- tiktoken:/cache/tiktoken", "- ./tiktoken:/cache/tiktoken"), ("\n  tiktoken:\n", "\n  unused:\n"))


def test_a_directory_works_like_a_volume(project: Make) -> None:
    gateway = project("one-api")
    use_a_directory(gateway)
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.says)
    assert sorted(path.name for path in (gateway.directory / "tiktoken").iterdir()) == WANTED


def test_a_directory_of_a_user_needs_that_user(project: Make) -> None:
    gateway = project("one-api")
    use_a_directory(gateway)
    (gateway.directory / "tiktoken").mkdir()
    os.chown(gateway.directory / "tiktoken", 1234, 1234)
    done = gateway.compose("up", check=False)
    assert done.returncode != 0
    assert "1234:1234" in done.stdout
    gateway.change(("  tiktoken-init:\n    image", '  tiktoken-init:\n    user: "1234:1234"\n    image'))
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.says)


def fails(gateway: Project) -> str:
    """Start the project, which must fail; return the last line of the init container."""
    # The command runs in the foreground, so it does not end in time if the gateway starts.
    done = gateway.compose("up", check=False, timeout=100)
    assert done.returncode != 0
    assert gateway.inspect("{{.State.Status}}") == "created"
    return gateway.says("tiktoken-init").splitlines()[-1]


@pytest.mark.parametrize("shape", ["new-api", "dify"])
def test_a_misspelled_setting_keeps_the_services_from_starting_and_is_shown(shape: str, project: Make) -> None:
    gateway = project(shape)
    gateway.add("services: {tiktoken-init: {environment: {TIKTOKEN_INIT_ENCODINGS: cl100k_bse}}}")
    assert re.search("did you mean '?cl100k_base", fails(gateway))


def test_a_poisoned_volume_that_cannot_be_repaired_keeps_the_gateway_from_starting(project: Make) -> None:
    gateway = project("one-api")
    (gateway.directory / "poisoned").mkdir(mode=0o755)
    for key in WANTED:
        (gateway.directory / "poisoned" / key).write_text("<!DOCTYPE html>\n<html><title>Sign in</title></html>\n")
    gateway.add("services: {tiktoken-init: {volumes: ['./poisoned:/cache/tiktoken:ro']}}")
    assert "read-only" in fails(gateway)


def test_compose_1_29_runs_the_override(project: Make) -> None:
    gateway = project("new-api", compose_1_29())
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.says)


# --- no init container, one file, Swarm -------------------------------------------------------------------------------


def test_docker_28_mounts_the_image_without_an_init_container(project: Make) -> None:
    gateway = project("new-api", override=EXAMPLES / "image-mount.override.yml", on="engine_28")
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.says)
    assert gateway.inspect('{{range .Mounts}}{{if eq .Destination "/tiktoken"}}{{.RW}}{{end}}{{end}}') == "false"
    names = gateway.engine.docker("ps", "--all", "--format", "{{.Names}}").stdout.split()
    assert sorted(names) == ["mysql", "new-api", "redis"]


def test_a_gateway_without_the_image_mount_fails(project: Make) -> None:
    gateway = project("new-api", on="engine_28")
    gateway.files.pop()
    gateway.compose("up", "-d")
    wait_for(DIES, gateway.says)


def test_one_file_in_a_web_form_needs_no_directory(engine: Engine, tmp_path: Path) -> None:
    name = "registry.example/tiktoken-cache-init:1"
    engine.docker("tag", "tiktoken-cache-init", name)
    text = (EXAMPLES / "one-file.yml").read_text()
    assert "build:" not in text
    # Coolify and Dokploy add networks to each service.
    text = text.replace("    image:", "    networks: [default]\n    image:")

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


HOST_NETWORK = """
services:
  tiktoken-init: {networks: [host]}
  new-api: {networks: [host]}
networks:
  host: {external: true, name: host}
"""
"""Changes to the stack: the engine of the tests cannot make networks."""


@pytest.fixture
def swarm(engine: Engine, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Start a Swarm of one node; yield the function that deploys a stack."""
    engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    (tmp_path / "host.yml").write_text(HOST_NETWORK)

    def deploy(text: str) -> None:
        (tmp_path / "stack.yml").write_text(text)
        command = (
            "stack",
            "deploy",
            "--detach=true",
            "--resolve-image=never",
            "-c",
            "stack.yml",
            "-c",
            "host.yml",
            "s",
        )
        engine.docker(*command, directory=tmp_path)

    yield deploy
    engine.docker("swarm", "leave", "--force")
    engine.clear()
    engine.docker("volume", "prune", "--all", "--force")


def stack() -> str:
    # A service in the network of the host publishes no port.
    text = (EXAMPLES / "swarm.yml").read_text()
    ports = '    ports:\n      - "3000:3000"\n'
    assert ports in text
    return text.replace(ports, "")


def test_a_swarm_fills_the_volume_of_its_node(engine: Engine, swarm: Callable[[str], None]) -> None:
    swarm(stack())
    wait_for("1/1 completed", lambda: engine.docker("service", "ls").stdout)
    assert f"ready: {len(WANTED)} files" in engine.docker("service", "logs", "s_tiktoken-init").stdout
    wait_for(COUNTS, lambda: engine.docker("service", "logs", "s_new-api").stdout)


def test_a_gateway_in_a_swarm_without_the_job_fails(engine: Engine, swarm: Callable[[str], None]) -> None:
    swarm(stack().replace("mode: global-job", "mode: replicated-job\n      replicas: 0"))
    wait_for(DIES, lambda: engine.docker("service", "logs", "s_new-api").stdout)


# --- every file -------------------------------------------------------------------------------------------------------

FILES = sorted({ROOT / "docker-compose.example.yml", OVERRIDE, *EXAMPLES.glob("*.yml")})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_one_variable_names_the_image_in_every_file(file: Path) -> None:
    text = file.read_text()
    assert "${TIKTOKEN_CACHE_INIT_IMAGE:-tiktoken-cache-init}" in text
    assert text.count("tiktoken-cache-init}") == 1
    if "tiktoken-init:\n" in text:
        assert "logs " in text
        assert "tiktoken-init\n#" in text or "tiktoken-init\nservices:" in text


def compose_schema(*files: Path) -> Done:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return run(*command, *files, check=False)


def test_every_file_is_valid_by_the_schema_of_compose() -> None:
    done = compose_schema(*FILES, *sorted(PUBLISHED.glob("*.yml")))
    assert done.returncode == 0, done.stdout


def test_the_schema_of_compose_refuses_a_wrong_field(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(OVERRIDE.read_text().replace("cap_drop:", "drop_cap:"))
    assert "'drop_cap' was unexpected" in compose_schema(wrong).stdout
