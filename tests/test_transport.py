"""The pure parts, and what only shows inside the process; the network itself is in ``tests/network``."""

from __future__ import annotations

import email.utils
import errno
import gzip
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.network.authority import Authority
from tests.network.server import Behaviour, Server, serve, silent
from tests.samples import CONTENT, settings, staging, vocabulary
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import BadSetting, VolumeError
from tiktoken_cache_init.run import Closed, DeadlinePassed, Run
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import NotThere, RouteFailed
from tiktoken_cache_init.sources.transport import (
    Transport,
    _content_range,
    _peek,
    _refusal,
    _retry_after,
    failure_of,
    proxies_of,
    trust,
    unproxied,
)

LONG = b"right bytes\n" * 30_000


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


def caused(by: BaseException) -> httpx.ConnectError:
    """Return an error of httpx's as it wraps one of the system's."""
    error = httpx.ConnectError("all connection attempts failed")
    error.__context__ = by
    return error


def response(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


# Ranges.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 5-9/10", (5, 10)),
        (" Bytes  0-0/1 ", (0, 1)),
        ("bytes 5-9/*", (5, None)),
        ("bytes 5-9", (5, None)),
        ("bytes */10", (None, None)),
        ("lines 5-9/10", (None, None)),
        ("bytes", (None, None)),
        ("", (None, None)),
        ("bytes -5/10", (None, None)),
        ("bytes ²-9/10", (None, None)),
        ("bytes 5-9/²", (5, None)),
    ],
)
def test_a_content_range_is_read_or_left_unsaid(text: str, found: tuple[int | None, int | None]) -> None:
    assert _content_range(text) == found


@given(st.text(max_size=30))
def test_no_content_range_makes_trouble(text: str) -> None:
    _content_range(f"bytes {text}")


# Bodies.


@pytest.mark.parametrize("parts", [[], [b""], [b"a"], [b"a", b"b"], [b"x" * 600, b"y"], [b"x" * 300, b"y" * 300, b"z"]])
def test_the_beginning_of_a_body_is_seen_and_nothing_of_it_lost(parts: list[bytes]) -> None:
    chunks = iter(parts)
    head, whole = _peek(chunks)
    body = b"".join(parts)
    assert body.startswith(head)
    assert len(head) >= min(len(body), 512)
    assert b"".join(whole) == body


# Refusals.


@pytest.mark.parametrize(("status", "passing"), [(status, True) for status in (408, 425, 429, 500, 502, 503, 504, 599)])
def test_what_can_pass(status: int, passing: bool) -> None:
    assert _refusal(response(status)).passing is passing


@pytest.mark.parametrize("status", [100, 201, 204, 206, 301, 400, 401, 403, 404, 407, 410, 451, 501, 505, 511])
def test_what_cannot_pass(status: int) -> None:
    assert not _refusal(response(status)).passing


@pytest.mark.parametrize("status", [300, 304, 403, 404, 410])
def test_where_another_name_may_be_better(status: int) -> None:
    assert isinstance(_refusal(response(status)), NotThere)


@pytest.mark.parametrize("status", [401, 407, 500, 511])
def test_where_another_name_is_no_better(status: int) -> None:
    assert not isinstance(_refusal(response(status)), NotThere)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "credentials into the mirror's URL"), (407, "the proxy's credentials into its URL"), (511, "login page")],
)
def test_what_to_do_about_a_refusal(status: int, advice: str) -> None:
    assert advice in _refusal(response(status)).advice


def test_a_refusal_says_its_status_and_the_wait_that_was_asked_for() -> None:
    assert str(_refusal(response(404))) == "404 Not Found"
    failure = _refusal(response(503, retry_after="7"))
    assert str(failure).startswith("503 Service Unavailable")
    assert failure.wait == 7


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("9" * 400, 999999999.0),
        ("", None),
        ("-7", None),
        ("7.5", None),
        ("soon", None),
    ],
)
def test_a_wait_in_seconds(text: str, wait: float | None) -> None:
    assert _retry_after(response(503, retry_after=text)) == wait


def test_a_wait_until_a_date() -> None:
    later = email.utils.formatdate(time.time() + 100, usegmt=True)
    earlier = email.utils.formatdate(time.time() - 100, usegmt=True)
    assert _retry_after(response(503, retry_after=later)) == pytest.approx(100, abs=5)
    assert _retry_after(response(503, retry_after=earlier)) == 0


@pytest.mark.parametrize(
    "text", [b"\xb2", b"Fri, 31 Dec 99999 23:59:59 GMT", b"Fri, 99 Foo 2026 00:00:00 GMT", b"\xff\xfe"]
)
def test_a_wait_that_makes_no_sense_is_none(text: bytes) -> None:
    assert _retry_after(httpx.Response(503, headers=[(b"Retry-After", text)])) is None


# Failures of the layers below.


def test_our_own_errors_are_left_alone() -> None:
    error = VolumeError("no")
    assert failure_of(error) is error


