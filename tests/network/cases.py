"""One case: servers, a run of the command against them, what came of it, and its row in the table."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

from .commands import Ended, Host, Image, Running, Surroundings
from .server import Server

CL100K, O200K = (
    next(vocabulary for vocabulary in VOCABULARIES if vocabulary.published_name == f"{name}.tiktoken")
    for name in ("cl100k_base", "o200k_base")
)
PATH = f"/{CL100K.path}"
"""Where a mirror has cl100k_base, which most cases ask for."""
SIZE = 1_681_126
"""Bytes of cl100k_base."""

QUICK = {
    "TIKTOKEN_INIT_CONNECT_TIMEOUT": "1",
    "TIKTOKEN_INIT_STALL_TIMEOUT": "1",
    "TIKTOKEN_INIT_RETRIES": "2",
    "TIKTOKEN_INIT_DEADLINE": "20",
}
"""Settings that make a case short: what takes minutes by default takes seconds."""


@dataclass
class Outcome:
    """What a run left behind, and what it said."""

    ended: Ended
    volume: Path
    private: Mapping[str, bytes] = field(default_factory=dict)
    """Cache key -> content of vocabularies that are not in the catalogue."""

    @property
    def said(self) -> str:
        """Everything it wrote."""
        return self.ended.stdout + self.ended.stderr

    @property
    def result(self) -> Any:
        """What it wrote on standard output, which must be JSON."""
        return json.loads(self.ended.stdout)

    def has(self, vocabulary: Vocabulary) -> bool:
        """Tell whether the volume holds the vocabulary's right bytes."""
        path = self.volume / vocabulary.cache_key
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == vocabulary.sha256

    def is_clean(self) -> None:
        """Check what must hold after any run: nothing wrong, nothing half done, no traceback."""
        digests = {known.cache_key: known.sha256 for known in VOCABULARIES}
        digests |= {key: hashlib.sha256(content).hexdigest() for key, content in self.private.items()}
        for path in self.volume.iterdir():
            assert path.name in digests, f"left in the volume: {path.name}"
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[path.name], f"wrong bytes: {path.name}"
        assert "Traceback" not in self.said

    def is_ready(self, *vocabularies: Vocabulary) -> None:
        """Check that it ended well, with these in the volume; cl100k_base where none is named."""
        assert self.ended.exit_code == 0, self.said
        self.is_clean()
        for vocabulary in vocabularies or (CL100K,):
            assert self.has(vocabulary), f"{vocabulary.published_name} is not in the volume"

    def is_failure(self, *patterns: str, about: str = CL100K.published_name, exit_code: int = 4) -> None:
        """Check that it ended with ``exit_code`` and told its operator what failed, why, and what to do.

        Args:
            patterns: each must be found (whatever the case) in what was said.
            about: the file that the message must name.
            exit_code: 4, where the bytes could not be obtained.
        """
        assert self.ended.exit_code == exit_code, self.said
        self.is_clean()
        assert about in self.said
        for pattern in (*patterns, r"TIKTOKEN_INIT_MIRRORS|--mirror"):
            assert re.search(pattern, self.said, re.IGNORECASE), f"nothing like {pattern!r} in:\n{self.said}"


@dataclass
class Case:
    """What a test drives the command through."""

    command: Host | Image
    folder: Path
    servers: list[Server] = field(default_factory=list)
    """Whose bytes count for the table."""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def volume(self) -> Path:
        """The volume, empty until a run fills it."""
        path = self.folder / "volume"
        path.mkdir(exist_ok=True)
        return path

    def start(
        self,
        *mirrors: str,
        encodings: str = "cl100k_base",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        origin: str = "off",
        files: Sequence[Path] = (),
        hosts: Mapping[str, str] | None = None,
        resolver: Path | None = None,
    ) -> Running:
        """Start a fill that has nothing but these mirrors (and the origin, where that is on) to fetch from."""
        options = ["fill", "--sources", "fetch", "--encodings", encodings, "--origin", origin]
        for mirror in mirrors:
            options += ["--mirror", mirror]
        around = Surroundings(self.volume, QUICK | dict(environment or {}), files, hosts or {}, resolver)
        return self.command.start([*options, *arguments], around)

    def end(self, running: Running, private: Mapping[str, bytes] | None = None) -> Outcome:
        """Wait for a fill to end."""
        outcome = Outcome(running.wait(), self.volume, private or {})
        self.outcomes.append(outcome)
        return outcome

    def fill(self, *mirrors: str, private: Mapping[str, bytes] | None = None, **how: Any) -> Outcome:
        """Run a fill to its end; ``how`` is what ``start`` takes."""
        return self.end(self.start(*mirrors, **how), private)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

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
        """Sum up a case whose test is over."""
        last = case.outcomes[-1]
        requests = sum(len(server.requests) for server in case.servers)
        moved = sum(server.moved for server in case.servers)
        ended = last.ended
        return cls(name, case.command.name, passed, ended.exit_code, moved, requests, ended.seconds, _gist(ended))


def _gist(ended: Ended) -> str:
    """Return what was tried and why it failed; failing that, the last line."""
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    lines = [json.loads(line)["message"] if line.startswith("{") else line for line in lines]
    tried = [line.strip().removeprefix("tried ") for line in lines if line.strip().startswith("tried ")]
    return "; ".join(tried) if tried else lines[-1] if lines else ""


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table, one row a case."""
    widest = max(len(row.name) for row in rows)
    head = (
        f"{'case':{widest}}  {'by':5}  {'':4}  {'exit':>4}  {'bytes moved':>11}  {'requests':>8}  {'seconds':>7}  said"
    )
    return [
        head,
        *(
            f"{row.name:{widest}}  {row.by:5}  {'ok' if row.passed else 'FAIL':4}  {row.exit_code:4}  {row.moved:11,}  "
            f"{row.requests:8}  {row.seconds:7.2f}  {row.said[:160]}"
            for row in rows
        ),
    ]
