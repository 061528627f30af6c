"""Fetch from mirrors, directories and the origin, and fetch private vocabularies."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import needs
from tests.server import Server, page, refuse_with, reset, serve, silent
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import ORIGIN, cache_key

from .authority import Authority
from .cases import PATH, SIZE, Case
from .names import name_server, refusing, resolver

HOST = ORIGIN.removeprefix("https://")
SLACK = 1_000_000
"""Bytes that socket buffers can hold before a server notices that the client is gone."""


@pytest.fixture
def origin(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Start a stand-in for the origin, with a certificate for its name. Only a hosts file points to it."""
    needs("root")
    with Server(authority.context(HOST), address=f"127.77.{os.getpid() % 250}.1", port=443) as started:
        for path, content in contents.items():
            started.offer(path, content)
        case.servers.append(started)
        yield started


def test_the_origin_is_used_if_all_mirrors_fail(
    case: Case, server: Server, second: Server, origin: Server, authority: Authority
) -> None:
    server.script(PATH, page(503))
    second.script(PATH, reset)
    with refusing() as port:
        outcome = case.fill(
            f"http://127.0.0.1:{port}",
            server.url,
            second.url,
            origin="on",
            environment={"TIKTOKEN_INIT_CA": str(authority.bundle)},
            hosts={HOST: origin.server_address[0]},
        )
    outcome.is_ready()
    assert origin.moved == SIZE


def test_the_origin_gets_no_request_if_it_is_off(
    case: Case, server: Server, origin: Server, authority: Authority
) -> None:
    server.script(PATH, page(403))
    trusting = ["--ca", str(authority.bundle)]
    case.fill(server.url, arguments=trusting, hosts={HOST: origin.server_address[0]}).is_failure(server.host)
    assert origin.connections == 0


@pytest.mark.parametrize("deadline", ["6", "30"], ids=["to-the-deadline", "to-the-last-attempt"])
def test_each_mirror_and_the_origin_are_reported_if_all_fail(
    case: Case, server: Server, second: Server, tmp_path: Path, deadline: str
) -> None:
    server.script(PATH, serve(upto=1000, then=silent))
    second.script(PATH, page(503))
    with refusing() as port, name_server(answers=True):
        outcome = case.fill(
            f"http://127.0.0.1:{port}",
            server.url,
            second.url,
            origin="on",
            environment={"TIKTOKEN_INIT_DEADLINE": deadline},
            resolver=resolver(tmp_path),
        )
    outcome.is_failure(
        f"tried http://127.0.0.1:{port}: connection refused",
        f"tried http://{server.host}: stalled for 1 s after 1,000 bytes",
        f"tried http://{second.host}: 503",
        f"tried origin https://{HOST}: its name cannot be resolved",
    )
    assert outcome.ended.seconds < float(deadline) + 2


@pytest.mark.parametrize("name", [CL100K.published_name, CL100K.cache_key], ids=["published", "cache-key"])
def test_a_mirror_may_hold_the_files_in_one_directory(case: Case, contents: dict[str, bytes], name: str) -> None:
    with Server() as flat:
        case.servers.append(flat)
        flat.offer(f"/some/where/{name}", contents[PATH])
        case.fill(f"{flat.url}/some/where/").is_ready()
        assert all(re.fullmatch(r"/some/where/[^/].*", request.path) for request in flat.requests)


@pytest.mark.parametrize("between", [",", " ", ", "])
def test_mirrors_are_separated_by_commas_or_spaces(case: Case, server: Server, second: Server, between: str) -> None:
    server.script(PATH, page(403))
    case.fill(environment={"TIKTOKEN_INIT_MIRRORS": between.join([server.url, second.url])}).is_ready()
    assert server.requests
    assert second.moved == SIZE


# Directories.


@pytest.mark.parametrize("name", [CL100K.path, CL100K.published_name, CL100K.cache_key])
@pytest.mark.parametrize("prefix", ["file://", ""], ids=["file-url", "path"])
def test_a_directory_is_a_mirror(
    case: Case, tmp_path: Path, contents: dict[str, bytes], name: str, prefix: str
) -> None:
    path = tmp_path / "a directory" / name.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_bytes(contents[PATH])
    directory = str(tmp_path / "a directory")
    case.fill(prefix + (directory.replace(" ", "%20") if prefix else directory)).is_ready()


def test_wrong_bytes_in_a_directory_are_replaced_by_the_next_mirror(case: Case, server: Server, tmp_path: Path) -> None:
    (tmp_path / CL100K.published_name).write_bytes(bytes(SIZE))
    case.fill(str(tmp_path), server.url).is_ready()


def test_wrong_bytes_in_a_directory_are_reported(case: Case, tmp_path: Path) -> None:
    (tmp_path / CL100K.published_name).write_bytes(bytes(SIZE))
    case.fill(f"file://{tmp_path}").is_failure(str(tmp_path), "wrong bytes|digest")


