"""Helpers that run commands and wait for their effects."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.consumers.known import RIGHT

Done = subprocess.CompletedProcess[str]

COUNTS = f'"counts":{json.dumps(RIGHT, separators=(",", ":"))}'
"""Output of the gateway stand-in with the right vocabularies."""


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
        input=given or "",
        cwd=directory,
        env=os.environ | (variables or {}),
        timeout=timeout,
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}", pytrace=False)
    return done


def wait_for(text: str, look: Callable[[], str], seconds: float = 60) -> str:
    """Call ``look`` until its result contains the text, and return that result."""
    end = time.monotonic() + seconds
    while text not in (seen := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s for {text!r} and saw:\n{seen}", pytrace=False)
        time.sleep(0.1)
    return seen
