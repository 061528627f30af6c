"""Runs of a consumer without a network interface."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.consumers.texts import TEXTS
from tests.machine import NO_NETWORK, needs

Tokens = dict[str, dict[str, list[int] | int]]


class Outcome(NamedTuple):
    """Result of a run: token ids (or their number) by name and label, or None if it failed; and its messages."""

    tokens: Tokens | None
    messages: str


def offline(
    command: list[str], variables: dict[str, str], standard_input: str = "", read_only: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without a network interface, and with no variables except ``PATH``, ``HOME`` and those given.

    The directory ``read_only`` is mounted read-only for it.
    """
    needs("namespace")
    if read_only:
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        command = ["--mount", "sh", "-c", mount, str(read_only), *command]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        [*NO_NETWORK, *command],
        check=False,
        input=standard_input,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def tokenize(
    command: list[str], variables: dict[str, str], names: tuple[str, ...], read_only: Path | None = None
) -> Outcome:
    """Run a program on the texts, with the named encodings."""
    done = offline(command, variables, json.dumps({"names": names, "texts": TEXTS}), read_only)
    return Outcome(json.loads(done.stdout) if done.returncode == 0 else None, done.stderr)
