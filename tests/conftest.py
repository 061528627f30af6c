"""Fixtures for every test."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.consumers.build import gateway_context, gateway_program
from tests.containers import engine
from tests.vocabularies import vocabularies

__all__ = ["gateway_program", "vocabularies"]

# The same examples in every CI run, so that a red one is the change's doing; at a desk they go on searching.
# A machine that is busy with something else is no failure.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")


@pytest.fixture(scope="session")
def image() -> str:
    """The image under test, in the machine's engine."""
    engine.require_engine()
    return engine.image()


@pytest.fixture(scope="session")
def gateway_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The gateway stand-in packaged as the gateways are, in the machine's engine."""
    engine.require_engine()
    context = gateway_context(tmp_path_factory.mktemp("gateway-image"))
    engine.docker("build", "--tag", engine.GATEWAY_IMAGE, str(context))
    return engine.GATEWAY_IMAGE


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy, whatever this machine's does."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


SUITES = pytest.StashKey[Counter[tuple[str, str, str]]]()
"""(folder, what the test drives, outcome) -> how many tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the counts."""
    config.stash[SUITES] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count the tests that drive the command from outside."""
    report = yield
    driven = _driven(item)
    if driven and (report.when == "call" or not report.passed):
        folder = str(item.path.parent.relative_to(item.config.rootpath))
        item.config.stash[SUITES][folder, driven, report.outcome] += 1
    return report


def _driven(item: pytest.Item) -> str:
    """Return what a test drives: the final image, this host's entry point where it does the same with both, or neither."""
    if {"image", "data_image"} & set(getattr(item, "fixturenames", ())):
        return "image"
    variants = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return next((each for each in variants if each in ("host", "image")), "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts."""
    counts = config.stash[SUITES]
    if not counts:
        return
    terminalreporter.section("the suite against the image, and the same tests on this host")
    for folder in sorted({folder for folder, *_ in counts}):
        for driven in ("image", "host"):
            outcomes = {outcome: n for (f, d, outcome), n in sorted(counts.items()) if (f, d) == (folder, driven)}
            if outcomes:
                words = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
                terminalreporter.write_line(f"{folder:<22} {driven:<6} {words}")
