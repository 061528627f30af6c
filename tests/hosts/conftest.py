"""Table at the end of a test run: each host, the printed line, the advice that was followed, and the next run."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.drivers import Ended

ROWS = pytest.StashKey[list["Row"]]()


class Row(NamedTuple):
    """Row for one host."""

    host: str
    made: str
    """How the test simulates the host."""
    printed: str
    """Last line of the first run."""
    followed: str
    """Advice that was followed. Empty if the first run succeeded."""
    after: str
    """Last line of the next run."""


class Hosts:
    """Collector of the rows."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def works(self, host: str, made: str, ended: Ended) -> None:
        """Check that a run succeeds, and add its row."""
        assert ended.code == 0, ended.said
        self._rows.append(Row(host, made, "", "", last(ended)))

    def cured(self, host: str, made: str, refused: Ended, followed: str, ended: Ended) -> None:
        """Check that a run fails with one error line, and that the run after the advice succeeds. Add their row."""
        assert refused.code in (3, 4), refused.said
        assert len([line for line in refused.said.splitlines() if "error:" in line]) == 1
        assert ended.code == 0, f"{last(refused)}\n{followed}\n{ended.said}"
        self._rows.append(Row(host, made, last(refused), followed, last(ended)))

    def told(self, host: str, made: str, line: str) -> None:
        """Add a row for a host on which the command cannot work, with its message."""
        self._rows.append(Row(host, made, line, "", ""))


def last(ended: Ended) -> str:
    """Return the last line that was printed."""
    return ended.said.strip().rpartition("\n")[2]


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the list of rows."""
    config.stash[ROWS] = []


@pytest.fixture
def hosts(pytestconfig: pytest.Config) -> Hosts:
    """Return the collector of the rows."""
    return Hosts(pytestconfig.stash[ROWS])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if not config.stash[ROWS]:
        return
    terminalreporter.section("hosts, and the advice that was followed")
    for row in config.stash[ROWS]:
        terminalreporter.write_line(f"{row.host} ({row.made})")
        for label, text in (("printed", row.printed), ("followed", row.followed), ("then", row.after)):
            if text:
                terminalreporter.write_line(f"    {label + ':':10}{text.removeprefix('tiktoken-cache-init: ')}")
