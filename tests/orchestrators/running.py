"""Helpers that run commands, wait for their effects, and read the commands in the documentation."""

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
"""Output of the gateway stand-in with the right vocabularies."""

DIES = "failed to get gpt-3.5-turbo token encoder"
"""Error of the gateway stand-in without vocabularies."""


def run(
    *command: str | Path,
    check: bool = True,
    variables: Mapping[str, str] | None = None,
    directory: Path | None = None,
    given: str | None = None,
    timeout: float = 300,
) -> Done:
    """Run a command with stderr in stdout. If it fails and ``check`` is set, fail the test with the output."""
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
    """Return the files of a tar that are not empty: name -> entry and SHA-256."""
    held = {}
    with tarfile.open(fileobj=archive, mode="r|") as tar:
        for entry in tar:
            if not entry.isdir() and entry.size:
                content = tar.extractfile(entry)
                assert content, entry.name
                held[entry.name] = entry, hashlib.sha256(content.read()).hexdigest()
    return held


def wait_for(text: str, look: Callable[[], str], seconds: float = 60) -> str:
    """Call ``look`` until its result contains the text, and return that result."""
    end = time.monotonic() + seconds
    while text not in (seen := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s for {text!r} and saw:\n{seen}", pytrace=False)
        time.sleep(0.1)
    return seen


def documented(document: str, heading: str) -> str:
    """Return the shell commands under a heading of a document."""
    section = (ROOT / "docs" / document).read_text().partition(f"\n{heading}\n")[2]
    section = re.split(r"\n#+ ", section)[0]
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert blocks, f"{document} has no commands under {heading!r}"
    return "".join(blocks)
