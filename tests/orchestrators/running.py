"""Run commands, wait for their effects, and read the commands that the docs tell people to type."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import pytest

from tests.consumers.known import RIGHT
from tests.containers.engine import ROOT

Done = subprocess.CompletedProcess[str]

COUNTS = f'"counts":{json.dumps(RIGHT, separators=(",", ":"))}'
"""What the gateway stand-in prints when it has loaded the right vocabularies."""

DIES = "failed to get gpt-3.5-turbo token encoder"
"""What it dies with when it has none."""


def run(
    *command: str | Path,
    check: bool = True,
    variables: Mapping[str, str] | None = None,
    directory: Path | None = None,
    given: str | None = None,
    timeout: float = 300,
) -> Done:
    """Run a command with its stderr in its stdout; if it fails and must not, show the output."""
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        input=given,
        stdin=None if given is not None else subprocess.DEVNULL,
        cwd=directory,
        env=os.environ | (variables or {}),
        timeout=timeout,
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}", pytrace=False)
    return done


def files_in(archive: IO[bytes]) -> dict[str, tuple[tarfile.TarInfo, str]]:
    """Return what a tar holds besides directories and empty files: name -> entry and SHA-256."""
    held = {}
    with tarfile.open(fileobj=archive, mode="r|") as tar:
        for entry in tar:
            if not entry.isdir() and entry.size:
                content = tar.extractfile(entry)
                assert content, entry.name
                held[entry.name] = entry, hashlib.sha256(content.read()).hexdigest()
    return held


def wait_for(text: str, look: Callable[[], str], seconds: float = 60) -> str:
    """Look again and again until the text is there; return what was seen."""
    end = time.monotonic() + seconds
    while text not in (seen := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s for {text!r} and saw:\n{seen}", pytrace=False)
        time.sleep(0.1)
    return seen


def documented(document: str, heading: str) -> str:
    """Return the shell commands that a document has under a heading."""
    section = (ROOT / "docs" / document).read_text().partition(f"\n{heading}\n")[2]
    section = re.split(r"\n#+ ", section)[0]
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert blocks, f"{document} has no commands under {heading!r}"
    return "".join(blocks)


def lacking(reason: str) -> None:
    """Skip the test because something is not installed; with REQUIRE_DOCKER=1, fail it."""
    if os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(f"{reason} (set REQUIRE_DOCKER=1 to make that a failure)")
