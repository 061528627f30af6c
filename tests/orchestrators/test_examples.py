"""The examples. The overrides are merged with compose files like those that each project publishes."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.containers import engine as machine
from tests.machine import ROOT
from tests.orchestrators.engines import Engine, running_engine
from tests.orchestrators.running import COUNTS, wait_for
from tests.samples import names_in
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import VOCABULARIES

PUBLISHED = Path(__file__).with_name("published")
EXAMPLES = ROOT / "examples"
OVERRIDE = ROOT / "docker-compose.override.example.yml"
IMAGE_MOUNT = EXAMPLES / "image-mount.override.yml"
RAGFLOW = EXAMPLES / "ragflow.override.yml"
WANTED = sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)
FILLED = f"ready: {len(WANTED)} files"

OVERRIDES = {path.stem: EXAMPLES / f"{path.stem}.override.yml" for path in sorted(PUBLISHED.glob("*.yml"))} | {
    "new-api": OVERRIDE,
    "done-hub-as-one-hub": EXAMPLES / "one-hub.override.yml",
}
"""Published compose file -> the override for it."""


def test_the_table_has_every_override() -> None:
    assert {*OVERRIDES.values(), IMAGE_MOUNT} == {OVERRIDE, *EXAMPLES.glob("*.override.yml")}


@pytest.mark.parametrize(
    "file", [ROOT / "docker-compose.example.yml", OVERRIDE, *EXAMPLES.glob("*.yml")], ids=lambda file: file.name
)
def test_one_variable_names_the_image(file: Path) -> None:
    assert file.read_text().count("${TIKTOKEN_CACHE_INIT_IMAGE:-tiktoken-cache-init}") == 1


@pytest.mark.parametrize("published", OVERRIDES)
def test_an_override_fits_the_published_file(published: str) -> None:
    override, ours = (yaml.safe_load(path.read_text())["services"] for path in (OVERRIDES[published], OVERRIDE))
    assert override.pop("tiktoken-init") == ours["tiktoken-init"]
    files = [f"--file={PUBLISHED}/{published}.yml", f"--file={OVERRIDES[published]}"]
    merged = machine.docker("compose", "--profile=*", *files, "config", "--format=json")
    services = json.loads(merged.stdout)["services"]
    for name, added in override.items():
        # A service that the published file does not have has no image.
        assert services[name]["image"]
        assert services[name]["depends_on"]["tiktoken-init"]["condition"] == "service_completed_successfully"
        [mount] = [each for each in services[name]["volumes"] if each["source"] == "tiktoken"]
        assert mount["read_only"]
        # RAGFlow overwrites the variable.
        variables = {"ragflow": [], "vllm": ["TIKTOKEN_RS_CACHE_DIR"]}.get(published, ["TIKTOKEN_CACHE_DIR"])
        assert added.get("environment", {}) == dict.fromkeys(variables, mount["target"])


@pytest.fixture(scope="module")
def engine(image: str, gateway_image: str) -> Iterator[Engine]:
    """Start an engine with the image under test, and with the stand-in under the names of New-API."""
    with running_engine() as engine:
        engine.load(image, "tiktoken-cache-init", "registry.example/tiktoken-cache-init:1")
        engine.load(gateway_image, "calciumion/new-api:v0.8.2.0", "calciumion/new-api:latest")
        engine.load("busybox")
        # The stand-ins use none of these services. They only have to run, and to stop at once.
        sleeper = 'FROM busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT ["sleep", "3600"]\n'
        engine("build", "--tag=redis:latest", "--tag=mysql:8.2", "-", given=sleeper)
        yield engine


class Project:
    """Compose project in a directory, with the default names of the files."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory

    def write(self, file: Path, *changes: tuple[str, str], name: str = "docker-compose.override.yml") -> None:
        """Copy a compose file, edited as its comments say."""
        text = file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.directory / name).write_text(text)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run a compose command, and return its output."""
        return self.engine("compose", *arguments, check=check, directory=self.directory)

    def await_log(self, service: str, text: str) -> None:
        """Wait until the log of a service has a text."""
        wait_for(text, functools.partial(self.compose, "logs", "--no-color", service))


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Iterator[Project]:
    """Make a project with the file that New-API publishes, and take it down at the end."""
    project = Project(engine, tmp_path)
    project.write(PUBLISHED / "new-api.yml", name="docker-compose.yml")
    yield project
    project.compose("down", "--volumes", "--timeout", "1")


def test_a_misspelled_setting_keeps_the_gateway_from_starting_and_is_shown(project: Project) -> None:
    misspelled = "cap_drop: [ALL]\n    environment: {TIKTOKEN_INIT_ENCODINGS: cl100k_bse}"
    project.write(OVERRIDE, ("cap_drop: [ALL]", misspelled))
    project.compose("up", "-d", check=False)
    assert "new-api created" in project.compose("ps", "--all", "--format", "{{.Service}} {{.State}}")
    assert "did you mean cl100k_base" in project.compose("logs", "tiktoken-init").splitlines()[-1]
    project.write(OVERRIDE)
    project.compose("up", "-d")
    project.await_log("new-api", COUNTS)
    assert FILLED in project.compose("logs", "tiktoken-init")


def test_a_directory_of_a_user_needs_that_user(project: Project) -> None:
    bind = (("- tiktoken:/cache/tiktoken", "- ./tiktoken:/cache/tiktoken"), ("\n  tiktoken:\n", "\n  unused:\n"))
    directory = project.directory / "tiktoken"
    directory.mkdir()
    os.chown(directory, 1234, 1234)
    project.write(OVERRIDE, *bind)
    project.compose("up", "-d", check=False)
    assert "run as its owner (" in project.compose("logs", "tiktoken-init")
    project.write(
        OVERRIDE, *bind, ("  tiktoken-init:\n    image", '  tiktoken-init:\n    user: "1234:1234"\n    image')
    )
    project.compose("up", "-d")
    project.await_log("new-api", COUNTS)
    assert names_in(directory) == WANTED


def test_ragflow_gets_one_file_in_its_own_directory(project: Project) -> None:
    check = f"echo '{CL100K.sha256}  /ragflow/{CL100K.cache_key}' | sha256sum -c && exec sleep 3600"
    stand_in = f"FROM busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT {json.dumps(['sh', '-c', check])}\n"
    project.engine("build", "--tag=infiniflow/ragflow:v0.27.0", "-", given=stand_in)
    project.write(PUBLISHED / "ragflow.yml", name="docker-compose.yml")
    project.write(RAGFLOW)
    project.compose("--profile=cpu", "up", "-d")
    project.await_log("ragflow-cpu", f"/ragflow/{CL100K.cache_key}: OK")


def test_docker_28_mounts_the_image_without_an_init_container(project: Project) -> None:
    if int(project.engine("version", "--format", "{{.Server.Version}}").split(".")[0]) < 28:
        pytest.skip("image mounts need Docker 28: install it, or set DOCKER_28 to a directory that holds one")
    project.write(IMAGE_MOUNT)
    project.compose("up", "-d")
    project.await_log("new-api", COUNTS)


def test_one_file_in_a_web_form_needs_no_directory(project: Project) -> None:
    # Coolify and Dokploy add networks to each service.
    added = ("    image:", "    networks: [default]\n    image:")
    project.write(EXAMPLES / "one-file.yml", added, name="docker-compose.yml")
    (project.directory / ".env").write_text("TIKTOKEN_CACHE_INIT_IMAGE=registry.example/tiktoken-cache-init:1")
    project.compose("up", "-d")
    project.await_log("new-api", COUNTS)
    assert "registry.example/tiktoken-cache-init:1" in project.compose("ps", "--all", "--format", "{{.Image}}")


def test_a_dockerfile_copies_from_the_image(engine: Engine) -> None:
    engine("build", "--tag", "new-api-offline", "-", given=(EXAMPLES / "new-api.Dockerfile").read_text())
    limits = ("--rm", "--network", "none", "--read-only", "--user", "1234:1234")
    assert COUNTS in engine("run", *limits, "new-api-offline", "--check")


def test_a_swarm_fills_the_volume_of_its_node(engine: Engine, tmp_path: Path) -> None:
    # The engine of the tests cannot make networks for a swarm, and a service in the network of the host publishes no port.
    stack = (EXAMPLES / "swarm.yml").read_text().replace('    ports:\n      - "3000:3000"\n', "")
    (tmp_path / "stack.yml").write_text(stack)
    services = {name: {"networks": ["host"]} for name in ("tiktoken-init", "new-api")}
    network = {"services": services, "networks": {"host": {"external": True, "name": "host"}}}
    (tmp_path / "host.yml").write_text(json.dumps(network))
    engine("swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        options = ("--detach=true", "--resolve-image=never", "-c", "stack.yml", "-c", "host.yml")
        engine("stack", "deploy", *options, "s", directory=tmp_path)
        wait_for("1/1 completed", lambda: engine("service", "ls"))
        assert FILLED in engine("service", "logs", "s_tiktoken-init")
        wait_for(COUNTS, lambda: engine("service", "logs", "s_new-api"))
    finally:
        engine("swarm", "leave", "--force")
        engine.clear()
        engine("volume", "prune", "--all", "--force")
