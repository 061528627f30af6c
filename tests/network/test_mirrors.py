"""Fetch from mirrors, directories and the origin, by names, and fetch private vocabularies."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import needs
from tests.server import Server, page, reset
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import ORIGIN, cache_key

from .authority import Authority
from .cases import PATH, QUICK, SIZE, Case, also_in_the_image
from .names import hosts, name_server, resolver

HOST = ORIGIN.removeprefix("https://")
ADDRESS = f"127.77.{os.getpid() % 250}.1"
"""Loopback address of the stand-in for the origin. Several test runs may use port 443 at once."""


@pytest.fixture
def origin(contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Start a stand-in for the origin, with a certificate for its name. Only a hosts file points to it."""
    needs("root")
    with Server(authority.context(HOST), ADDRESS, 443) as started:
        started.offer(PATH, contents[PATH])
        yield started


@pytest.mark.parametrize("setting", ["on", "off"])
def test_the_origin_is_used_if_all_mirrors_fail_but_not_if_it_is_off(
    case: Case, server: Server, second: Server, origin: Server, authority: Authority, setting: str, tmp_path: Path
) -> None:
    server.script(PATH, page(503))
    second.script(PATH, reset)
    files = hosts(tmp_path, HOST, ADDRESS)
    mirrors = (server.url, second.url)
    if setting == "on":
        environment = {"TIKTOKEN_INIT_CA": str(authority.bundle)}
        case.fill(*mirrors, origin="on", environment=environment, files=files).is_ready()
        assert origin.moved == SIZE
    else:
        case.fill(*mirrors, environment=QUICK, files=files).is_failure(f"tried {server.url}: 503")
        assert origin.connections == 0


def test_a_mirror_may_hold_the_files_in_one_directory(case: Case, contents: dict[str, bytes]) -> None:
    with Server() as flat:
        flat.offer(f"/some/where/{CL100K.cache_key}", contents[PATH])
        case.fill(f"{flat.url}/some/where/").is_ready()
        assert all(re.fullmatch(r"/some/where/[^/].*", path) for path in flat.paths)


# Names.


@also_in_the_image
def test_a_name_that_does_not_exist_is_reported(case: Case, tmp_path: Path) -> None:
    with name_server(answers=True):
        outcome = case.fill("http://mirror.invalid", environment=QUICK, files=resolver(tmp_path))
    outcome.is_failure("mirror.invalid: its name cannot be resolved")


def test_a_name_server_that_never_answers_is_given_up_at_the_deadline(case: Case, tmp_path: Path) -> None:
    with name_server(answers=False):
        outcome = case.fill("http://mirror.invalid", arguments=["--deadline", "2"], files=resolver(tmp_path))
    outcome.is_failure("mirror.invalid", "the deadline of 2 s passed")


@also_in_the_image
def test_a_host_name_that_is_not_ascii_works(case: Case, server: Server, tmp_path: Path) -> None:
    invalid = ["http://bücher..test", "http://xn--\N{SNOWMAN}.test", "http://-bü-.test"]
    files = hosts(tmp_path, "xn--bcher-kva.test", "127.0.0.1")
    outcome = case.fill(*invalid, f"http://BÜCHER。test:{server.port}", files=files)
    outcome.is_ready()
    assert outcome.said.count("its host name is not a valid one") == len(invalid)


# Directories.


def test_a_directory_is_a_mirror(case: Case, tmp_path: Path, contents: dict[str, bytes]) -> None:
    right, wrong, fifo = (tmp_path / name for name in ("a directory", "wrong", "fifo"))
    for directory in (right, wrong, fifo):
        directory.mkdir()
    (right / CL100K.cache_key).write_bytes(contents[PATH])
    (wrong / CL100K.published_name).write_bytes(bytes(SIZE))
    os.mkfifo(fifo / CL100K.published_name)
    failing = [str(wrong), str(fifo), str(tmp_path / "stick")]
    case.fill(*failing).is_failure(
        f"tried {wrong}: wrong bytes", f"tried {fifo}: .*not a regular file", f"no directory {tmp_path / 'stick'}"
    )
    case.fill(*failing, f"file://{right}".replace(" ", "%20")).is_ready()


# Private vocabularies.

PRIVATE = b"IQ== 0\nIg== 1\n" * 1000
PRIVATE_PATH = "/private/acme.tiktoken"


def extra(server: Server, content: bytes = PRIVATE) -> str:
    """Return the setting that asks for ``content`` at the server's private path."""
    return f"{server.url}{PRIVATE_PATH}#sha256={hashlib.sha256(content).hexdigest()}"


def test_a_private_vocabulary_comes_from_its_own_url_without_a_mirror(
    case: Case, server: Server, contents: dict[str, bytes]
) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    (case.volume / CL100K.cache_key).write_bytes(contents[PATH])
    private = {cache_key(f"{server.url}{PRIVATE_PATH}"): PRIVATE}
    case.fill(environment={"TIKTOKEN_INIT_EXTRA": extra(server)}, origin="on", private=private).is_ready()


def test_a_private_vocabulary_with_another_digest_is_refused_and_its_digest_shown(case: Case, server: Server) -> None:
    server.offer(PRIVATE_PATH, b"something else")
    outcome = case.fill(server.url, arguments=["--extra", extra(server)])
    # Only the operator can tell which of the two digests is the wrong one.
    outcome.is_failure(server.host, hashlib.sha256(b"something else").hexdigest(), about="acme.tiktoken")
    assert outcome.has(CL100K), "the failure of one file prevented the installation of another"