@pytest.mark.parametrize(
    ("error", "text", "passing"),
    [
        (httpx.UnsupportedProtocol("x"), "redirected to something that is not http(s)", False),
        (httpx.ConnectTimeout("x"), "no connection in time", True),
        (httpx.ReadTimeout("x"), "stalled: no bytes in time", True),
        (httpx.PoolTimeout("x"), "stalled: no bytes in time", True),
        (caused(ConnectionRefusedError(errno.ECONNREFUSED, "x")), "connection refused", True),
        (caused(ConnectionResetError(errno.ECONNRESET, "x")), "connection reset by peer", True),
        (caused(OSError(errno.ENETUNREACH, "x")), "network is unreachable", True),
        (
            caused(socket.gaierror(-2, "Name or service not known")),
            "its name cannot be resolved (Name or service not known)",
            True,
        ),
        (caused(OSError("all failed")), "the connection broke: all connection attempts failed", True),
        (httpx.RemoteProtocolError("Server disconnected"), "the connection broke: Server disconnected", True),
        (httpx.RemoteProtocolError("Receive buffer too long"), "its headers do not end", False),
        (ValueError("odd"), "ValueError: odd", False),
    ],
)
def test_a_failure_is_told_in_plain_words(error: Exception, text: str, passing: bool) -> None:
    failure = failure_of(error)
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == (text, passing)


def verification_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        (10, "its certificate has expired", "clock"),
        (62, "its certificate is for another host (x)", ""),
        (64, "its certificate is for another host (x)", ""),
        (20, "its certificate is not trusted (x)", "TIKTOKEN_INIT_CA"),
    ],
)
def test_a_certificate_that_is_refused_cannot_pass_and_says_why(code: int, text: str, advice: str) -> None:
    failure = failure_of(caused(verification_error(code, "x")))
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == (text, False)
    assert advice in failure.advice


def test_tls_that_breaks_can_pass() -> None:
    error = ssl.SSLError(1, "odd")
    error.reason = "ODD"
    failure = failure_of(caused(error))
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == ("TLS failed (ODD)", True)


@pytest.mark.parametrize(
    ("said", "text", "passing"),
    [
        ("407 Proxy Authentication Required", "answered 407 Proxy Authentication Required", False),
        ("403 Forbidden", "answered 403 Forbidden", False),
        ("502 Bad Gateway", "answered 502 Bad Gateway", True),
        ("429 Slow", "answered 429 Slow", True),
        ("no SOCKS", "failed: no SOCKS", True),
    ],
)
def test_a_proxy_that_refuses_is_told_from_a_mirror_that_does(said: str, text: str, passing: bool) -> None:
    failure = failure_of(httpx.ProxyError(said), "proxy.example:3128")
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == (f"the proxy proxy.example:3128 {text}", passing)
    assert "proxy" in failure.advice.lower()


def test_a_proxy_that_cannot_be_reached_is_the_one_to_blame() -> None:
    refused = caused(ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    assert str(failure_of(refused, "p:1")) == "the proxy p:1: connection refused"
    assert str(failure_of(caused(verification_error(20, "x")), "p:1")) == "its certificate is not trusted (x)"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, set()),
        ({"HTTP_PROXY": "http://p.example"}, {"p.example:80"}),
        ({"https_proxy": "https://user:pass@p.example"}, {"p.example:443"}),
        ({"ALL_PROXY": "socks5://p.example", "HTTPS_PROXY": "p.example:3128"}, {"p.example:1080", "p.example:3128"}),
        ({"NO_PROXY": "x", "FTP_PROXY": "y z", "HTTP_PROXY": ""}, set()),
    ],
)
def test_the_proxies_are_those_of_the_environment(environment: dict[str, str], found: set[str]) -> None:
    assert proxies_of(environment) == found


