"""Fixtures of the network cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers import Container, Driver, Host
from tests.server import Server
from tiktoken_cache_init.catalogue import VOCABULARIES

pytest.register_assert_rewrite("tests.network.cases")

from .authority import Authority  # noqa: E402 - the line above must come first
from .cases import Case  # noqa: E402


@pytest.fixture
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """Return the driver for this host, or for the image with the network of this machine and little memory."""
    if getattr(request, "param", "host") == "host":
        return Host()
    options = ("--network", "host", "--memory", "64m")
    return Container(request.getfixturevalue("image"), [tmp_path_factory.getbasetemp()], options)


@pytest.fixture
def case(driver: Driver, volume: Path) -> Case:
    """Make a case."""
    return Case(driver, volume)


@pytest.fixture(scope="session")
def contents(vocabularies: Path) -> dict[str, bytes]:
    """Return the real bytes of every vocabulary, by its path at the origin."""
    return {f"/{known.path}": (vocabularies / known.cache_key).read_bytes() for known in VOCABULARIES}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make the certificate authority of the test servers. A run trusts it only if a setting names it."""
    return Authority(tmp_path_factory.mktemp("authority"), "throw-away")


def _mirror(server: Server, contents: dict[str, bytes]) -> Server:
    for path, content in contents.items():
        server.offer(path, content)
    return server


@pytest.fixture
def server(contents: dict[str, bytes]) -> Iterator[Server]:
    """Start a mirror over plain HTTP that has every vocabulary. A test can script other answers."""
    with Server() as started:
        yield _mirror(started, contents)


@pytest.fixture
def second(contents: dict[str, bytes]) -> Iterator[Server]:
    """Start another such mirror."""
    with Server() as started:
        yield _mirror(started, contents)


@pytest.fixture
def secure(contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Start such a mirror over HTTPS, with a good certificate of the test authority."""
    with Server(authority.context("127.0.0.1", "mirror.test")) as started:
        yield _mirror(started, contents)
