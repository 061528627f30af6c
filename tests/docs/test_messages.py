"""The program prints the messages that readers look up in docs/troubleshooting.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN, docker
from tests.docs.markdown import messages, quotes
from tests.samples import command


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
def test_the_command(message: str, variable: str, value: str, volume: Path) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(volume), "TIKTOKEN_INIT_ORIGIN": "off", variable: value}
    printed = command("fill", environment=environment).stderr
    assert quotes(message, printed), printed
    assert message in messages()


def test_the_init_container_on_volumes_that_it_cannot_fill(image: str, volume: Path) -> None:
    mount = f"--volume={volume}:/cache/tiktoken"
    for message, options in (
        ("cannot write in ...: Permission denied: ...", (mount, "--user=1234")),
        ("nothing is mounted at ...", ()),
        ("... is mounted read-only and is not ready: ...", (f"{mount}:ro",)),
    ):
        printed = docker("run", "--rm", *LOCKED_DOWN, *options, image, check=False).stderr
        assert quotes(message, printed), printed
        assert message in messages()
