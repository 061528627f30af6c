"""Fixtures, and the table at the end of a run that had the doctor in it: what it said and what became of the gateways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import engine
from tests.docs.mistakes import Clinic, opened
from tests.docs.shell import Shell


@pytest.fixture
def clinic(vocabularies: Path, gateway_program: Path) -> Iterator[Clinic]:
    """A place that every user can reach, with an empty volume."""
    with opened(vocabularies, gateway_program) as clinic:
        yield clinic


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a scratch clone."""
    shell = Shell(tmp_path)
    yield shell
    shell.clean()


@pytest.fixture
def with_engine(shell: Shell, gateway_image: str) -> Shell:
    """The same, with a container engine."""
    shell.use_docker(gateway_image)
    return shell


@pytest.fixture
def with_image(with_engine: Shell, image: str) -> Shell:
    """The same, where the image has been built."""
    engine.docker("tag", image, with_engine.image)
    return with_engine


@pytest.fixture
def with_volume(with_image: Shell) -> Shell:
    """The same, where the volume has been filled."""
    done = engine.run(with_image.image, [f"{with_image.volume}:/cache/tiktoken"])
    assert done.returncode == 0, done.stderr
    return with_image


_HEAD = ["mistake", "by", "verify: exit code, and what it foretells", "what the gateway did", "cure that helped"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    rows = [value for report in passed for name, value in report.user_properties if name == "doctor"]
    if not rows:
        return
    terminalreporter.section("the doctor, the gateway, and the cure")
    cells = [_HEAD, *([_brief(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    for row in cells:
        terminalreporter.write_line("  ".join(map(str.ljust, row, widths)).rstrip())


def _brief(cell: str) -> str:
    """Return a cell without what only makes it long: time stamps, folders and the text of network errors."""
    cell = re.sub(r"\[FATAL\] \S+ - \S+ \| \[(.*)\] *$", r"\1", cell)
    cell = re.sub(r"(?<=Get )\"https://\S*/(\S+)\": .*", r'".../\1": ...', cell)
    return re.sub(r"/tmp/\S*/", ".../", cell).replace("failed to get ", "").replace(" token encoder", "")
