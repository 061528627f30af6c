"""The compatibility table: what each consumer was seen to do with the volume.

``python -m tests.consumers.compatibility`` runs every consumer and writes what it saw into ``docs/compatibility.md``, between
two markers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.consumers.known import CONSUMERS, COUNTS_WRONGLY, EMBEDDED, EMBEDDED_NAMES, POISONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "compatibility.md"
BEGIN = "<!-- begin: written by `python -m tests.consumers.compatibility` -->"
END = "<!-- end -->"

COLUMNS = (
    "Consumer",
    "Variable",
    "Asked for",
    "Filled volume, mounted read-only, no network",
    "Empty volume, no network",
    *(f"Each file is {what}" for what in POISONS.values()),
    "Poisoned, then filled",
)

Seen = dict[str, dict[str, str]]
"""Consumer -> column -> cell."""

PROPERTY = "compatibility"
"""Name under which a test leaves what it saw: a list of consumer, column, cell."""


def declared() -> Seen:
    """Return what runs will see if ``known.py`` is right."""
    right = "starts, the ids are right"
    none = f"needs none: {right}"
    seen = {EMBEDDED: _row(EMBEDDED, "none", EMBEDDED_NAMES, none, none, *["-"] * (len(POISONS) + 1))}
    for consumer in CONSUMERS:
        wrong = [_behaviour(consumer.when[kind], consumer.deletes) for kind in POISONS]
        without = _behaviour(consumer.without, deletes=False)
        seen[consumer.name] = _row(
            consumer.name, f"`{consumer.variable}`", consumer.names, right, without, *wrong, right
        )
    return seen


def _row(name: str, variable: str, names: tuple[str, ...], *behaviours: str) -> dict[str, str]:
    return dict(zip(COLUMNS, (name, variable, ", ".join(names), *behaviours), strict=True))


def _behaviour(part: str, deletes: bool) -> str:
    if part == COUNTS_WRONGLY:
        return f"**{part}**"
    return f"fails: `{part}`" + (", and deletes the file" if deletes else "")


def render(seen: Seen) -> str:
    """Return the table in Markdown; a cell that no run filled says so."""
    names = [*(consumer.name for consumer in CONSUMERS), EMBEDDED]
    rows = [[seen[name].get(column, "not seen") for column in COLUMNS] for name in names if name in seen]
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def collect(reports: Iterable[pytest.TestReport]) -> Seen:
    """Gather what tests left under PROPERTY."""
    seen: Seen = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, list):
                consumer, column, cell = value
                seen.setdefault(consumer, {"Consumer": consumer})[column] = cell
    return seen


def documented() -> str:
    """Return the table as the document has it."""
    return DOCUMENT.read_text().partition(f"{BEGIN}\n\n")[2].partition(f"\n{END}")[0]


class _Recorder:
    def __init__(self) -> None:
        self.reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.reports.append(report)


def main() -> int:
    """Run the consumers; write the table if all of them did what is known of them."""
    recorder = _Recorder()
    status = pytest.main([str(Path(__file__).with_name("test_consumers.py")), "-q"], plugins=[recorder])
    if status == pytest.ExitCode.OK:
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        table = render(collect(recorder.reports))
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
