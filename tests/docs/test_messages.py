"""The program and Compose print the messages that readers look up in docs/troubleshooting.md."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.consumers.running import offline
from tests.containers import engine
from tests.docs.markdown import read, spans
from tests.docs.running import Place, quotes
from tests.machine import ROOT

ROWS = [row for section in read("docs/troubleshooting.md") for table in section.tables for row in table[1:]]
QUOTED = {span for row in ROWS for span in spans(row[0])}


def check(message: str, printed: str) -> None:
    """Check that a text contains a message, and that the page has it."""
    assert quotes(message, printed), printed
    assert message in QUOTED


@pytest.mark.parametrize(
    ("message", "variables"),
    {
        "could not obtain ...": {"TIKTOKEN_INIT_SOURCES": "fetch", "TIKTOKEN_INIT_ORIGIN": "off"},
        "no such setting exists: write ...": {"TIKTOKEN_INIT_MIRROR": "/mirror"},
        "the path is relative, ...": {"TIKTOKEN_CACHE_DIR": "data/cache"},
        "a stray space or quote is part of the path ...": {"TIKTOKEN_CACHE_DIR": " /cache/tiktoken"},
        "... is a path of Windows: in Git Bash, ...": {"TIKTOKEN_CACHE_DIR": "C:/Program Files/Git/cache/tiktoken"},
        "unknown encoding ...": {"TIKTOKEN_INIT_ENCODINGS": "cl10k"},
        "... is a model, not an encoding: write ...": {"TIKTOKEN_INIT_ENCODINGS": "gpt-4o"},
        "warning: a gateway (New-API, one-api) also loads ... when it starts: ...": {
            "TIKTOKEN_INIT_ENCODINGS": "cl100k_base"
        },
    }.items(),
)
def test_the_init_container(message: str, variables: Mapping[str, str], place: Place) -> None:
    check(message, place.tool("fill", variables=variables).err)


def test_the_init_container_on_volumes_that_it_cannot_fill(image: str, place: Place) -> None:
    volume = f"{place.volume}:/cache/tiktoken"
    for message, mounts, options in (
        ("cannot write in ...: Permission denied: ...", [volume], ("--user", "1234")),
        ("nothing is mounted at ...", [], ()),
        ("... is mounted read-only and is not ready: ...", [f"{volume}:ro"], ()),
    ):
        check(message, engine.run(image, mounts, options=[*engine.LOCKED_DOWN, *options]).stderr)


def test_a_gateway_without_files_prints_the_error_of_the_front_page(gateway_program: Path, tmp_path: Path) -> None:
    printed = offline([str(gateway_program), "--check"], {"TIKTOKEN_CACHE_DIR": str(tmp_path)}).stderr
    check('failed to get gpt-3.5-turbo token encoder: Get "https://...": ...', printed)
    [fence] = [fence for section in read("README.md") for fence in section.fences if fence.language == "text"]
    assert quotes(fence.text, printed), printed


THEIRS = "services: {new-api: {image: busybox, pull_policy: never, command: [echo, started]}}\n"
INIT = "services: {tiktoken-init: {image: IMAGE, volumes: ['tiktoken:/cache/tiktoken']}}\n"


@pytest.mark.parametrize(
    ("message", "theirs", "ours", "last"),
    [
        (
            'service "new-api" has neither an image nor a build context specified',
            THEIRS.replace("new-api", "gateway"),
            "",
            INIT,
        ),
        ('service "..." refers to undefined volume tiktoken', THEIRS, "\nvolumes:", INIT),
        ("service tiktoken-init declares mutually exclusive ...", THEIRS, "", INIT.replace("{i", "{networks: [x], i")),
        ("... is missing dependency tiktoken-init", THEIRS, "", INIT),
        ("No such image: tiktoken-cache-init:latest", THEIRS, "", INIT.replace("IMAGE", "absent-image")),
    ],
)
def test_compose(message: str, theirs: str, ours: str, last: str, image: str, place: Place) -> None:
    """``ours`` is the text at which the copy of the override is cut off."""
    override = (ROOT / "docker-compose.override.example.yml").read_text(encoding="utf-8")
    texts = {"1": theirs, "2": override.partition(ours)[0] if ours else override, "3": last.replace("IMAGE", image)}
    compose = ["compose", "--project-name", f"tiktoken-page-{uuid.uuid4().hex[:12]}"]
    for name, text in texts.items():
        (place.directory / name).write_text(text, encoding="utf-8")
        compose += ["-f", str(place.directory / name)]
    done = engine.docker(*compose, "up", check=False)
    if "dependency" in message:
        # As after `docker container prune`.
        engine.docker(*compose, "rm", "--force", "tiktoken-init")
        done = engine.docker(*compose, "start", check=False)
    engine.docker(*compose, "down", "--volumes", check=False)
    check(message, done.stderr.replace("absent-image", "tiktoken-cache-init"))
