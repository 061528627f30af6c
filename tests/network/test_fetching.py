"""What a fill does on a network that fails it, one behaviour a test, run from outside against real servers.

Every failure must end with its code and no traceback, leave nothing wrong or half done in the volume, and name the file,
the place, the reason and the way out. The bytes that the servers moved are part of what is checked.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import gzip
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktoken_cache_init.catalogue import ENCODINGS, ORIGIN, VOCABULARIES, cache_key

from .authority import Authority
from .cases import CL100K, O200K, PATH, SIZE, Case
from .commands import ROOT
from .hello import COMPRESS_CERTIFICATE, Greeted
from .names import name_server, refusing, resolver, unanswering
from .proxy import Proxy, SocksProxy
from .server import (
    HTML,
    Server,
    compressed,
    dripped_head,
    dripping,
    endless,
    endless_head,
    endless_hints,
    page,
    raw,
    redirect,
    reply,
    reset,
    reset_now,
    serve,
    silent,
)

SLACK = 1_000_000
"""Bytes that a server on this machine can get rid of before it learns that the client has gone: socket buffers."""


# Connections.


def test_dns_failure(case: Case, tmp_path: Path) -> None:
    with name_server(answers=True):
        outcome = case.fill("http://mirror.invalid", resolver=resolver(tmp_path))
    outcome.is_failure("mirror.invalid", r"name|DNS|resolv")


@pytest.mark.emulated
@pytest.mark.parametrize("host", ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test", "bücher。test"])
def test_host_name_that_is_not_ascii(case: Case, server: Server, host: str) -> None:
    outcome = case.fill(f"http://{host}:{server.port}", hosts={"xn--bcher-kva.test": server.host})
    outcome.is_ready()


@pytest.mark.emulated
@pytest.mark.parametrize(
    "host", [f"{'x' * 64}.test", "bücher..test", "xn--\N{SNOWMAN}.test", "-bü-.test", "\u0300b.test"]
)
def test_host_name_that_cannot_be_one(case: Case, host: str) -> None:
    case.fill(f"http://{host}").is_failure("host name is not a valid one")


def test_dns_that_never_answers_ends_at_the_deadline(case: Case, tmp_path: Path) -> None:
    with name_server(answers=False):
        outcome = case.fill("http://mirror.invalid", arguments=["--deadline", "3"], resolver=resolver(tmp_path))
    outcome.is_failure("mirror.invalid")
    assert outcome.ended.seconds < 6


def test_connection_refused(case: Case) -> None:
    with refusing() as port:
        outcome = case.fill(f"http://127.0.0.1:{port}")
    outcome.is_failure(f"127.0.0.1:{port}", "refused")


def test_connection_that_is_never_made(case: Case) -> None:
    with unanswering() as port:
        outcome = case.fill(f"http://127.0.0.1:{port}")
    outcome.is_failure(f"127.0.0.1:{port}", "connect", r"time|within|1 s")
    assert outcome.ended.seconds < 12


def test_tls_handshake_that_is_never_answered(case: Case) -> None:
    with unanswering() as port:
        outcome = case.fill(f"https://127.0.0.1:{port}")
    outcome.is_failure(f"127.0.0.1:{port}", r"time|within|1 s")
    assert outcome.ended.seconds < 12


def test_plain_http_where_https_is_meant(case: Case, server: Server) -> None:
    outcome = case.fill(f"https://{server.authority}")
    outcome.is_failure(server.authority, "TLS|SSL")


def test_reset_before_headers(case: Case, server: Server) -> None:
    server.script(PATH, reset(), serve())
    case.fill(server.url).is_ready()
    assert len(server.asked(PATH)) == 2


def test_reset_before_headers_for_ever(case: Case, server: Server) -> None:
    server.script(PATH, reset())
    case.fill(server.url).is_failure(server.authority, "reset|disconnected|closed")


@pytest.mark.emulated
def test_reset_mid_body_5_times(case: Case, server: Server) -> None:
    server.script(PATH, *[reset(after=SIZE // 6)] * 5, serve())
    case.fill(server.url).is_ready()
    assert server.moved <= 1.02 * SIZE
    assert len(server.asked(PATH)) == 6


def test_stall_mid_body(case: Case, server: Server) -> None:
    server.script(PATH, serve(after=SIZE // 2, then=silent), serve())
    outcome = case.fill(server.url)
    outcome.is_ready()
    assert server.moved <= 1.02 * SIZE
    assert outcome.ended.seconds < 10


def test_stall_mid_body_for_ever(case: Case, server: Server) -> None:
    server.script(PATH, serve(after=1000, then=silent), serve(after=0, then=silent))
    outcome = case.fill(server.url)
    outcome.is_failure(server.authority, "stall|slow|time")
    assert outcome.ended.seconds < 15


def test_one_byte_a_second(case: Case, server: Server) -> None:
    server.script(PATH, serve(after=0, then=dripping(1.0)))
    # A time-out that each byte starts anew would never pass here.
    outcome = case.fill(server.url, environment={"TIKTOKEN_INIT_STALL_TIMEOUT": "2"})
    outcome.is_failure(server.authority, "stall|slow")
    assert outcome.ended.seconds < 15


def test_headers_that_drip(case: Case, server: Server) -> None:
    server.script(PATH, dripped_head(0.3))
    outcome = case.fill(server.url)
    outcome.is_failure(server.authority, "stall|slow|time")
    assert outcome.ended.seconds < 15


def test_headers_without_end(case: Case, server: Server) -> None:
    server.script(PATH, endless_head)
    case.fill(server.url).is_failure(server.authority, "header")
    assert server.moved < 5_000_000


def test_interim_answers_without_end(case: Case, server: Server) -> None:
    server.script(PATH, endless_hints)
    outcome = case.fill(server.url)
    outcome.is_failure(server.authority, "stall|slow|time|answer")
    assert outcome.ended.seconds < 15


# Bodies.


def test_truncated_body_with_content_length(case: Case, server: Server) -> None:
    server.script(PATH, serve(length=SIZE, after=SIZE // 2), serve())
    case.fill(server.url).is_ready()
    assert server.moved <= 1.02 * SIZE


def test_truncated_body_without_content_length(case: Case, server: Server) -> None:
    server.script(PATH, serve(length="absent", after=SIZE // 2), serve())
    case.fill(server.url).is_ready()
    assert server.moved <= 1.02 * SIZE


def test_truncated_body_for_ever(case: Case, server: Server) -> None:
    server.script(PATH, serve(ranges="ignored", length="absent", after=SIZE // 2))
    case.fill(server.url).is_failure(server.authority, "truncated|short|ended|cut|of 1,?681,?126")


@pytest.mark.emulated
def test_chunked_body(case: Case, server: Server) -> None:
    server.script(PATH, serve(length="chunked"))
    case.fill(server.url).is_ready()


@pytest.mark.emulated
def test_chunked_body_broken_off(case: Case, server: Server) -> None:
    server.script(PATH, serve(length="chunked", after=SIZE // 2, then=reset_now), serve())
    case.fill(server.url).is_ready()
    assert server.moved <= 1.02 * SIZE


def test_truncated_body_over_tls(case: Case, secure: Server, authority: Authority) -> None:
    secure.script(PATH, serve(length="absent", after=SIZE // 2), serve())
    case.fill(secure.url, arguments=["--ca", str(authority.bundle)], files=[authority.bundle]).is_ready()
    assert secure.moved <= 1.02 * SIZE


def test_body_longer_than_the_catalogue_says(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.script(PATH, serve(contents[PATH] + b"IQ== 100256\n"))
    case.fill(server.url).is_failure(server.authority, "1,?681,?138|long|larger|more than")


def test_body_longer_than_the_catalogue_says_without_content_length(
    case: Case, server: Server, contents: dict[str, bytes]
) -> None:
    server.script(PATH, serve(contents[PATH] + b"IQ== 100256\n", length="absent"))
    case.fill(server.url).is_failure(server.authority, "long|larger|more than")


def test_endless_body(case: Case, server: Server) -> None:
    server.script(PATH, serve(length="absent", then=endless))
    case.fill(server.url).is_failure(server.authority, "long|larger|more than")
    assert server.moved <= SIZE + SLACK


def test_content_length_far_too_large(case: Case, server: Server) -> None:
    server.script(PATH, serve(length=10**15, then=silent))
    outcome = case.fill(server.url)
    outcome.is_failure(server.authority, "1,?000,?000,?000,?000,?000|long|larger|more than")
    assert outcome.ended.seconds < 5


def test_content_length_too_small(case: Case, server: Server) -> None:
    server.script(PATH, serve(length=1000, after=1000))
    case.fill(server.url).is_failure(server.authority, "1,?000 |short|smaller|of 1,?681,?126")


def test_empty_body(case: Case, server: Server) -> None:
    server.script(PATH, reply(200))
    case.fill(server.url).is_failure(server.authority, "empty|0 |nothing|short")


def test_right_length_wrong_bytes(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    wrong = contents[PATH][:-2] + b"0\n"
    server.script(PATH, serve(wrong))
    outcome = case.fill(server.url)
    outcome.is_failure(server.authority, "wrong bytes|digest")
    # The same server would only send the same bytes again.
    assert server.moved <= SIZE


def test_200_with_an_html_page(case: Case, server: Server) -> None:
    server.script(PATH, page())
    case.fill(server.url).is_failure(server.authority, "HTML", "portal|login|sign|proxy")
    assert len(server.asked(PATH)) == 1


def test_200_with_an_html_page_as_long_as_the_file(case: Case, server: Server) -> None:
    server.script(PATH, serve(HTML.ljust(SIZE)))
    case.fill(server.url).is_failure(server.authority, "HTML")


def test_captive_portal_that_redirects_to_its_page(case: Case, server: Server, second: Server) -> None:
    second.script("/login", page())
    server.script(PATH, redirect(f"{second.url}/login", 302))
    case.fill(server.url).is_failure(server.authority, second.authority, "HTML")


def test_captive_portal_that_says_511(case: Case, server: Server) -> None:
    server.script(PATH, page(511))
    case.fill(server.url).is_failure(server.authority, "511", "portal|login|sign|authenticat")


@pytest.mark.emulated
def test_gzipped_body(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.script(PATH, compressed(contents[PATH]))
    case.fill(server.url).is_ready()
    assert all(request.headers["accept-encoding"] == "identity" for request in server.requests)
    assert server.moved < SIZE


@pytest.mark.emulated
def test_gzipped_body_broken_off(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    packed = gzip.compress(contents[PATH])
    server.script(
        PATH, serve(packed, headers={"Content-Encoding": "gzip"}, after=len(packed) // 2, then=reset_now), serve()
    )
    case.fill(server.url).is_ready()


@pytest.mark.emulated
def test_gzipped_body_that_is_none(case: Case, server: Server) -> None:
    server.script(PATH, serve(headers={"Content-Encoding": "gzip"}))
    case.fill(server.url).is_failure(server.authority, "compress|gzip")


def test_coding_that_nobody_knows(case: Case, server: Server) -> None:
    server.script(PATH, serve(headers={"Content-Encoding": "br"}))
    case.fill(server.url).is_failure(server.authority, "compress.*br")


@pytest.mark.emulated
def test_gzipped_body_that_swells(case: Case, server: Server) -> None:
    server.script(PATH, compressed(bytes(200_000_000)))
    case.fill(server.url).is_failure(server.authority, "more than|long")


# Answers.


@pytest.mark.emulated
def test_301_to_a_good_place(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    case.fill(server.url).is_ready()
    assert second.moved == SIZE


def test_307_to_a_relative_place(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.offer("/elsewhere", contents[PATH])
    server.script(PATH, redirect("/elsewhere", 307))
    case.fill(server.url).is_ready()


def test_no_cookie_is_kept(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.offer("/elsewhere", contents[PATH])
    server.script(PATH, reply(302, location="/elsewhere", set_cookie="seen=1; Path=/"))
    server.script("/elsewhere", reply(503, set_cookie="seen=2; Path=/"), serve())
    case.fill(server.url).is_ready()
    assert len(server.requests) == 4
    assert not any("cookie" in request.headers for request in server.requests)


def test_https_redirected_to_http_is_safe_for_the_digest_decides(
    case: Case, secure: Server, server: Server, authority: Authority
) -> None:
    secure.script(PATH, redirect(f"{server.url}{PATH}"))
    environment = {"TIKTOKEN_INIT_CA": str(authority.bundle)}
    case.fill(secure.url, environment=environment, files=[authority.bundle]).is_ready()


def test_redirect_loop(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    second.script(PATH, redirect(f"{server.url}{PATH}"))
    case.fill(server.url).is_failure(server.authority, "redirect")
    assert len(server.requests) + len(second.requests) < 50


def test_redirects_that_never_come_to_an_end(case: Case, server: Server) -> None:
    for step in range(100):
        server.script(f"/{step}", redirect(f"/{step + 1}"))
    server.script(PATH, redirect("/0"))
    case.fill(server.url).is_failure(server.authority, "redirect")
    assert len(server.requests) < 50


def test_redirect_to_file(case: Case, server: Server, vocabularies: Path) -> None:
    good = vocabularies / CL100K.cache_key
    server.script(PATH, redirect(f"file://{good}", 302))
    case.fill(server.url, files=[good]).is_failure(server.authority, "redirect", r"http\(s\)|file:")


@pytest.mark.parametrize("location", ["http://", "//", "http://127.0.0.1:99999/", "http://[", "gopher://127.0.0.1/x"])
def test_redirect_to_nowhere(case: Case, server: Server, location: str) -> None:
    server.script(PATH, redirect(location))
    case.fill(server.url).is_failure(server.authority)


def test_redirect_without_a_location(case: Case, server: Server) -> None:
    server.script(PATH, reply(302))
    case.fill(server.url).is_failure(server.authority, "302|redirect")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_cannot_pass_is_not_tried_again(case: Case, server: Server, status: int) -> None:
    for path in (PATH, f"/{CL100K.published_name}", f"/{CL100K.cache_key}"):
        server.script(path, page(status))
    case.fill(server.url).is_failure(server.authority, str(status))
    paths = [request.path for request in server.requests]
    assert len(paths) == len(set(paths)), "the same was asked for twice"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_can_pass_is_tried_again(case: Case, server: Server, status: int) -> None:
    server.script(PATH, page(status), serve())
    case.fill(server.url).is_ready()
    assert len(server.asked(PATH)) == 2


def test_429_with_retry_after_in_seconds(case: Case, server: Server) -> None:
    server.script(PATH, reply(429, retry_after="3"), serve())
    case.fill(server.url).is_ready()
    first, again = server.asked(PATH)
    assert again.started - first.started >= 3


def test_429_with_retry_after_as_a_date(case: Case, server: Server) -> None:
    begun = time.time()
    server.script(PATH, reply(429, retry_after=email.utils.formatdate(int(begun) + 5, usegmt=True)), serve())
    began = time.monotonic()
    case.fill(server.url).is_ready()
    # A date has whole seconds only, so up to one of the five may be lost.
    assert server.asked(PATH)[1].started - began >= 4


def test_retry_after_beyond_the_deadline_is_not_waited_for(case: Case, server: Server) -> None:
    server.script(PATH, reply(429, retry_after="3600"), serve())
    outcome = case.fill(server.url)
    outcome.is_failure(server.authority, "429", "3,?600")
    assert outcome.ended.seconds < 15


@pytest.mark.parametrize(
    "value",
    ["soon", "-5", "", "1e99", "9" * 400, "Thu, 99 Foo 2099 99:99:99 GMT"],
    ids=str.split("word negative empty float huge date"),
)
def test_retry_after_that_makes_no_sense_is_passed_over(case: Case, server: Server, value: str) -> None:
    server.script(PATH, reply(503, retry_after=value), serve())
    case.fill(server.url).is_clean()
    assert len(server.asked(PATH)) <= 2


def test_another_mirror_is_tried_before_a_long_wait(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, reply(503, retry_after="10"), serve())
    outcome = case.fill(server.url, second.url)
    outcome.is_ready()
    assert outcome.ended.seconds < 8
    assert second.moved == SIZE


def test_500_twice_then_good(case: Case, server: Server) -> None:
    server.script(PATH, page(500), page(500), serve())
    case.fill(server.url, environment={"TIKTOKEN_INIT_RETRIES": "3"}).is_ready()
    assert len(server.asked(PATH)) == 3


def test_503_for_ever(case: Case, server: Server) -> None:
    server.script(PATH, page(503))
    case.fill(server.url, environment={"TIKTOKEN_INIT_RETRIES": "3"}).is_failure(server.authority, "503")
    assert len(server.asked(PATH)) == 3


@pytest.mark.parametrize("status", [201, 204, 206, 304, 418, 600])
def test_statuses_that_nobody_asked_for(case: Case, server: Server, status: int) -> None:
    server.script(PATH, reply(status))
    case.fill(server.url).is_failure(server.authority)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"\0" * 5000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 999999\r\n\r\n",
    ],
    ids=["nothing", "line-ends", "zeros", "ssh", "http-9.9", "status-999999"],
)
def test_what_is_no_http(case: Case, server: Server, answer: bytes) -> None:
    server.script(PATH, raw(answer))
    case.fill(server.url).is_failure(server.authority)


# Going on from where it was.


def test_range_ignored(case: Case, server: Server) -> None:
    server.script(PATH, reset(after=SIZE // 2), serve(ranges="ignored"))
    case.fill(server.url).is_ready()
    assert server.asked(PATH)[1].first_byte == SIZE // 2


def test_wrong_content_range(case: Case, server: Server) -> None:
    server.script(PATH, reset(after=SIZE // 2), serve(ranges="wrong"), serve())
    case.fill(server.url).is_ready()


def test_wrong_content_range_for_ever(case: Case, server: Server) -> None:
    server.script(PATH, reset(after=SIZE // 2), serve(ranges="wrong"))
    # A plain GET of the whole still works.
    case.fill(server.url).is_ready()


@pytest.mark.parametrize("value", ["", "bytes", "bytes x-y/z", "bytes 840563-", "items 840563-1681125/1681126"])
def test_content_range_that_makes_no_sense(case: Case, server: Server, value: str) -> None:
    server.script(PATH, reset(after=SIZE // 2), serve(headers={"Content-Range": value}), serve())
    case.fill(server.url).is_ready()


def test_file_changed_between_attempts(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    older = contents[PATH].replace(b" 1", b" 2")
    server.script(PATH, serve(older, after=SIZE // 2, then=reset_now), serve())
    case.fill(server.url).is_ready()
    assert server.asked(PATH)[1].headers["if-range"] != ""


def test_file_changed_between_attempts_with_no_validator(
    case: Case, server: Server, contents: dict[str, bytes]
) -> None:
    older = contents[PATH].replace(b" 1", b" 2")
    server.script(PATH, serve(older, etag=None, after=SIZE // 2, then=reset_now), serve(etag=None))
    case.fill(server.url).is_ready()


def test_weak_validator_is_not_sent_back(case: Case, server: Server) -> None:
    server.script(PATH, serve(etag='W/"1"', after=SIZE // 2, then=reset_now), serve())
    case.fill(server.url).is_ready()
    # RFC 9110, 13.1.5: a client must not generate an If-Range with a weak entity tag.
    assert not server.asked(PATH)[1].headers.get("if-range", "").startswith("W/")


def test_416(case: Case, server: Server) -> None:
    server.script(PATH, reset(after=SIZE // 2), serve(ranges="refused"), serve())
    case.fill(server.url).is_ready()


def test_206_that_nobody_asked_for(case: Case, server: Server) -> None:
    server.script(PATH, serve(ranges="unasked"))
    case.fill(server.url).is_failure(server.authority, "206|range|part")


def test_transfer_goes_on_at_the_next_mirror(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, reset(after=SIZE // 2), reset())
    # Its validator is its own: to ask it about the first mirror's would be answered with the whole file.
    second.script(PATH, serve(etag='"another"'))
    case.fill(server.url, second.url).is_ready()
    assert server.moved + second.moved <= 1.02 * SIZE


def test_first_half_wrong_then_a_good_mirror(
    case: Case, server: Server, second: Server, contents: dict[str, bytes]
) -> None:
    wrong = contents[PATH].replace(b" 1", b" 2")
    server.script(PATH, serve(wrong, after=SIZE // 2, then=reset_now), reset())
    case.fill(server.url, second.url).is_ready()


# Certificates.


def test_no_certificate_is_asked_for_in_a_form_that_the_image_cannot_unpack(case: Case) -> None:
    with Greeted() as server:
        case.fill(f"https://{server.authority}").is_failure(server.authority, "TLS|connection|reset|closed")
    assert server.offered, "a ClientHello came"
    assert all(COMPRESS_CERTIFICATE not in extensions for extensions in server.offered)


@pytest.mark.emulated
def test_unknown_ca(case: Case, secure: Server) -> None:
    case.fill(secure.url).is_failure(secure.authority, "certificate", "TIKTOKEN_INIT_CA|--ca")
    assert secure.connections == 1, "what cannot pass is not tried again"


@pytest.mark.emulated
def test_ca_known_through_ssl_cert_file(case: Case, secure: Server, authority: Authority) -> None:
    case.fill(secure.url, environment={"SSL_CERT_FILE": str(authority.bundle)}, files=[authority.bundle]).is_ready()


@pytest.mark.emulated
def test_ca_known_through_ssl_cert_dir(case: Case, secure: Server, authority: Authority, tmp_path: Path) -> None:
    folder = authority.directory(tmp_path / "authorities")
    case.fill(secure.url, environment={"SSL_CERT_DIR": str(folder)}, files=[folder]).is_ready()


@pytest.mark.emulated
def test_ca_known_through_tiktoken_init_ca(case: Case, secure: Server, authority: Authority) -> None:
    environment = {"TIKTOKEN_INIT_CA": str(authority.bundle)}
    case.fill(secure.url, environment=environment, files=[authority.bundle]).is_ready()


@pytest.mark.parametrize("known", ["SSL_CERT_FILE", "TIKTOKEN_INIT_CA"])
def test_tiktoken_init_ca_adds_to_ssl_cert_file(
    case: Case, secure: Server, authority: Authority, tmp_path: Path, known: str
) -> None:
    other = str(Authority(tmp_path, "other").bundle)
    environment = {"SSL_CERT_FILE": other, "TIKTOKEN_INIT_CA": other} | {known: str(authority.bundle)}
    case.fill(secure.url, environment=environment, files=[authority.bundle]).is_ready()


def test_ssl_cert_file_replaces_the_trust(case: Case, secure: Server, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    case.fill(secure.url, environment={"SSL_CERT_FILE": str(other.bundle)}).is_failure("certificate")


@pytest.mark.parametrize("content", [None, b"", b"no certificate\n"], ids=["missing", "empty", "text"])
def test_ca_bundle_that_is_none(case: Case, secure: Server, tmp_path: Path, content: bytes | None) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    outcome = case.fill(secure.url, arguments=["--ca", str(bundle)])
    assert outcome.ended.exit_code == 2
    assert "--ca" in outcome.said or "TIKTOKEN_INIT_CA" in outcome.said
    assert str(bundle) in outcome.said
    outcome.is_clean()


@pytest.fixture
def expired(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """A mirror whose certificate ran out yesterday."""
    with Server(authority.context("127.0.0.1", expired=True)) as started:
        case.servers.append(started)
        started.offer(PATH, contents[PATH])
        yield started


@pytest.fixture
def misnamed(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """A mirror whose certificate is for another host."""
    with Server(authority.context("elsewhere.test")) as started:
        case.servers.append(started)
        started.offer(PATH, contents[PATH])
        yield started


def test_expired_certificate(case: Case, expired: Server, authority: Authority) -> None:
    outcome = case.fill(expired.url, arguments=["--ca", str(authority.bundle)], files=[authority.bundle])
    outcome.is_failure(expired.authority, "certificate", "expired")
    assert expired.connections == 1, "what cannot pass is not tried again"


@pytest.mark.emulated
def test_wrong_host_name(case: Case, misnamed: Server, authority: Authority) -> None:
    outcome = case.fill(misnamed.url, arguments=["--ca", str(authority.bundle)], files=[authority.bundle])
    outcome.is_failure(misnamed.authority, "certificate", "127.0.0.1|host")
    assert misnamed.connections == 1, "what cannot pass is not tried again"


# Proxies.


@pytest.mark.emulated
def test_https_through_a_proxy_with_connect(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy({"mirror.test:443": (secure.host, secure.port)}) as proxy:
        environment = {"HTTPS_PROXY": f"http://{proxy.authority}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        outcome = case.fill("https://mirror.test", environment=environment, files=[authority.bundle])
    outcome.is_ready()
    assert proxy.targets == ["mirror.test:443"]


@pytest.mark.emulated
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_http_through_a_proxy(case: Case, server: Server, name: str) -> None:
    with Proxy({"mirror.test:80": (server.host, server.port)}) as proxy:
        outcome = case.fill("http://mirror.test", environment={name: f"http://{proxy.authority}"})
    outcome.is_ready()
    assert set(proxy.targets) == {"mirror.test:80"}


def test_proxy_named_without_a_scheme(case: Case, server: Server) -> None:
    with Proxy({"mirror.test:80": (server.host, server.port)}) as proxy:
        case.fill("http://mirror.test", environment={"HTTP_PROXY": proxy.authority}).is_ready()


def test_proxy_in_capitals_wins_over_nothing_in_small_letters(case: Case, server: Server) -> None:
    with Proxy({"mirror.test:80": (server.host, server.port)}) as proxy:
        environment = {"HTTP_PROXY": f"http://{proxy.authority}", "HTTPS_PROXY": "", "NO_PROXY": ""}
        case.fill("http://mirror.test", environment=environment).is_ready()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_proxy_that_is_reached_by_tls_is_trusted_like_a_mirror(
    case: Case, secure: Server, server: Server, authority: Authority, scheme: str
) -> None:
    places = {"mirror.test:443": (secure.host, secure.port), "mirror.test:80": (server.host, server.port)}
    with Proxy(places, tls=authority.context("127.0.0.1")) as proxy:
        environment = {"ALL_PROXY": f"https://{proxy.authority}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        outcome = case.fill(f"{scheme}://mirror.test", environment=environment, files=[authority.bundle])
    outcome.is_ready()
    assert proxy.targets


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_proxy_whose_certificate_is_not_trusted_is_the_one_to_blame(
    case: Case, authority: Authority, scheme: str
) -> None:
    with Proxy(tls=authority.context("127.0.0.1")) as proxy:
        outcome = case.fill(f"{scheme}://mirror.test", environment={"ALL_PROXY": f"https://{proxy.authority}"})
    outcome.is_failure(f"the proxy {proxy.authority}", "certificate", "TIKTOKEN_INIT_CA")


def test_mirror_behind_a_proxy_whose_certificate_is_not_trusted(
    case: Case, secure: Server, authority: Authority
) -> None:
    with Proxy({"mirror.test:443": (secure.host, secure.port)}) as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://{proxy.authority}"})
    outcome.is_failure("mirror.test", "certificate", "TIKTOKEN_INIT_CA")
    assert "the proxy" not in outcome.said


def test_proxy_that_asks_for_credentials_and_gets_them(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy({"mirror.test:443": (secure.host, secure.port)}, "guest:pa/ss") as proxy:
        environment = {
            "HTTPS_PROXY": f"http://guest:pa%2Fss@{proxy.authority}",
            "TIKTOKEN_INIT_CA": str(authority.bundle),
        }
        outcome = case.fill("https://mirror.test", environment=environment, files=[authority.bundle])
    outcome.is_ready()
    assert "pa/ss" not in outcome.said
    assert "pa%2Fss" not in outcome.said


def test_proxy_that_asks_for_credentials_and_gets_none(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy({"mirror.test:443": (secure.host, secure.port)}, "guest:password") as proxy:
        environment = {"HTTPS_PROXY": f"http://{proxy.authority}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        outcome = case.fill("https://mirror.test", environment=environment, files=[authority.bundle])
    outcome.is_failure("proxy", "407", proxy.authority)
    assert proxy.refused == 1, "what cannot pass is not tried again"


def test_plain_proxy_that_asks_for_credentials_and_gets_none(case: Case, server: Server) -> None:
    with Proxy({"mirror.test:80": (server.host, server.port)}, "guest:password") as proxy:
        outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": f"http://{proxy.authority}"})
    outcome.is_failure("proxy", "407")


def test_proxy_502(case: Case) -> None:
    with Proxy(broken=True) as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://{proxy.authority}"})
    outcome.is_failure("proxy", "502", "mirror.test", proxy.authority)
    assert len(proxy.targets) == 2, "what can pass is tried again"


def test_proxy_that_is_not_there(case: Case) -> None:
    with refusing() as port:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    outcome.is_failure("proxy", f"127.0.0.1:{port}", "refused")


@pytest.mark.parametrize("value", ["http://", "ftp://127.0.0.1:1", "http://127.0.0.1:port", "http://127.0.0.1:99999"])
def test_proxy_setting_that_makes_no_sense(case: Case, server: Server, value: str) -> None:
    outcome = case.fill(server.url, environment={"HTTP_PROXY": value})
    assert outcome.ended.exit_code == 2, outcome.said
    assert "HTTP_PROXY" in outcome.said
    outcome.is_clean()


@pytest.mark.parametrize("value", ["127.0.0.1", "*", "elsewhere.test, 127.0.0.1"])
def test_no_proxy_honoured(case: Case, server: Server, value: str) -> None:
    with Proxy(broken=True) as proxy:
        environment = {"HTTP_PROXY": f"http://{proxy.authority}", "NO_PROXY": value}
        case.fill(server.url, environment=environment).is_ready()
    assert proxy.targets == []


@pytest.mark.emulated
def test_no_proxy_of_a_network_that_a_private_vocabulary_is_in(
    case: Case, server: Server, contents: dict[str, bytes], tmp_path: Path
) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / CL100K.published_name).write_bytes(contents[PATH])
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    with Proxy(broken=True) as proxy:
        environment = {"HTTP_PROXY": f"http://{proxy.authority}", "NO_PROXY": "10.0.0.0/8,127.0.0.0/8"}
        arguments = ["--extra", extra(server)]
        outcome = case.fill(
            str(folder), origin="on", environment=environment, arguments=arguments, private={key: PRIVATE}
        )
    outcome.is_ready()
    assert proxy.targets == []


@pytest.mark.emulated
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_proxy(case: Case, secure: Server, authority: Authority, scheme: str) -> None:
    with SocksProxy({"mirror.test:443": (secure.host, secure.port)}) as proxy:
        environment = {"ALL_PROXY": f"{scheme}://{proxy.authority}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        outcome = case.fill("https://mirror.test", environment=environment, files=[authority.bundle])
    outcome.is_ready()
    assert proxy.targets == ["mirror.test:443"]


# Mirrors.


def test_first_mirror_wrong_bytes_second_good(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, serve(bytes(SIZE)))
    case.fill(server.url, second.url).is_ready()
    assert second.moved == SIZE


@pytest.fixture
def origin(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """A stand-in for the origin, with a certificate for its name, where only a hosts file can lead to it."""
    host = ORIGIN.removeprefix("https://")
    with Server(authority.context(host), host="127.77.0.1", port=443) as started:
        for path, content in contents.items():
            started.offer(path, content)
        case.servers.append(started)
        yield started


def test_all_mirrors_dead_and_the_origin_good(
    case: Case, server: Server, second: Server, origin: Server, authority: Authority
) -> None:
    server.script(PATH, page(503))
    second.script(PATH, reset())
    with refusing() as port:
        outcome = case.fill(
            f"http://127.0.0.1:{port}",
            server.url,
            second.url,
            origin="on",
            environment={"TIKTOKEN_INIT_CA": str(authority.bundle)},
            files=[authority.bundle],
            hosts={ORIGIN.removeprefix("https://"): origin.host},
        )
    outcome.is_ready()
    assert origin.moved == SIZE


def test_origin_off_is_left_alone(case: Case, server: Server, origin: Server, authority: Authority) -> None:
    server.script(PATH, page(403))
    hosts = {ORIGIN.removeprefix("https://"): origin.host}
    trusting = ["--ca", str(authority.bundle)]
    case.fill(server.url, arguments=trusting, hosts=hosts, files=[authority.bundle]).is_failure(server.authority)
    assert origin.connections == 0


@pytest.mark.parametrize("retries", ["2", "99"], ids=["few-retries", "to-the-deadline"])
def test_everything_dead(case: Case, server: Server, second: Server, tmp_path: Path, retries: str) -> None:
    server.script(PATH, serve(after=1000, then=silent))
    second.script(PATH, page(503))
    with refusing() as port, name_server(answers=True):
        outcome = case.fill(
            f"http://127.0.0.1:{port}",
            server.url,
            second.url,
            origin="on",
            environment={"TIKTOKEN_INIT_DEADLINE": "6", "TIKTOKEN_INIT_RETRIES": retries},
            resolver=resolver(tmp_path),
        )
    outcome.is_failure("refused", "stall", "503", "resolv")
    host = ORIGIN.removeprefix("https://")
    for place in (f"127.0.0.1:{port}", server.authority, second.authority, host):
        assert re.search(f"tried .*{place}: ", outcome.said)
    assert outcome.ended.seconds < 6 + 2


def test_deadline_ends_a_transfer_that_goes_well_but_slowly(case: Case, server: Server) -> None:
    server.script(PATH, serve(rate=100_000))
    outcome = case.fill(server.url, environment={"TIKTOKEN_INIT_DEADLINE": "3"})
    outcome.is_failure(rf"tried http://{server.authority}", "deadline", "TIKTOKEN_INIT_DEADLINE|--deadline")
    assert 2.5 < outcome.ended.seconds < 5


def test_sigterm_in_mid_transfer(case: Case, server: Server) -> None:
    server.script(PATH, serve(rate=200_000))
    running = case.start(server.url)
    server.wait_until(lambda: server.moved > 200_000)
    running.terminate()
    outcome = case.end(running)
    assert outcome.ended.exit_code == 128 + 15, outcome.said
    assert outcome.ended.seconds < 1
    assert list(case.volume.iterdir()) == []
    outcome.is_clean()


def test_sigterm_in_a_transfer_that_stalls(case: Case, server: Server) -> None:
    server.script(PATH, serve(after=100_000, then=silent))
    running = case.start(server.url, environment={"TIKTOKEN_INIT_STALL_TIMEOUT": "60"})
    server.wait_until(lambda: server.moved >= 100_000)
    running.terminate()
    outcome = case.end(running)
    assert outcome.ended.exit_code == 128 + 15, outcome.said
    assert outcome.ended.seconds < 1
    outcome.is_clean()


def test_sigterm_in_a_wait_before_the_next_attempt(case: Case, server: Server) -> None:
    server.script(PATH, reply(503, retry_after="15"))
    running = case.start(server.url)
    server.wait_until(lambda: len(server.requests) == 1 and server.requests[0].ended is not None)
    time.sleep(0.3)
    running.terminate()
    outcome = case.end(running)
    assert outcome.ended.exit_code == 128 + 15, outcome.said
    assert outcome.ended.seconds < 1
    outcome.is_clean()


def test_two_files_over_limited_connections_take_the_time_of_the_larger(case: Case, server: Server) -> None:
    for vocabulary in (CL100K, O200K):
        server.script(f"/{vocabulary.path}", serve(rate=1_500_000))
    case.fill(server.url, encodings="cl100k_base,o200k_base").is_ready(CL100K, O200K)
    [small], [large] = server.asked(PATH), server.asked(f"/{O200K.path}")
    assert small.ended is not None
    assert large.ended is not None
    assert max(small.started, large.started) < min(small.ended, large.ended), "one after the other"
    both = max(small.ended, large.ended) - min(small.started, large.started)
    assert both < 1.2 * (large.ended - large.started)


def test_a_mirror_that_failed_is_not_the_first_choice_for_the_next_file(
    case: Case, server: Server, second: Server
) -> None:
    # More files than are fetched at once, so that there is a next one.
    wanted = {f"/private/{number}": b"IQ== %d\n" % number for number in range(30)}
    arguments = []
    for path, content in wanted.items():
        server.script(path, reset())
        second.offer(path, content)
        arguments += ["--extra", f"{second.url}{path}#sha256={hashlib.sha256(content).hexdigest()}"]
    server.script(PATH, reset())
    private = {cache_key(f"{second.url}{path}"): content for path, content in wanted.items()}
    case.fill(server.url, second.url, arguments=arguments, private=private).is_ready()
    assert len({request.path for request in server.requests}) <= 10


@pytest.mark.emulated
def test_every_encoding_from_one_mirror(case: Case, server: Server) -> None:
    case.fill(server.url, encodings=" ".join(known.name for known in ENCODINGS)).is_ready(*VOCABULARIES)
    assert server.moved == sum(vocabulary.limit for vocabulary in VOCABULARIES)


@pytest.mark.parametrize("name", [CL100K.published_name, CL100K.cache_key], ids=["published", "cache-key"])
def test_flat_mirror(case: Case, contents: dict[str, bytes], name: str) -> None:
    with Server() as flat:
        case.servers.append(flat)
        flat.offer(f"/some/where/{name}", contents[PATH])
        case.fill(f"{flat.url}/some/where/").is_ready()
        assert all(re.fullmatch(r"/some/where/[^/].*", request.path) for request in flat.requests)


@pytest.mark.parametrize("between", [",", " ", ", "])
def test_mirrors_by_comma_or_space(case: Case, server: Server, second: Server, between: str) -> None:
    server.script(PATH, reset())
    case.fill(environment={"TIKTOKEN_INIT_MIRRORS": between.join([server.url, second.url])}).is_ready()
    assert len(server.requests) == 1


def test_mirror_with_a_query(case: Case, server: Server) -> None:
    outcome = case.fill(f"{server.url}/?token=s3cr3t-t0ken")
    assert "s3cr3t-t0ken" not in outcome.said
    outcome.is_ready()
    assert server.requests[-1].target == f"{PATH}?token=s3cr3t-t0ken"


@pytest.mark.parametrize("name", [CL100K.path, CL100K.published_name, CL100K.cache_key])
@pytest.mark.parametrize("prefix", ["file://", ""], ids=["file-url", "folder"])
def test_folder_as_a_mirror(case: Case, tmp_path: Path, contents: dict[str, bytes], name: str, prefix: str) -> None:
    path = tmp_path / "a folder" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(contents[PATH])
    folder = str(tmp_path / "a folder")
    case.fill(prefix + (folder.replace(" ", "%20") if prefix else folder)).is_ready()


def test_folder_that_holds_the_wrong_bytes_before_a_good_mirror(case: Case, server: Server, tmp_path: Path) -> None:
    (tmp_path / CL100K.published_name).write_bytes(bytes(SIZE))
    case.fill(str(tmp_path), server.url).is_ready()


def test_folder_that_holds_the_wrong_bytes(case: Case, tmp_path: Path) -> None:
    (tmp_path / CL100K.published_name).write_bytes(bytes(SIZE))
    case.fill(f"file://{tmp_path}").is_failure(str(tmp_path), "wrong bytes|digest")


def test_folder_that_is_not_there(case: Case, tmp_path: Path) -> None:
    case.fill(str(tmp_path / "stick")).is_failure(str(tmp_path / "stick"), "no such|not there|does not exist|missing")


def test_pipe_in_a_folder_is_not_waited_for(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    os.mkfifo(folder / CL100K.published_name)
    outcome = case.fill(str(folder))
    outcome.is_failure(str(folder))
    assert outcome.ended.seconds < 5


def test_file_url_of_another_host(case: Case) -> None:
    outcome = case.fill("file://fileserver/share")
    assert outcome.ended.exit_code in (2, 4)
    assert "fileserver" in outcome.said
    outcome.is_clean()


# Private vocabularies.

PRIVATE = b"IQ== 0\nIg== 1\n" * 1000
PRIVATE_PATH = "/private/acme.tiktoken"


def extra(server: Server, content: bytes = PRIVATE) -> str:
    """Return the setting that asks for ``content`` at the server's private path."""
    return f"{server.url}{PRIVATE_PATH}#sha256={hashlib.sha256(content).hexdigest()}"


