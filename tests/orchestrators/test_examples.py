"""The compose overrides: merged with the gateways' published files, and run as they are typed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers.engine import ROOT
from tests.orchestrators.build import compose_1_29
from tests.orchestrators.engines import Engine
from tests.orchestrators.running import COUNTS, DIES, Done, run, wait_for
from tiktoken_cache_init.catalogue import VOCABULARIES

PUBLISHED = Path(__file__).with_name("published")
EXAMPLES = ROOT / "examples"

OVERRIDES = {
    "new-api": ROOT / "docker-compose.override.example.yml",
    "one-api": EXAMPLES / "one-api.override.yml",
    "one-hub": EXAMPLES / "one-hub.override.yml",
    "done-hub": EXAMPLES / "done-hub.override.yml",
    "done-hub-as-one-hub": EXAMPLES / "one-hub.override.yml",
    "veloera": EXAMPLES / "veloera.override.yml",
}
"""Shape of a published compose file -> the override for it."""

USUAL = ("docker-compose.yml", "docker-compose.override.yml")
"""What the two files are called side by side."""

each_shape = pytest.mark.parametrize("shape", OVERRIDES)

WANTED = sorted(vocabulary.cache_key for vocabulary in VOCABULARIES[:2])


class Project:
    """A folder with a published compose file and an override beside it."""

    def __init__(self, engine: Engine, folder: Path, shape: str, command: tuple[str, ...]) -> None:
        self.engine = engine
        self.folder = folder
        # The published files give the container a name, and only its service is at times another's.
        self.container = shape.removesuffix("-as-one-hub")
        self._command = command
        self.files = list(USUAL)
        shutil.copy(PUBLISHED / f"{shape}.yml", folder / USUAL[0])
        shutil.copy(OVERRIDES[shape], folder / USUAL[1])

    def change(self, *changes: tuple[str, str], published: bool = False) -> None:
        """Edit the override, or the published file, as its comments tell people to."""
        edited = self.folder / USUAL[0 if published else 1]
        text = edited.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        edited.write_text(text)

    def add(self, text: str) -> None:
        """Lay another file over the others."""
        (self.folder / "more.yml").write_text(text)
        self.files.append("more.yml")

    def compose(self, *arguments: str, check: bool = True, timeout: float = 300) -> Done:
        """Run a compose command on the files."""
        # Those with the usual names are found without being named.
        files = [] if self.files == list(USUAL) else [word for file in self.files for word in ("-f", file)]
        command = [*self._command, *files, *arguments]
        return run(*command, check=check, variables=self.engine.variables, folder=self.folder, timeout=timeout)

    def gateway_says(self) -> str:
        """Return the gateway's log."""
        return self.engine.docker("logs", self.container, check=False).stdout

    def gateway_is(self) -> str:
        """Return the state of the gateway's container."""
        return self.engine.docker(
            "inspect", "--format", "{{.State.Status}}", self.container, check=False
        ).stdout.strip()


Make = Callable[..., Project]


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Iterator[Make]:
    """Makes a project, and takes it down in the end."""
    made: list[Project] = []

    def make(shape: str, command: tuple[str, ...] = ("docker", "compose")) -> Project:
        made.append(Project(engine, tmp_path, shape, command))
        return made[-1]

    yield make
    for one in made:
        one.compose("down", "--volumes", "--timeout", "1")


@each_shape
def test_an_override_starts_the_gateway_of_the_published_file(shape: str, project: Make) -> None:
    gateway = project(shape)
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.gateway_says)
    mounts = '{{range .Mounts}}{{if eq .Destination "/cache/tiktoken"}}{{.Type}} {{.RW}}{{end}}{{end}}'
    assert gateway.engine.docker("inspect", "--format", mounts, gateway.container).stdout == "volume false\n"
    asked = ("exec", gateway.container, "wget", "-qO-", "http://localhost:3000/api/status")
    wait_for('"success":true', lambda: gateway.engine.docker(*asked, check=False).stdout)
    assert "ready: 2 files" in gateway.compose("logs", "tiktoken-init").stdout


