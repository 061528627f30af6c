"""Helpers that run the program on a directory, without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.drivers import TWO, install
from tests.machine import NO_NETWORK, ROOT, needs

Variables = Mapping[str, str]


class Said(NamedTuple):
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Place:
    """Directory with a volume, the program with baked vocabularies."""

    def __init__(self, directory: Path, vocabularies: Path) -> None:
        self.directory = directory
        self.volume = directory / "volume"
        self.volume.mkdir(mode=0o755)
        baked = shutil.copytree(vocabularies, directory / "vocabularies")
        self._program = install(directory / "program", baked)

    def tool(self, *arguments: str, variables: Variables | None = None) -> Said:
        """Run the program on the volume. Its only source is the baked vocabularies."""
        given = {"TIKTOKEN_CACHE_DIR": str(self.volume), "TIKTOKEN_INIT_SOURCES": "baked"}
        return tool(*arguments, variables={**TWO, **given, **(variables or {})}, program=self._program)


def tool(*arguments: str, variables: Variables | None = None, program: Path = ROOT / "entrypoint.py") -> Said:
    """Run the program as a separate process."""
    needs("namespace")
    environment = {"PATH": os.environ["PATH"], **(variables or {})}
    command = [*NO_NETWORK, sys.executable, str(program), *arguments]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    return Said(done.returncode, done.stdout, done.stderr)


def quotes(message: str, text: str) -> bool:
    """Return whether a text contains a message, in which ``...`` stands for anything on one line."""
    return re.search(".*".join(re.escape(part) for part in message.split("...")), text) is not None
