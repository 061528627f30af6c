"""Fetch from mirrors and the origin, by names, and fetch private vocabularies."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from tests.machine import needs
from tests.samples import names_in
from tests.server import Server, page
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import ENCODINGS, ORIGIN, VOCABULARIES, cache_key

from .authority import Authority
from .cases import PATH, SIZE, Case, also_in_the_image
from .names import hosts

HOST = ORIGIN.removeprefix("https://")
ADDRESS = f"127.77.{os.getpid() % 250}.1"
"""Loopback address of the stand-in for the origin. Several test runs may use port 443 at once."""


def test_the_origin_is_used_if_a_mirror_fails(
    case: Case, server: Server, contents: dict[str, bytes], authority: Authority, tmp_path: Path
) -> None:
    needs("root")
    server.script(PATH, page(503))
    with Server(authority.context(HOST), ADDRESS, 443) as origin:
        origin.offer(PATH, contents[PATH])
        environment = {"TIKTOKEN_INIT_CA": str(authority.bundle)}
        case.fill(server.url, origin="on", environment=environment, files=hosts(tmp_path, HOST, ADDRESS)).is_ready()
    assert origin.moved == SIZE


@also_in_the_image
def test_every_encoding_comes_from_one_mirror(case: Case, server: Server) -> None:
    case.fill(server.url, encodings=" ".join(known.name for known in ENCODINGS)).is_ready(*VOCABULARIES)
    assert server.moved == sum(known.max_size for known in VOCABULARIES)


def test_a_mirror_may_hold_the_files_in_one_directory(case: Case, contents: dict[str, bytes]) -> None:
    with Server() as flat:
        flat.offer(f"/some/where/{CL100K.cache_key}", contents[PATH])
        case.fill(f"{flat.url}/some/where/").is_ready()
    assert all(re.fullmatch(r"/some/where/[^/].*", request.path) for request in flat.requests)


@also_in_the_image
def test_a_host_name_that_is_not_ascii_works(case: Case, server: Server, tmp_path: Path) -> None:
    invalid = ["http://bücher..test", "http://xn--\N{SNOWMAN}.test", "http://-bü-.test"]
    files = hosts(tmp_path, "xn--bcher-kva.test", "127.0.0.1")
    outcome = case.fill(*invalid, f"http://BÜCHER。test:{server.port}", files=files)
    outcome.is_ready()
    assert outcome.said.count("its host name is not a valid one") == len(invalid)


def test_a_private_vocabulary_comes_from_its_own_url_and_another_digest_is_shown(
    case: Case, server: Server, contents: dict[str, bytes]
) -> None:
    (case.volume / CL100K.cache_key).write_bytes(contents[PATH])
    content = b"IQ== 0\nIg== 1\n" * 1000
    server.offer("/private/right.tiktoken", content)
    server.offer("/private/wrong.tiktoken", b"something else")
    urls = [f"{server.url}/private/{name}.tiktoken" for name in ("right", "wrong")]
    arguments = [word for url in urls for word in ("--extra", f"{url}#sha256={hashlib.sha256(content).hexdigest()}")]
    private = {cache_key(urls[0]): content}
    outcome = case.fill(origin="on", arguments=arguments, private=private)
    # Only the operator can tell which of the two digests is the wrong one.
    outcome.is_failure(server.host, hashlib.sha256(b"something else").hexdigest(), about="wrong.tiktoken")
    assert names_in(case.volume) == sorted([CL100K.cache_key, *private])