def test_a_missing_directory_is_reported(case: Case, tmp_path: Path) -> None:
    case.fill(str(tmp_path / "stick")).is_failure(f"no directory {tmp_path / 'stick'}", "mount")


def test_a_pipe_in_a_directory_is_not_waited_for(case: Case, tmp_path: Path) -> None:
    directory = tmp_path / "stick"
    directory.mkdir()
    os.mkfifo(directory / CL100K.published_name)
    outcome = case.fill(str(directory))
    outcome.is_failure(str(directory), "not a regular file")
    assert outcome.ended.seconds < 5


def test_a_file_url_of_another_host_is_a_bad_setting(case: Case) -> None:
    outcome = case.fill("file://fileserver/share")
    assert outcome.ended.code == 2
    assert "fileserver" in outcome.said
    outcome.is_clean()


# Private vocabularies.

PRIVATE = b"IQ== 0\nIg== 1\n" * 1000
PRIVATE_PATH = "/private/acme.tiktoken"


def extra(server: Server, content: bytes = PRIVATE, tail: str = "") -> str:
    """Return the setting that asks for ``content`` at the server's private path."""
    return f"{server.url}{PRIVATE_PATH}#sha256={hashlib.sha256(content).hexdigest()}{tail}"


@pytest.mark.emulated
@pytest.mark.parametrize("tail", ["", f"&size={len(PRIVATE)}"], ids=["digest", "digest-and-size"])
def test_a_private_vocabulary_is_fetched(case: Case, server: Server, tail: str) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    case.fill(server.url, arguments=["--extra", extra(server, tail=tail)], private={key: PRIVATE}).is_ready()
    assert (case.volume / key).read_bytes() == PRIVATE


@pytest.mark.emulated
def test_a_private_vocabulary_comes_from_its_own_url_without_a_mirror(
    case: Case, server: Server, contents: dict[str, bytes]
) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    (case.volume / CL100K.cache_key).write_bytes(contents[PATH])
    case.fill(environment={"TIKTOKEN_INIT_EXTRA": extra(server)}, origin="on", private={key: PRIVATE}).is_ready()
    assert (case.volume / key).read_bytes() == PRIVATE


@pytest.mark.emulated
def test_a_private_vocabulary_is_fetched_without_the_proxy_if_no_proxy_names_its_host(
    case: Case, server: Server, contents: dict[str, bytes], tmp_path: Path
) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    (case.volume / CL100K.cache_key).write_bytes(contents[PATH])
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    with Server() as proxy:
        proxy.otherwise = refuse_with(502)
        environment = {"HTTP_PROXY": f"http://{proxy.host}", "NO_PROXY": "10.0.0.1,127.0.0.1"}
        outcome = case.fill(
            origin="on", environment=environment, arguments=["--extra", extra(server)], private={key: PRIVATE}
        )
    outcome.is_ready()
    assert proxy.requests == []


@pytest.mark.emulated
def test_a_private_vocabulary_with_another_digest_is_refused_and_its_digest_shown(case: Case, server: Server) -> None:
    server.offer(PRIVATE_PATH, b"something else")
    outcome = case.fill(server.url, arguments=["--extra", extra(server)])
    # Only the operator can tell which of the two digests is the wrong one.
    outcome.is_failure(server.host, hashlib.sha256(b"something else").hexdigest(), about="acme.tiktoken")
    assert outcome.has(CL100K), "the failure of one file prevented the installation of another"


@pytest.mark.emulated
@pytest.mark.parametrize("length", ["right", "absent"])
def test_a_private_vocabulary_larger_than_its_size_is_refused(case: Case, server: Server, length: str) -> None:
    server.offer(PRIVATE_PATH, PRIVATE * 100)
    server.script(PRIVATE_PATH, serve(length=False if length == "absent" else "right", rate=2_000_000))
    outcome = case.fill(server.url, arguments=["--extra", extra(server, PRIVATE * 100, "&size=20000")])
    outcome.is_failure("more than 20,000 bytes", about="acme.tiktoken")
    assert server.moved < SIZE + 20_000 + SLACK


@pytest.mark.emulated
def test_a_private_vocabulary_larger_than_64_mib_is_refused_unless_its_size_is_given(
    case: Case, server: Server
) -> None:
    server.script(PRIVATE_PATH, serve(PRIVATE, length=(64 << 20) + 1, then=silent))
    outcome = case.fill(server.url, arguments=["--extra", extra(server)])
    outcome.is_failure("more than 67,108,864 bytes", "&size=BYTES in TIKTOKEN_INIT_EXTRA", about="acme.tiktoken")


@pytest.mark.emulated
def test_a_private_vocabulary_continues_after_a_reset(case: Case, server: Server) -> None:
    content = PRIVATE * 30
    server.offer(PRIVATE_PATH, content)
    server.script(PRIVATE_PATH, *[serve(then=reset, upto=len(content) // 4)] * 3, serve())
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    case.fill(server.url, arguments=["--extra", extra(server, content)], private={key: content}).is_ready()
    assert server.moved <= SIZE + 1.02 * len(content)
