"""Prints the compatibility table at the end of a run that had consumers in it."""

import pytest

from tests.consumers.compatibility import collect, render


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seen = collect(report for report in terminalreporter.stats.get("passed", []) if report.when == "call")
    if seen:
        terminalreporter.section("what each consumer did with the volume")
        terminalreporter.write(render(seen))