@pytest.mark.parametrize(
    "value", ["http://p.example:x", "http://:3128", "http://user:secret@", "p q", "http://p:99999"]
)
def test_a_proxy_that_leads_nowhere_is_a_bad_setting_by_its_name(value: str) -> None:
    with pytest.raises(BadSetting, match=r"^HTTPS_PROXY: ") as caught:
        proxies_of({"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value)


def test_a_proxy_that_the_client_cannot_use_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://p.example:70")
    with pytest.raises(BadSetting, match="HTTPS_PROXY"):
        Transport(settings(), Run())._shared_client()


# Trust.


def subjects(context: ssl.SSLContext) -> set[str]:
    names = [dict(part[0] for part in found["subject"]) for found in context.get_ca_certs()]  # type: ignore[misc]
    return {name["organizationName"] for name in names}


def test_a_bundle_of_ours_adds_to_the_trust_and_the_variable_replaces_it(tmp_path: Path) -> None:
    one, other = Authority(tmp_path, "one"), Authority(tmp_path, "other")
    alone = trust("", {"SSL_CERT_FILE": str(one.bundle)})
    both = trust(str(other.bundle), {"SSL_CERT_FILE": str(one.bundle)})
    assert (subjects(alone), subjects(both)) == ({"one"}, {"one", "other"})
    # An authority in a folder is loaded when it is met.
    assert not subjects(trust("", {"SSL_CERT_DIR": str(one.directory(tmp_path / "folder"))}))


def test_an_interpreter_that_knows_no_authorities_gets_some(monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenSSL itself reads these, in place of what it was built with.
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/file")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere/folder")
    assert trust("", {}).cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize(
    ("content", "text"), [(None, "cannot read .*: No such file"), ("no", ".* holds no certificate in PEM form")]
)
def test_a_bundle_that_is_none_is_a_bad_setting_by_its_name(tmp_path: Path, content: str | None, text: str) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(BadSetting, match=f"^SSL_CERT_FILE: {text}"):
        trust("", {"SSL_CERT_FILE": str(bundle)})
    with pytest.raises(BadSetting, match=f"^TIKTOKEN_INIT_CA: {text}"):
        trust(str(bundle), {})


def test_what_proxies_that_break_tls_issue_is_not_refused_for_its_form() -> None:
    assert not trust("", {}).verify_flags & ssl.VERIFY_X509_STRICT


# Transfers.


def fetched(
    server: Server, behaviour: Behaviour, pin: Vocabulary, folder: Path, chosen: Settings | None = None
) -> bytes:
    server.script("/x", behaviour)
    run = Run(60)
    with staging(folder / "volume", pin, run) as (_, staged):
        Transport(chosen or settings(), run).get(f"{server.url}/x", pin, staged)
        return staged.beginning()


@pytest.mark.parametrize(
    "content",
    [gzip.compress(CONTENT), b"<?xml version='1.0'?><vocabulary/>", b'{"status": {"0": 1}}', b"PK\x03\x04zip"],
)
def test_a_private_vocabulary_may_look_like_anything_for_its_digest_decides(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    pin = vocabulary(content, size=None, limit=1000)
    assert fetched(server, serve(content), pin, tmp_path) == content


def test_a_body_without_a_length_is_taken_for_whole_only_if_its_digest_is_right(server: Server, tmp_path: Path) -> None:
    pin = vocabulary(LONG, size=None, limit=2 * len(LONG))
    assert fetched(server, serve(LONG, length="absent"), pin, tmp_path) == LONG
    with pytest.raises(RouteFailed, match="the connection closed") as caught:
        fetched(server, serve(LONG, length="absent", after=1000), pin, tmp_path)
    assert caught.value.passing


def test_the_end_of_the_run_ends_a_transfer_and_no_byte_is_written_after_it(server: Server, tmp_path: Path) -> None:
    server.script("/x", serve(LONG, after=1000, then=silent))
    pin, run = vocabulary(LONG), Run()
    with staging(tmp_path, pin, run) as (_, staged):

        def close() -> None:
            while not staged.position:
                time.sleep(0.01)
            run.close()

        threading.Thread(target=close).start()
        with pytest.raises(Closed):
            Transport(settings(), run).get(f"{server.url}/x", pin, staged)


def test_the_deadline_ends_a_transfer_and_no_byte_is_written_after_it(server: Server, tmp_path: Path) -> None:
    server.script("/x", serve(LONG, rate=200_000))
    pin, run = vocabulary(LONG), Run(0.3)
    with staging(tmp_path, pin, run) as (_, staged):
        with pytest.raises(DeadlinePassed):
            Transport(settings(), run).get(f"{server.url}/x", pin, staged)
        before = staged.position
        assert before < len(LONG)
        time.sleep(0.5)
        assert staged.position == before


def test_a_volume_that_fails_in_mid_transfer_is_not_the_server_s_fault(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tiktoken_cache_init.staging.os.write", full)
    with pytest.raises(VolumeError, match="No space left on device"):
        fetched(server, serve(LONG), vocabulary(LONG), tmp_path)


def test_all_transfers_of_a_run_share_one_client() -> None:
    transport = Transport(settings(), Run())
    assert transport._shared_client() is transport._shared_client()


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("localhost, .cluster.local", "localhost,.cluster.local"),
        ("a.test b.test", "a.test,b.test"),
        ("fd00::/8,[::1],::1/128", "::1"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("fd00::/8", "fd00::5"),
        ("a.test:8080,a.test:port", "a.test:8080"),
        ("10.0.0.0/nonsense", ""),
        ("*", "*"),
    ],
)
def test_no_proxy_is_read_as_clusters_write_it(said: str, read: str) -> None:
    mirrors = (
        ["http://10.1.2.3:80/x"] if "10." in said else ["http://[fd00::5]/x"] if said == "fd00::/8" else ["/folder"]
    )
    assert unproxied(said, mirrors) == read


def test_a_proxy_that_no_parser_takes_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting, match="HTTP_PROXY"):
        proxies_of({"HTTP_PROXY": "http://xn--:80"})
