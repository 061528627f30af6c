"""What a run of the benchmarks found, as it is kept in ``results.json``, and the machine that it came from."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"


@dataclass
class Measured:
    """One command, all its runs."""

    title: str
    seconds: list[float] = field(default_factory=list)
    """Wall-clock."""
    cpu_seconds: list[float] = field(default_factory=list)
    """Of the process; of the client alone where the command is ``docker run``."""
    peak_bytes: list[int] = field(default_factory=list)
    """Largest resident set of the process; empty for ``docker run``, whose client says nothing about the container."""

    @property
    def time(self) -> float:
        """Median wall-clock seconds."""
        return statistics.median(self.seconds)

    @property
    def memory(self) -> float:
        """Median peak in bytes."""
        return statistics.median(self.peak_bytes)

    @property
    def middle_half(self) -> tuple[float, float]:
        """Between which seconds the middle half of the runs lies."""
        if len(self.seconds) < 2:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


@dataclass
class Moved:
    """Bytes that a fetch moved through a server that misbehaves."""

    title: str
    payload: int
    """Bytes of the files that were wanted."""
    moved: int
    """Bytes of bodies that the server sent."""
    requests: int


@dataclass
class Crowd:
    """Containers that filled one volume at the same time."""

    containers: int
    seconds: float
    """Until the last of them had ended."""


@dataclass
class Size:
    """An image."""

    title: str
    compressed: int
    """Bytes in a registry."""
    on_disk: int
    """Bytes."""


@dataclass
class Results:
    """All of it."""

    date: str
    commit: str
    machine: dict[str, str]
    rounds: int
    sizes: dict[str, Size] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    moved: list[Moved] = field(default_factory=list)
    crowds: list[Crowd] = field(default_factory=list)

    @classmethod
    def new(cls, commit: str, rounds: int) -> Self:
        """Begin, here and today, with images that were built from a commit."""
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        return cls(today, commit, machine(), rounds)

    @classmethod
    def load(cls, path: Path = RESULTS) -> Self:
        """Read what an earlier run saved."""
        return cls.of(json.loads(path.read_text()))

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Return what the JSON document says."""
        return cls(
            document["date"],
            document["commit"],
            document["machine"],
            document["rounds"],
            {key: Size(**each) for key, each in document["sizes"].items()},
            {key: Measured(**each) for key, each in document["measured"].items()},
            [Moved(**each) for each in document["moved"]],
            [Crowd(**each) for each in document["crowds"]],
        )

    def text(self) -> str:
        """Return the JSON document, one measurement a line."""
        parts = []
        for key, value in asdict(self).items():
            if isinstance(value, dict):
                rows = [f"    {json.dumps(name)}: {json.dumps(each)}" for name, each in value.items()]
                shown = "{\n" + ",\n".join(rows) + "\n  }"
            elif isinstance(value, list):
                shown = "[\n" + ",\n".join(f"    {json.dumps(each)}" for each in value) + "\n  ]"
            else:
                shown = json.dumps(value)
            parts.append(f"  {json.dumps(key)}: {shown}")
        return "{\n" + ",\n".join(parts) + "\n}\n"


def machine() -> dict[str, str]:
    """Describe where this runs; nothing in it names the machine."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    form = "{{.ServerVersion}}, {{.Driver}}, {{.DefaultRuntime}}"
    return {
        "processor": f"{os.cpu_count()} cores, {model}",
        "kernel": f"{platform.system()} {platform.release()}",
        "engine": f"Docker {_said('docker', 'info', '--format', form)}",
    }


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
