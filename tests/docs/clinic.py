"""Runs the doctor, the cures that it names, and the gateway stand-in, all with no network interface."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.consumers.known import RIGHT
from tests.consumers.running import ROOT, offline
from tests.containers.engine import docker

MOUNT_POINT = "/cache/tiktoken"
"""Where a container of `tool_of` has the folder that is looked after, as the front page mounts it."""

User = tuple[int, int]


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def tool(
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user: User | None = None,
    read_only: Path | None = None,
) -> Said:
    """Run the command line in a process of its own: in a folder, as a user (user id, group id), with a folder mounted read-only."""
    command = [sys.executable, str(ROOT / "entrypoint.py"), *arguments]
    done = offline([*_as(user), *_in(folder), *command], dict(variables or {}), read_only=read_only)
    return Said(done.returncode, done.stdout, done.stderr)


class Tool(Protocol):
    """`tool`, or the same through the image."""

    def __call__(
        self,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: User | None = None,
    ) -> Said: ...


def tool_of(image: str, volume: Path, places: Sequence[Path]) -> Tool:
    """Return the image's command, in a container with the volume and with these folders under the same paths."""
    mounts = ["--volume", f"{volume}:{MOUNT_POINT}"]
    mounts += [word for place in places for word in ("--volume", f"{place}:{place}")]

    def run(
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: User | None = None,
    ) -> Said:
        given = [word for name, value in (variables or {}).items() for word in ("--env", f"{name}={value}")]
        given += ["--workdir", str(folder)] if folder else []
        given += ["--user", "{}:{}".format(*user)] if user else []
        # Not more than the front page takes from it: the doctor must read what only root can.
        done = docker("run", "--rm", "--network", "none", *mounts, *given, image, *arguments, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


class Fate(NamedTuple):
    """What became of a gateway."""

    counts: dict[str, int] | None
    """Tokens counted for each model, or None where it died."""
    last_words: str

    @property
    def outcome(self) -> str:
        """The word that `verify --json` has for it."""
        if self.counts is None:
            return "dies"
        return "counts-right" if self.counts == RIGHT else "counts-wrong"


def gateway(program: Path, cache_dir: str, folder: Path | None = None, user: User | None = None) -> Fate:
    """Start the gateway stand-in with ``TIKTOKEN_CACHE_DIR`` as given, in a working folder, as a user."""
    done = offline([*_as(user), *_in(folder), str(program), "--check"], {"TIKTOKEN_CACHE_DIR": cache_dir})
    if done.returncode == 0:
        return Fate(json.loads(done.stdout.splitlines()[-1])["counts"], "")
    return Fate(None, done.stderr.strip())


def foretold(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a result of `verify --json` says the gateway will do, and the message that it gives for its death."""
    # It loads them one by one, so the first that kills it is the one whose message is seen.
    deadly = [file for file in document["files"] if file["gateway"] == "dies"]
    if deadly:
        return "dies", deadly[0]["gateway_detail"].partition("dies: ")[2]
    wrong = any(file["gateway"] == "counts-wrong" for file in document["files"])
    return ("counts-wrong" if wrong else "counts-right"), ""


def quotes(message: str, text: str) -> bool:
    """Say whether a text holds a message in which ``...`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in message.split("..."))
    return re.search(pattern, text) is not None


def _as(user: User | None) -> Sequence[str]:
    return ["setpriv", "--reuid", str(user[0]), "--regid", str(user[1]), "--clear-groups"] if user else []


def _in(folder: Path | None) -> Sequence[str]:
    return ["env", "--chdir", str(folder)] if folder else []