def test_the_folder_that_the_published_file_names_is_overruled(project: Make) -> None:
    gateway = project("new-api")
    gateway.change(("# - TIKTOKEN_CACHE_DIR=./", "  - TIKTOKEN_CACHE_DIR=./"), published=True)
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.gateway_says)


def test_without_the_override_it_dies(project: Make) -> None:
    gateway = project("one-api")
    gateway.files.pop()
    gateway.compose("up", "-d")
    wait_for(DIES, gateway.gateway_says)


def use_a_folder(gateway: Project) -> None:
    gateway.change(("- tiktoken:/cache/tiktoken", "- ./tiktoken:/cache/tiktoken"), ("\n  tiktoken:\n", "\n  unused:\n"))


@pytest.mark.parametrize("shape", ["one-api", "veloera"])
def test_a_folder_does_as_well_as_a_volume(shape: str, project: Make) -> None:
    gateway = project(shape)
    use_a_folder(gateway)
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.gateway_says)
    assert sorted(path.name for path in (gateway.folder / "tiktoken").iterdir()) == WANTED


def test_a_folder_of_somebody_takes_its_owner(project: Make) -> None:
    gateway = project("one-api")
    use_a_folder(gateway)
    (gateway.folder / "tiktoken").mkdir()
    os.chown(gateway.folder / "tiktoken", 1234, 1234)
    done = gateway.compose("up", check=False)
    assert done.returncode != 0
    assert (
        'the folder belongs to 1234:1234 with mode 0755: run the init container as its owner (compose: user: "1234:1234"'
        in done.stdout
    )
    gateway.change(("  tiktoken-init:\n    image", '  tiktoken-init:\n    user: "1234:1234"\n    image'))
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.gateway_says)


def fails(gateway: Project) -> str:
    """Start it, which must fail; return the one line that says why."""
    # It ends by itself: a gateway that starts after all would run on.
    done = gateway.compose("up", check=False, timeout=100)
    assert done.returncode != 0
    assert gateway.gateway_is() == "created"
    [line] = [line for line in done.stdout.splitlines() if "tiktoken-cache-init: error:" in line]
    return line


@each_shape
def test_a_misspelled_setting_keeps_the_gateway_from_starting_and_is_shown(shape: str, project: Make) -> None:
    gateway = project(shape)
    gateway.add("services: {tiktoken-init: {environment: {TIKTOKEN_INIT_ENCODINGS: cl100k_bse}}}")
    assert "did you mean 'cl100k_base'?" in fails(gateway)


def test_a_poisoned_volume_that_cannot_be_mended_keeps_the_gateway_from_starting_and_is_shown(project: Make) -> None:
    gateway = project("one-api")
    (gateway.folder / "poisoned").mkdir(mode=0o755)
    for key in WANTED:
        (gateway.folder / "poisoned" / key).write_text("<!DOCTYPE html>\n<html><title>Sign in</title></html>\n")
    gateway.add("services: {tiktoken-init: {volumes: ['./poisoned:/cache/tiktoken:ro']}}")
    assert "read-only" in fails(gateway)


def compose_schema(*files: Path) -> Done:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return run(*command, *files, check=False)


def test_every_file_is_valid_by_the_schema_of_compose() -> None:
    done = compose_schema(*sorted({*OVERRIDES.values(), *EXAMPLES.glob("*.yml"), *PUBLISHED.glob("*.yml")}))
    assert done.returncode == 0, done.stdout


def test_the_schema_of_compose_knows_a_wrong_field(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(OVERRIDES["one-api"].read_text().replace("cap_drop:", "drop_cap:"))
    assert "'drop_cap' was unexpected" in compose_schema(wrong).stdout


@pytest.mark.parametrize("shape", ["new-api", "one-hub"])
def test_compose_1_29_runs_it_too(shape: str, project: Make) -> None:
    gateway = project(shape, compose_1_29())
    gateway.compose("up", "-d")
    wait_for(COUNTS, gateway.gateway_says)
