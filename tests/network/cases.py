"""Network cases: servers, a run of the command against them, its outcome, and its row in the table."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.drivers import Container, Driver, Host, Running
from tests.machine import needs
from tests.samples import Ended
from tests.server import Server
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

PATH = f"/{CL100K.path}"
"""Path of cl100k_base at a mirror. Most cases fetch this file."""
SIZE = 1_681_126
"""Size of cl100k_base in bytes."""

QUICK = {"TIKTOKEN_INIT_TIMEOUT": "1", "TIKTOKEN_INIT_DEADLINE": "6"}
"""Settings that make a case short. A server that always fails is given up after about four seconds."""
if "PLATFORM" in os.environ:
    # An emulated processor needs seconds to start.
    QUICK |= {"TIKTOKEN_INIT_TIMEOUT": "5", "TIKTOKEN_INIT_DEADLINE": "60"}


@dataclass
class Outcome:
    """Result of a run: its output and the volume."""

    ended: Ended
    volume: Path
    private: Mapping[str, bytes] = field(default_factory=dict)
    """Cache key -> content of vocabularies that are not in the catalogue."""

    @property
    def said(self) -> str:
        """Output on both streams."""
        return self.ended.said

    @property
    def result(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.ended.stdout)

    def has(self, vocabulary: Vocabulary) -> bool:
        """Return whether the volume holds the right bytes of a vocabulary."""
        path = self.volume / vocabulary.cache_key
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == vocabulary.sha256

    def is_clean(self) -> None:
        """Check the rules for every run: the volume holds only right files, and there is no traceback."""
        digests = {known.cache_key: known.sha256 for known in VOCABULARIES}
        digests |= {key: hashlib.sha256(content).hexdigest() for key, content in self.private.items()}
        for path in self.volume.iterdir():
            assert path.name in digests, f"left in the volume: {path.name}"
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[path.name], f"wrong bytes: {path.name}"
        assert "Traceback" not in self.said

    def is_ready(self, *vocabularies: Vocabulary) -> None:
        """Check that the run succeeded and that these vocabularies are in the volume. The default is cl100k_base."""
        assert self.ended.code == 0, self.said
        self.is_clean()
        for vocabulary in vocabularies or (CL100K,):
            assert self.has(vocabulary), f"{vocabulary.published_name} is not in the volume"

    def is_failure(self, *patterns: str, about: str = CL100K.published_name, exit_code: int = 4) -> None:
        """Check that the run ended with ``exit_code``, and that its output names the file, the reason and the remedy.

        Args:
            patterns: each must match a part of the output, in upper or lower case.
            about: the file that the message must name.
            exit_code: 4 means that the bytes could not be obtained.
        """
        assert self.ended.code == exit_code, self.said
        self.is_clean()
        assert about in self.said
        for pattern in (*patterns, r"TIKTOKEN_INIT_MIRRORS|--mirror"):
            assert re.search(pattern, self.said, re.IGNORECASE), f"no match for {pattern!r} in:\n{self.said}"


@dataclass
class Case:
    """Driver, directory and servers of one case."""

    driver: Driver
    directory: Path
    servers: list[Server] = field(default_factory=list)
    """Servers whose requests and bytes are counted in the table."""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def volume(self) -> Path:
        """Directory to fill. It is empty at first."""
        path = self.directory / "volume"
        path.mkdir(exist_ok=True)
        return path

    def start(
        self,
        *mirrors: str,
        encodings: str = "cl100k_base",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        origin: str = "off",
        **how: Any,
    ) -> Running:
        """Start a fill that fetches only from these mirrors, and from the origin if it is on."""
        options = ["fill", "--sources", "fetch", "--encodings", encodings, "--origin", origin]
        for mirror in mirrors:
            options += ["--mirror", mirror]
        own = {"TIKTOKEN_CACHE_DIR": str(self.volume), **QUICK, **(environment or {})}
        return self.driver.start(*options, *arguments, environment=own, **how)

    def end(self, running: Running, private: Mapping[str, bytes] | None = None) -> Outcome:
        """Wait for a fill to end."""
        outcome = Outcome(running.wait(), self.volume, private or {})
        self.outcomes.append(outcome)
        return outcome

    def fill(self, *mirrors: str, private: Mapping[str, bytes] | None = None, **how: Any) -> Outcome:
        """Run a fill to its end. The other arguments are those of `start`."""
        return self.end(self.start(*mirrors, **how), private)

    def without_threads(self) -> Case:
        """Return the same case without the system call that starts threads, as in Docker before 20.10.10."""
        if isinstance(self.driver, Container):
            rule = {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
            profile = self.directory / "seccomp.json"
            profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
            options = (*self.driver.options, "--security-opt", f"seccomp={profile}")
            return replace(self, driver=replace(self.driver, options=options))
        needs("strace")
        return replace(self, driver=Host(("strace", "-f", "-o", "/dev/null", "-e", "inject=clone3:error=EPERM")))

    def with_open_files(self, number: int) -> Case:
        """Return the same case with a limit for the number of open files."""
        if isinstance(self.driver, Container):
            options = (*self.driver.options, "--ulimit", f"nofile={number}")
            return replace(self, driver=replace(self.driver, options=options))
        return replace(self, driver=Host(("sh", "-c", f'ulimit -n {number}; exec "$@"', "sh")))

    def stop(self, running: Running) -> None:
        """Send SIGTERM, and check that the fill ends within a second and leaves no file."""
        running.signal(signal.SIGTERM)
        outcome = self.end(running)
        assert outcome.ended.code == 128 + signal.SIGTERM, outcome.said
        assert outcome.ended.seconds < 1
        assert list(self.volume.iterdir()) == []
        assert "Traceback" not in outcome.said


@dataclass(frozen=True)
class Row:
    """Row of the table."""

    name: str
    by: str
    passed: bool
    exit_code: int
    moved: int
    requests: int
    seconds: float
    said: str

    @classmethod
    def of(cls, name: str, case: Case, passed: bool) -> Row:
        """Summarise a case after its test."""
        last = case.outcomes[-1]
        requests = sum(len(server.requests) for server in case.servers)
        moved = sum(server.moved for server in case.servers)
        ended = last.ended
        return cls(name, case.driver.name, passed, ended.code, moved, requests, ended.seconds, _gist(ended))


def _gist(ended: Ended) -> str:
    """Return the sources that were tried with their failures, or the last line if there are none."""
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    lines = [json.loads(line)["message"] if line.startswith("{") else line for line in lines]
    tried = [line.strip().removeprefix("tried ") for line in lines if line.strip().startswith("tried ")]
    return "; ".join(tried) if tried else lines[-1] if lines else ""


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table, with one row for each case."""
    widest = max(len(row.name) for row in rows)
    head = (
        f"{'case':{widest}}  {'by':5}  {'':4}  {'exit':>4}  {'bytes moved':>11}  {'requests':>8}  {'seconds':>7}  text"
    )
    return [
        head,
        *(
            f"{row.name:{widest}}  {row.by:5}  {'ok' if row.passed else 'FAIL':4}  {row.exit_code:4}  {row.moved:11,}  "
            f"{row.requests:8}  {row.seconds:7.2f}  {row.said[:160]}"
            for row in rows
        ),
    ]
