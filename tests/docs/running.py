"""Helpers that run the program and the gateway stand-in on a directory, without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.drivers import TWO, install, interpreter
from tests.machine import NO_NETWORK, ROOT, needs
from tests.vocabularies import DEFAULT
from tiktoken_cache_init.catalogue import VOCABULARIES

RIGHT = {"gpt-3.5-turbo": 20, "gpt-4": 20, "gpt-4o": 16}
"""Tokens that the gateway stand-in counts for each model if both files are right."""

_AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []


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
    """Directory that every user can reach. It holds a volume, the vocabularies and the gateway stand-in."""

    def __init__(self, directory: Path, vocabularies: Path, program: Path) -> None:
        directory.chmod(0o755)
        self.directory = directory
        self.volume = directory / "volume"
        self.volume.mkdir(mode=0o755)
        self.vocabularies = directory / "vocabularies"
        self.vocabularies.mkdir(mode=0o755)
        for vocabulary in VOCABULARIES:
            shutil.copy(vocabularies / vocabulary.cache_key, self.vocabularies)
        self._program = install(directory / "program", self.vocabularies)
        self._gateway = shutil.copy(program, directory / "gateway")

    def put(self, change: Callable[[bytes], bytes] = bytes) -> None:
        """Write both files of a gateway, each changed."""
        for vocabulary in DEFAULT:
            content = (self.vocabularies / vocabulary.cache_key).read_bytes()
            (self.volume / vocabulary.cache_key).write_bytes(change(content))

    def tool(self, *arguments: str, variables: Variables | None = None, nobody: bool = False) -> Said:
        """Run the program on the volume. Its only source is the baked vocabularies."""
        given = {
            "TIKTOKEN_CACHE_DIR": str(self.volume),
            "TIKTOKEN_INIT_SOURCES": "baked",
        }
        return tool(*arguments, variables={**TWO, **given, **(variables or {})}, nobody=nobody, program=self._program)

    def gateway(self, *, variables: Variables | None = None, nobody: bool = False) -> Said:
        """Start the gateway stand-in, on the volume if no variables are given. It prints its counts and ends."""
        given = variables or {"TIKTOKEN_CACHE_DIR": str(self.volume)}
        return _run([*(_AS_NOBODY if nobody else []), str(self._gateway), "--check"], given)

    def counts(self) -> Mapping[str, int] | None:
        """Return the tokens that the gateway counts for each model, or None if it does not start."""
        said = self.gateway()
        counts: Mapping[str, int] | None = json.loads(said.out.splitlines()[-1])["counts"] if said.code == 0 else None
        return counts


def tool(
    *arguments: str,
    variables: Variables | None = None,
    nobody: bool = False,
    online: bool = False,
    program: Path = ROOT / "entrypoint.py",
) -> Said:
    """Run the program as a separate process, optionally as the user nobody or with this machine's network."""
    command = [*(_AS_NOBODY if nobody else []), interpreter(nobody), str(program), *arguments]
    return _run(command, variables or {}, online=online)


def quotes(message: str, text: str) -> bool:
    """Return whether a text contains a message, in which ``...`` stands for anything on one line."""
    return re.search(".*".join(re.escape(part) for part in message.split("...")), text) is not None


def _run(command: list[str], variables: Variables, *, online: bool = False) -> Said:
    if not online:
        needs("namespace")
    environment = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run(
        command if online else [*NO_NETWORK, *command],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Said(done.returncode, done.stdout, done.stderr)