@pytest.mark.emulated
def test_private_vocabulary(case: Case, server: Server) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    outcome = case.fill(server.url, arguments=["--extra", extra(server)], private={key: PRIVATE})
    outcome.is_ready()
    assert (case.volume / key).read_bytes() == PRIVATE


@pytest.mark.emulated
def test_private_vocabulary_where_no_mirror_is(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.offer(PRIVATE_PATH, PRIVATE)
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    (case.volume / CL100K.cache_key).write_bytes(contents[PATH])
    outcome = case.fill(environment={"TIKTOKEN_INIT_EXTRA": extra(server)}, origin="on", private={key: PRIVATE})
    outcome.is_ready()
    assert (case.volume / key).read_bytes() == PRIVATE


@pytest.mark.emulated
def test_private_vocabulary_with_the_wrong_digest(case: Case, server: Server) -> None:
    server.offer(PRIVATE_PATH, b"something else")
    outcome = case.fill(server.url, arguments=["--extra", extra(server)], private={})
    # Nobody but the operator can tell which of the two digests is the wrong one.
    outcome.is_failure(server.authority, hashlib.sha256(b"something else").hexdigest(), about="acme.tiktoken")
    assert outcome.has(CL100K), "one file's failure kept another from being installed"


@pytest.mark.emulated
@pytest.mark.parametrize("length", ["right", "absent"])
def test_private_vocabulary_larger_than_its_limit(case: Case, server: Server, length: str) -> None:
    server.offer(PRIVATE_PATH, PRIVATE * 100)
    server.script(PRIVATE_PATH, serve(length="absent" if length == "absent" else "right", rate=2_000_000))
    arguments = ["--extra", extra(server, PRIVATE * 100), "--extra-limit", "20000"]
    outcome = case.fill(server.url, arguments=arguments)
    outcome.is_failure("20,?000", "TIKTOKEN_INIT_EXTRA_LIMIT|--extra-limit", about="acme.tiktoken")
    assert server.moved < SIZE + 20_000 + SLACK


@pytest.mark.emulated
def test_private_vocabulary_goes_on_after_a_reset(case: Case, server: Server) -> None:
    content = PRIVATE * 30
    server.offer(PRIVATE_PATH, content)
    server.script(PRIVATE_PATH, *[reset(after=len(content) // 4)] * 3, serve())
    key = cache_key(f"{server.url}{PRIVATE_PATH}")
    case.fill(server.url, arguments=["--extra", extra(server, content)], private={key: content}).is_ready()
    assert server.moved <= SIZE + 1.02 * len(content)


# What is said.

USER, PASSWORD, QUOTED = "mirror-user", "s3cret/Pa55word", "s3cret%2FPa55word"
OUTPUTS: tuple[list[str], ...] = ([], ["--log", "json"], ["--json"], ["--json", "--log", "json"])


def says_no_secret(said: str) -> None:
    """Check that no form of the password is in what was said."""
    pair = f"{USER}:{PASSWORD}".encode()
    for secret in (PASSWORD, QUOTED, "Pa55word", base64.b64encode(pair).decode(), pair.hex()):
        assert secret not in said


@pytest.mark.parametrize("answer", ["good", "404", "401", "redirect", "loop", "html", "wrong", "reset"])
def test_credentials_of_a_mirror_are_never_shown(case: Case, server: Server, answer: str) -> None:
    there = f"http://{USER}:{QUOTED}@{server.authority}"
    behaviours = {
        "good": serve(),
        "404": page(404),
        "401": reply(401, www_authenticate="Basic"),
        "redirect": redirect(f"{there}/elsewhere?sig={QUOTED}"),
        "loop": redirect(f"{there}{PATH}"),
        "html": page(),
        "wrong": serve(bytes(SIZE)),
        "reset": reset(),
    }
    server.script(PATH, behaviours[answer])
    for output in OUTPUTS:
        outcome = case.fill(there, arguments=output, environment={"TIKTOKEN_INIT_RETRIES": "1"})
        assert outcome.ended.exit_code == (0 if answer == "good" else 4), outcome.said
        says_no_secret(outcome.said)
        outcome.is_clean()
    sent = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert server.asked(PATH)[0].headers["authorization"] == f"Basic {sent}"


@pytest.mark.parametrize("output", OUTPUTS, ids=" ".join)
def test_credentials_of_a_proxy_are_never_shown(case: Case, output: list[str]) -> None:
    with Proxy(credentials="guest:other") as proxy:
        environment = {"HTTPS_PROXY": f"http://{USER}:{QUOTED}@{proxy.authority}"}
        outcome = case.fill("https://mirror.test", environment=environment, arguments=output)
    assert outcome.ended.exit_code == 4, outcome.said
    says_no_secret(outcome.said)
    assert "407" in outcome.said


@pytest.mark.parametrize("tail", [":99999", ":port", "]", "[", " ", ":80:80"])
def test_credentials_in_a_url_that_makes_no_sense_are_never_shown(case: Case, tail: str) -> None:
    outcome = case.fill(f"http://{USER}:{QUOTED}@127.0.0.1{tail}")
    assert outcome.ended.exit_code == 2, outcome.said
    assert "mirror" in outcome.said.lower()
    says_no_secret(outcome.said)
    outcome.is_clean()


@pytest.mark.parametrize("value", ["http://{}@[", "http://{}@127.0.0.1:port", "htp://{}@127.0.0.1:1"])
def test_credentials_in_a_proxy_setting_that_makes_no_sense_are_never_shown(
    case: Case, server: Server, value: str
) -> None:
    outcome = case.fill(server.url, environment={"HTTP_PROXY": value.format(f"{USER}:{QUOTED}")})
    assert outcome.ended.exit_code == 2, outcome.said
    assert "HTTP_PROXY" in outcome.said
    says_no_secret(outcome.said)
    outcome.is_clean()


@pytest.mark.emulated
def test_credentials_of_a_private_vocabulary_are_never_shown(case: Case, server: Server) -> None:
    url = f"http://{USER}:{QUOTED}@{server.authority}{PRIVATE_PATH}?sig={QUOTED}"
    setting = f"{url}#sha256={hashlib.sha256(PRIVATE).hexdigest()}"
    private = {cache_key(url): PRIVATE}
    for behaviour, exit_code in ((page(403), 4), (serve(PRIVATE[1:]), 4), (serve(PRIVATE), 0)):
        server.script(PRIVATE_PATH, behaviour)
        for output in OUTPUTS:
            arguments = ["--mirror", f"http://{server.authority}", "--extra", setting, *output]
            outcome = case.fill(origin="on", arguments=arguments, private=private)
            assert outcome.ended.exit_code == exit_code, outcome.said
            says_no_secret(outcome.said)
            outcome.is_clean()


def test_tokens_in_a_query_are_never_shown(case: Case, server: Server) -> None:
    for path in (PATH, f"/{CL100K.published_name}", f"/{CL100K.cache_key}"):
        server.script(path, page(403))
    for output in OUTPUTS:
        outcome = case.fill(f"{server.url}?sv=2022-11-02&sig={QUOTED}", arguments=output)
        assert outcome.ended.exit_code == 4, outcome.said
        says_no_secret(outcome.said)
    assert server.requests[0].target == f"{PATH}?sv=2022-11-02&sig={QUOTED}"


def test_credentials_do_not_follow_a_redirect_to_another_host(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    case.fill(f"http://{USER}:{QUOTED}@{server.authority}").is_ready()
    assert "authorization" not in second.requests[0].headers


def test_each_attempt_is_told_in_order(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, page(403))
    second.script(PATH, serve(bytes(SIZE)))
    outcome = case.fill(server.url, second.url)
    outcome.is_failure("403", "wrong bytes|digest")
    report = outcome.ended.stderr
    assert report.rindex(server.authority) < report.rindex(second.authority)


def test_json_tells_of_a_failure(case: Case, server: Server) -> None:
    server.script(PATH, page(403))
    outcome = case.fill(server.url, arguments=["--json"])
    outcome.is_failure("403")
    assert "403" in str(outcome.result)


def test_json_log_is_json_to_the_last_line(case: Case, server: Server) -> None:
    server.script(PATH, page(403))
    outcome = case.fill(server.url, arguments=["--log", "json"])
    outcome.is_failure("403")
    assert all(json.loads(line)["message"] for line in outcome.ended.stderr.splitlines())


def test_it_says_who_is_asking(case: Case, server: Server) -> None:
    case.fill(server.url).is_ready()
    [request] = server.requests
    assert "tiktoken-cache-init" in request.headers["user-agent"]


def test_nothing_is_asked_for_when_the_volume_is_ready(case: Case, server: Server) -> None:
    case.fill(server.url).is_ready()
    case.fill(server.url).is_ready()
    assert len(server.requests) == 1


def test_a_fast_fill_shows_no_progress_and_a_slow_one_does(case: Case, server: Server) -> None:
    fast = case.fill(server.url)
    server.script(f"/{O200K.path}", serve(rate=1_200_000))
    slow = case.fill(server.url, encodings="o200k_base")
    fast.is_ready()
    slow.is_ready(O200K)
    assert " of 1,681,126" not in fast.said
    assert re.search(r"[1-9][0-9,]* of 3,613,922 bytes", slow.said)
    assert server.authority in slow.said


def test_a_slow_fill_shows_a_bar_on_a_terminal_and_takes_it_away(case: Case, server: Server) -> None:
    server.script(PATH, serve(rate=500_000))
    ours, theirs = pty.openpty()
    command = [sys.executable, str(ROOT / "entrypoint.py"), "--sources", "fetch", "--encodings", "cl100k_base"]
    environment = {"TIKTOKEN_CACHE_DIR": str(case.volume), "TIKTOKEN_INIT_MIRRORS": server.url, "NO_COLOR": "1"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        # Reading from a terminal that nobody holds any more is an error, not an end of file.
        with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
            while received := terminal.read(4096):
                said += received
        assert process.wait(60) == 0
    drawn = re.findall(rb"\r\x1b\[K\[#+ *\] +\d+%", said)
    assert drawn, said
    assert b"]" not in said[said.rindex(b"\x1b[K") :]
    # The only escape is the one that clears the line: no colour.
    assert set(re.findall(rb"\x1b\[\d*[A-Za-z]", said)) == {b"\x1b[K"}
