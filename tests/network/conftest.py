"""Fixtures of the network cases, and the table that the run prints at its end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tiktoken_cache_init.catalogue import VOCABULARIES

pytest.register_assert_rewrite("tests.network.cases")

from .authority import Authority  # noqa: E402 - the line above must come first
from .cases import Case, Row, table  # noqa: E402
from .commands import Host, image  # noqa: E402
from .server import Server  # noqa: E402

ROWS = pytest.StashKey[list[Row]]()
PASSED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the table."""
    config.stash[ROWS] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each case on the host and through the image."""
    if "command" in metafunc.fixturenames:
        metafunc.parametrize("command", ["host", "image"], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a test's outcome for its row."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    rows = config.stash[ROWS]
    if rows:
        terminalreporter.section("fetching over networks that fail")
        for line in table(rows):
            terminalreporter.write_line(line)


@pytest.fixture
def command(request: pytest.FixtureRequest) -> object:
    """The command under test."""
    return Host() if request.param == "host" else image()


@pytest.fixture
def case(command: object, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """The case, whose row is added to the table when its test is over."""
    assert isinstance(request.node, pytest.Function)
    case = Case(command, tmp_path)  # type: ignore[arg-type]
    yield case
    if case.outcomes:
        name, _, parameters = request.node.name.removeprefix("test_").removesuffix("]").partition("[")
        varied = [word for word in parameters.split("-") if word != case.command.name]
        name = " ".join([name.replace("_", " "), f"({'-'.join(varied)})" if varied else ""]).strip()
        row = Row.of(name, case, request.node.stash.get(PASSED, False))
        request.config.stash[ROWS].append(row)


@pytest.fixture(scope="session")
def contents(vocabularies: Path) -> dict[str, bytes]:
    """The real bytes of every vocabulary, by the path it is published under."""
    return {f"/{known.path}": (vocabularies / known.cache_key).read_bytes() for known in VOCABULARIES}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority that signs for the servers here, which nobody trusts unless told to."""
    return Authority(tmp_path_factory.mktemp("authority"), "throw-away")


def _mirror(server: Server, case: Case, contents: dict[str, bytes]) -> Server:
    for path, content in contents.items():
        server.offer(path, content)
    case.servers.append(server)
    return server


@pytest.fixture
def server(case: Case, contents: dict[str, bytes]) -> Iterator[Server]:
    """A mirror over plain HTTP that has every vocabulary, until a script says otherwise."""
    with Server() as started:
        yield _mirror(started, case, contents)


@pytest.fixture
def second(case: Case, contents: dict[str, bytes]) -> Iterator[Server]:
    """Another such mirror."""
    with Server() as started:
        yield _mirror(started, case, contents)


@pytest.fixture
def secure(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Such a mirror over HTTPS, with a good certificate of the throw-away authority."""
    with Server(authority.context("127.0.0.1", "mirror.test")) as started:
        yield _mirror(started, case, contents)
