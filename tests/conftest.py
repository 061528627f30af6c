"""Fixtures of all tests, and the summary of skipped tests at the end of a run."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

from tests.consumers.build import gateway_context, gateway_program
from tests.containers import engine
from tests.machine import needs
from tests.vocabularies import vocabularies

__all__ = ["gateway_program", "vocabularies"]

# In CI, Hypothesis tries the same examples each time, so a failure comes from the change. Elsewhere it tries new ones.
# An example has no time limit, because the machine may be busy.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")


@pytest.fixture(scope="session")
def image() -> str:
    """Return the image under test, which is in the machine's engine."""
    return engine.image()


@pytest.fixture(scope="session")
def gateway_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image of the gateway stand-in in the machine's engine, packaged like the gateways."""
    context = gateway_context(tmp_path_factory.mktemp("gateway-image"))
    engine.docker("build", "--tag", engine.GATEWAY_IMAGE, str(context))
    return engine.GATEWAY_IMAGE


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Make an empty directory to fill."""
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "needs(*names): things that the test needs of this machine (tests/machine.py)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met, before its fixtures are made."""
    for mark in item.iter_markers("needs"):
        needs(*mark.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each need of skipped tests."""
    skipped = [
        (report.longrepr[2].removeprefix("Skipped: "), report.nodeid.partition("::")[0].rpartition("/")[0])
        for report in terminalreporter.getreports("skipped")
    ]
    # `make test` runs pytest several times, and the last run lists what all of them skipped.
    if log := os.environ.get("SKIPPED_TESTS"):
        with Path(log).open("a+", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(each)}\n" for each in skipped)
            file.seek(0)
            skipped = [tuple(json.loads(line)) for line in file]
    if skipped:
        terminalreporter.section("skipped")
    for reason, number in Counter(reason for reason, _ in skipped).most_common():
        directories = ", ".join(sorted({directory for each, directory in skipped if each == reason}))
        terminalreporter.write_line(f"{number:>5} skipped: {reason} ({directories})")
