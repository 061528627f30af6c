"""Results of each consumer, printed at the end of a test run."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    seen = [value for report in reports for name, value in report.user_properties if name == "consumer"]
    if seen:
        terminalreporter.section("results of each consumer without a network")
        for name, what in seen:
            terminalreporter.write_line(f"{name:<40} {what}")
