"""The program, the gateway and Compose print the messages that readers look up in docs/troubleshooting.md."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.consumers.running import offline
from tests.containers import engine
from tests.docs.markdown import messages, quotes, read
from tests.drivers import Host
from tests.machine import ROOT


def check(message: str, printed: str) -> None:
    """Check that a text contains a message, and that the page has it."""
    assert quotes(message, printed), printed
    assert message in messages()


@pytest.mark.parametrize(
    ("message", "variable", "value"),
    [
        ("could not obtain ...", "TIKTOKEN_INIT_SOURCES", "fetch"),
        ("no such setting exists: write ...", "TIKTOKEN_INIT_MIRROR", "/mirror"),
        ("the path is relative, ...", "TIKTOKEN_CACHE_DIR", "data/cache"),
        ("a stray space or quote is part of the path ...", "TIKTOKEN_CACHE_DIR", " /cache/tiktoken"),
        ("... is a path of Windows: in Git Bash, ...", "TIKTOKEN_CACHE_DIR", "C:/Program Files/Git/cache/tiktoken"),
        ("unknown encoding ...", "TIKTOKEN_INIT_ENCODINGS", "cl10k"),
        ("... is a model, not an encoding: write ...", "TIKTOKEN_INIT_ENCODINGS", "gpt-4o"),
        (
            "warning: a gateway (New-API, one-api) also loads ... when it starts: ...",
            "TIKTOKEN_INIT_ENCODINGS",
            "cl100k_base",
        ),
    ],
)
def test_the_init_container(message: str, variable: str, value: str, program: Host, volume: Path) -> None:
    variables = {"TIKTOKEN_CACHE_DIR": str(volume), variable: value}
    check(message, program.run("fill", "--origin", "off", environment=variables).stderr)


def test_the_init_container_on_volumes_that_it_cannot_fill(image: str, volume: Path) -> None:
    mount = f"{volume}:/cache/tiktoken"
    for message, mounts, options in (
        ("cannot write in ...: Permission denied: ...", [mount], ("--user", "1234")),
        ("nothing is mounted at ...", [], ()),
        ("... is mounted read-only and is not ready: ...", [f"{mount}:ro"], ()),
    ):
        check(message, engine.run(image, mounts, options=[*engine.LOCKED_DOWN, *options]).stderr)


def test_a_gateway_without_files_prints_the_error_of_the_front_page(gateway_program: Path, tmp_path: Path) -> None:
    printed = offline([str(gateway_program), "--check"], {"TIKTOKEN_CACHE_DIR": str(tmp_path)}).stderr
    check(
        'failed to get gpt-3.5-turbo token encoder: Get "https://openaipublic.blob.core.windows.net/...": ...', printed
    )
    [fence] = [fence for section in read("README.md") for fence in section.fences if fence.language == "text"]
    assert quotes(fence.text, printed), printed


OVERRIDE = (ROOT / "docker-compose.override.example.yml").read_text(encoding="utf-8")
THEIRS = "services: {new-api: {image: busybox, pull_policy: never, command: [echo, started]}}\n"
INIT = "services: {tiktoken-init: {image: IMAGE, volumes: ['tiktoken:/cache/tiktoken']}}\n"


@pytest.mark.parametrize(
    ("message", "theirs", "override", "last"),
    [
        (
            'service "new-api" has neither an image nor a build context specified',
            THEIRS.replace("new-api", "gateway"),
            OVERRIDE,
            INIT,
        ),
        ('service "..." refers to undefined volume tiktoken', THEIRS, OVERRIDE.partition("\nvolumes:")[0], INIT),
        (
            "service tiktoken-init declares mutually exclusive ...",
            THEIRS,
            OVERRIDE,
            INIT.replace("{i", "{networks: [x], i"),
        ),
        ("... is missing dependency tiktoken-init", THEIRS, OVERRIDE, INIT),
        ("No such image: tiktoken-cache-init:latest", THEIRS, OVERRIDE, INIT.replace("IMAGE", "absent-image")),
    ],
)
def test_compose(message: str, theirs: str, override: str, last: str, image: str, tmp_path: Path) -> None:
    compose = ["compose", "--project-name", f"tiktoken-page-{uuid.uuid4().hex[:12]}"]
    for name, text in {"1": theirs, "2": override, "3": last.replace("IMAGE", image)}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        compose += ["-f", str(tmp_path / name)]
    done = engine.docker(*compose, "up", check=False)
    if "dependency" in message:
        # As after `docker container prune`.
        engine.docker(*compose, "rm", "--force", "tiktoken-init")
        done = engine.docker(*compose, "start", check=False)
    engine.docker(*compose, "down", "--volumes", check=False)
    check(message, done.stderr.replace("absent-image", "tiktoken-cache-init"))
