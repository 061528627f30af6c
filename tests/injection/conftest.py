"""The summary that the run prints at its end."""

from __future__ import annotations

import os
import secrets

import pytest

from tests.injection.campaign import KINDS, Verdict

VERDICTS = pytest.StashKey[list[Verdict]]()
SEED = os.environ.get("INJECTION_SEED") or secrets.token_hex(4)


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the verdicts."""
    config.stash[VERDICTS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many faults were tried, and what came of them."""
    verdicts = config.stash[VERDICTS]
    if not verdicts:
        return
    reached = [verdict for verdict in verdicts if verdict.hit]
    points = {(verdict.state, verdict.fault.point) for verdict in reached}
    terminalreporter.section("faults at system calls: a sample")
    counts = [f"{sum(any(p.kind == kind for p in v.problems) for v in reached)} {kind}" for kind in KINDS]
    terminalreporter.write_line(
        f"{len(points)} points tried, {len(reached)} faults: {', '.join(counts)} "
        f"(INJECTION_SEED={SEED} repeats this sample; python -m tests.injection tries all)"
    )


@pytest.fixture
def record(pytestconfig: pytest.Config) -> list[Verdict]:
    """Where verdicts go that the summary is to count."""
    return pytestconfig.stash[VERDICTS]


@pytest.fixture(scope="session")
def seed() -> str:
    """What the sample is drawn with."""
    return SEED
