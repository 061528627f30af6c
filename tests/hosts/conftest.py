"""The table that a test run prints: each host, what was printed there, the advice that was followed, and the run after it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.drivers import Ended

ROWS = pytest.StashKey[list["Row"]]()


class Row(NamedTuple):
    """One host."""

    host: str
    made: str
    """How it is made here."""
    printed: str
    """The last line of the first run."""
    followed: str
    """What was done, as the line says; empty if the first run ended 0."""
    after: str
    """The last line of the run after it."""


class Hosts:
    """Collects the rows."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def works(self, host: str, made: str, ended: Ended) -> None:
        """Check that a run ends 0 with nothing to follow."""
        assert ended.code == 0, ended.said
        self._rows.append(Row(host, made, "", "", last(ended)))

    def cured(self, host: str, made: str, refused: Ended, followed: str, ended: Ended) -> None:
        """Check that a run is refused in one line, and that the run after the advice ends 0."""
        assert refused.code in (3, 4), refused.said
        assert len([line for line in refused.said.splitlines() if "error:" in line]) == 1
        assert ended.code == 0, f"{last(refused)}\n{followed}\n{ended.said}"
        self._rows.append(Row(host, made, last(refused), followed, last(ended)))

    def told(self, host: str, made: str, line: str) -> None:
        """Note a host on which the command cannot work, and what it says."""
        self._rows.append(Row(host, made, line, "", ""))


def last(ended: Ended) -> str:
    """Return the last line that was printed."""
    return ended.said.strip().rpartition("\n")[2]


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the rows."""
    config.stash[ROWS] = []


@pytest.fixture
def hosts(pytestconfig: pytest.Config) -> Hosts:
    """Where a test notes what it saw."""
    return Hosts(pytestconfig.stash[ROWS])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if not config.stash[ROWS]:
        return
    terminalreporter.section("the hosts that people run on")
    for row in config.stash[ROWS]:
        terminalreporter.write_line(f"{row.host} ({row.made})")
        for label, text in (("printed", row.printed), ("followed", row.followed), ("then", row.after)):
            if text:
                terminalreporter.write_line(f"    {label + ':':10}{text.removeprefix('tiktoken-cache-init: ')}")
