"""Fixtures of the network cases, and the table that a test run prints at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.drivers import Container, Driver, Host
from tiktoken_cache_init.catalogue import VOCABULARIES

pytest.register_assert_rewrite("tests.network.cases")

from tests.server import Server  # noqa: E402

from .authority import Authority  # noqa: E402 - the line above must come first
from .cases import Case, Row, table  # noqa: E402

ROW = "row of the table of network cases"
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store the outcome of a test for its row."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    reports = (report for listed in terminalreporter.stats.values() for report in listed if hasattr(report, "when"))
    rows = [Row(*value) for report in reports for name, value in report.user_properties if name == ROW]
    if rows:
        terminalreporter.section("fetching over networks that fail")
        for line in table(rows):
            terminalreporter.write_line(line)


@pytest.fixture(params=["host", "image"])
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> Driver:
    """Return the driver for this host or for the image, on the network of this machine."""
    if request.param == "host":
        return Host()
    places = [tmp_path_factory.getbasetemp(), vocabularies]
    return Container(request.getfixturevalue("image"), places, ("--network", "host", "--memory", "64m"))


@pytest.fixture
def case(driver: Driver, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """Make a case, and add its row to the table after the test."""
    case = Case(driver, tmp_path)
    yield case
    if case.outcomes:
        name = request.node.name.removeprefix("test_").replace("_", " ").replace(f"{driver.name}-", "")
        row = Row.of(name.replace(f"[{driver.name}]", ""), case, request.node.stash.get(PASSED, False))
        request.node.user_properties.append((ROW, dataclasses.astuple(row)))


@pytest.fixture(scope="session")
def contents(vocabularies: Path) -> dict[str, bytes]:
    """Return the real bytes of every vocabulary, by its path at the origin."""
    return {f"/{known.path}": (vocabularies / known.cache_key).read_bytes() for known in VOCABULARIES}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make the certificate authority of the test servers. A run trusts it only if a setting names it."""
    return Authority(tmp_path_factory.mktemp("authority"), "throw-away")


def _mirror(server: Server, case: Case, contents: dict[str, bytes]) -> Server:
    for path, content in contents.items():
        server.offer(path, content)
    case.servers.append(server)
    return server


@pytest.fixture
def server(case: Case, contents: dict[str, bytes]) -> Iterator[Server]:
    """Start a mirror over plain HTTP that has every vocabulary. A test can script other answers."""
    with Server() as started:
        yield _mirror(started, case, contents)


@pytest.fixture
def second(case: Case, contents: dict[str, bytes]) -> Iterator[Server]:
    """Start another such mirror."""
    with Server() as started:
        yield _mirror(started, case, contents)


@pytest.fixture
def secure(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Start such a mirror over HTTPS, with a good certificate of the test authority."""
    with Server(authority.context("127.0.0.1", "mirror.test")) as started:
        yield _mirror(started, case, contents)
