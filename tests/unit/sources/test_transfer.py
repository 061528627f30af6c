from __future__ import annotations

import asyncio
import email.utils
import errno
import gzip
import math
import re
import selectors
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import CONTENT, staged_file, vocabulary
from tests.unit.conftest import Refuse
from tests.unit.sources.server import (
    Answer,
    Request,
    Server,
    continue_with,
    give,
    redirect,
    refuse_with,
    reset,
    silent,
)
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import SourceError
from tiktoken_cache_init.sources.failures import (
    CannotResumeError,
    NotFoundError,
    _retry_after,
    add_place,
    explain,
    refusal,
)
from tiktoken_cache_init.sources.transfer import _pieces, transfer

LONG = b"right bytes\n" * 30_000
WANTED = vocabulary(LONG)
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def fetch(url: str, volume: Path, wanted: Vocabulary = WANTED, begun: bytes = b"", **options: Any) -> bytes:
    timeout = options.pop("timeout", 20.0)

    async def run() -> None:
        async with httpx.AsyncClient(timeout=None, **({"verify": False} | options)) as client:
            await transfer(client, url, staged, timeout)

    with staged_file(volume, wanted) as staged:
        staged.write(begun)
        try:
            asyncio.run(run())
        except SourceError as error:
            error.add_note(f"{staged.position} bytes are kept")
            raise
        return staged.head()


def failure(url: str, volume: Path, wanted: Vocabulary = WANTED, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch(url, volume, wanted, **options)
    assert "\n" not in str(caught.value)
    return caught.value


# Bodies and ranges.


def test_a_file_is_downloaded(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG))
    assert fetch(f"{server.url}/x", volume) == LONG
    assert "Range" not in server.requests[0].headers


def test_a_download_continues_where_the_file_ends(server: Server, volume: Path) -> None:
    server.script("/x", continue_with(LONG))
    assert fetch(f"{server.url}/x", volume, begun=LONG[:1000]) == LONG
    assert server.requests[0].headers["Range"] == "bytes=1000-"


def test_a_download_starts_again_if_the_server_ignores_the_range(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG))
    assert fetch(f"{server.url}/x", volume, begun=LONG[:1000]) == LONG


PACKED = gzip.compress(LONG)


@pytest.mark.parametrize(
    "answer",
    [
        give(LONG[5:], 206, {"Content-Range": f"bytes 5-{len(LONG) - 1}/{len(LONG)}"}),
        give(LONG[1000:], 206),
        give(LONG[1000:], 206, {"Content-Range": "lines 1000-"}),
        give(PACKED[1000:], 206, {"Content-Range": "bytes 1000-", "Content-Encoding": "GZIP"}),
        give(b"x" * (len(LONG) - 1000), 206, {"Content-Range": "bytes 1000-"}),
        give(b"x" * len(LONG), 206, {"Content-Range": "bytes 1000-"}),
        refuse_with(416),
    ],
    ids=["another range", "no range named", "an invalid range", "compressed", "other bytes", "too long", "refused"],
)
def test_a_server_that_does_not_continue_the_file_is_reported(server: Server, volume: Path, answer: Answer) -> None:
    server.script("/x", answer)
    assert isinstance(failure(f"{server.url}/x", volume, begun=LONG[:1000]), CannotResumeError)


def test_a_file_of_wrong_bytes_from_another_source_is_not_continued(server: Server, volume: Path) -> None:
    server.script("/x", give(b"", 206, {"Content-Range": f"bytes {len(LONG)}-"}))
    assert isinstance(failure(f"{server.url}/x", volume, begun=b"x" * len(LONG)), CannotResumeError)


def chunked(body: bytes, end: str = "0\r\n\r\n") -> Answer:
    """Answer with a body of one chunk, without a header for its length."""
    framed = f"{len(body):x}\r\n".encode() + body + b"\r\n" + end.encode()
    return give(framed, headers={"Transfer-Encoding": "chunked"}, length=False)


def and_then(answer: Answer, ending: Answer) -> Answer:
    def both(request: Request) -> None:
        answer(request)
        ending(request)

    return both


@pytest.mark.parametrize(
    "answer",
    [
        and_then(give(LONG, length=False), silent),
        and_then(chunked(LONG, ""), silent),
        chunked(LONG, ""),
        give(LONG + b"1", upto=len(LONG)),
        and_then(give(LONG + b"1", upto=len(LONG)), silent),
        and_then(and_then(chunked(LONG, ""), lambda _: time.sleep(0.2)), reset),
        chunked(LONG, "no chunk"),
    ],
    ids=["open", "open chunks", "no last chunk", "short", "short and open", "reset", "broken chunks"],
)
@pytest.mark.parametrize("size", [len(LONG), None])
def test_the_digest_decides_that_a_transfer_is_done(
    server: Server, volume: Path, answer: Answer, size: int | None
) -> None:
    server.script("/x", answer)
    began = time.monotonic()
    assert fetch(f"{server.url}/x", volume, vocabulary(LONG, size=size, max_size=size or 2 * len(LONG))) == LONG
    assert time.monotonic() - began < 5


def test_a_connection_that_breaks_while_it_is_closed_has_supplied_the_file(volume: Path) -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield LONG

        async def aclose(self) -> None:
            raise httpx.ReadError("reset")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    assert fetch("http://a.example/x", volume, transport=transport) == LONG


def test_what_a_server_sends_after_the_file_is_not_read(server: Server, volume: Path) -> None:
    server.script("/x", and_then(give(LONG + b"one line too many\n", length=False), silent))
    assert fetch(f"{server.url}/x", volume) == LONG


@pytest.mark.parametrize("position", [0, 1000])
def test_no_more_than_the_size_is_read_of_wrong_bytes(server: Server, volume: Path, position: int) -> None:
    wrong = give(b"x" * (len(LONG) - position), 206 if position else 200, {"Content-Range": f"bytes {position}-"})
    server.script("/x", and_then(wrong, silent))
    error = failure(f"{server.url}/x", volume, begun=LONG[:position])
    assert not error.transient
    assert ("wrong bytes" in str(error)) == (position == 0)


def test_a_body_that_breaks_off_keeps_its_bytes_and_is_transient(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG, upto=5000))
    error = failure(f"{server.url}/x", volume)
    assert error.transient
    assert error.__notes__ == ["5000 bytes are kept"]


def test_a_complete_body_that_is_too_short_is_not_the_file(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG[:5000]))
    error = failure(f"{server.url}/x", volume)
    assert isinstance(error, NotFoundError)
    assert str(error) == "the body ended after 5,000 of 360,000 bytes"


def test_a_part_that_was_not_requested_is_not_the_file(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG, 206))
    assert isinstance(failure(f"{server.url}/x", volume), NotFoundError)


@pytest.mark.parametrize("length", [True, False], ids=["declared", "endless"])
def test_a_body_that_is_too_long_is_not_the_file(server: Server, volume: Path, length: bool) -> None:
    server.script("/x", give(b"x" * len(LONG) * 2, length=length))
    error = failure(f"{server.url}/x", volume)
    assert isinstance(error, NotFoundError)
    assert str(error) == "has more than 360,000 bytes"
    assert error.__notes__ == ["0 bytes are kept"]


def test_a_private_vocabulary_that_is_too_long_comes_with_advice(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG))
    error = failure(f"{server.url}/x", volume, vocabulary(size=None, max_size=100))
    assert "add &size=BYTES" in error.advice


def test_a_body_without_a_length_is_whole_only_if_its_digest_is_right(server: Server, volume: Path) -> None:
    private = vocabulary(LONG, size=None, max_size=2 * len(LONG))
    server.script("/x", give(LONG, length=False))
    assert fetch(f"{server.url}/x", volume, private) == LONG
    server.script("/x", give(LONG, length=False, upto=1000))
    error = failure(f"{server.url}/x", volume, private)
    assert (str(error), error.transient) == ("the body ended after 1,000 bytes", True)


@pytest.mark.parametrize("content", [gzip.compress(CONTENT, mtime=0), b"<?xml version='1.0'?>", b'{"status": 1}', HTML])
def test_a_private_vocabulary_may_look_like_anything_because_its_digest_decides(
    server: Server, volume: Path, content: bytes
) -> None:
    server.script("/x", give(content))
    assert fetch(f"{server.url}/x", volume, vocabulary(content, size=None, max_size=1000)) == content


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", gzip.compress(LONG, mtime=0)), (" GZIP", gzip.compress(LONG, mtime=0)), ("deflate", zlib.compress(LONG))],
)
def test_a_compressed_body_is_unpacked(server: Server, volume: Path, coding: str, body: bytes) -> None:
    server.script("/x", give(body + b"more", headers={"Content-Encoding": coding}))
    assert fetch(f"{server.url}/x", volume) == LONG


@pytest.mark.parametrize(
    ("coding", "body", "said"),
    [
        ("gzip", b"no gzip", "its body is not compressed as its header says"),
        ("br", b"", "its body is compressed in an unknown way, which was not asked for"),
        ("gzip", gzip.compress(b"x" * (len(LONG) + 1)), "has more than 360,000 bytes"),
        ("gzip", gzip.compress(LONG[:5]) + gzip.compress(LONG[5:]), "the body ended after 5 of 360,000 bytes"),
    ],
    ids=["plain", "unknown", "too long", "two parts"],
)
def test_a_compressed_body_that_is_not_the_file_is_reported(
    server: Server, volume: Path, coding: str, body: bytes, said: str
) -> None:
    server.script("/x", give(body, headers={"Content-Encoding": coding}))
    error = failure(f"{server.url}/x", volume)
    assert (str(error), error.transient) == (said, False)


def test_a_compressed_body_is_never_unpacked_as_a_whole() -> None:
    async def pieces() -> list[bytes]:
        response = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(PACKED))
        return [piece async for piece in _pieces(response)]

    found = asyncio.run(pieces())
    assert b"".join(found) == LONG
    assert max(map(len, found)) == 65_536


def test_a_page_in_place_of_the_file_is_recognised(server: Server, volume: Path) -> None:
    server.script("/x", give(HTML))
    error = failure(f"{server.url}/x", volume)
    assert isinstance(error, NotFoundError)
    assert str(error).startswith("answered with an HTML page")
    assert "login page" in error.advice
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    server.script("/y", redirect(f"{elsewhere}/x"))
    said = str(failure(f"{server.url}/y", volume))
    assert said.startswith(f"redirected to {elsewhere.removeprefix('http://')}: answered with an HTML page")


def test_a_page_in_place_of_a_private_vocabulary_is_recognised(server: Server, volume: Path) -> None:
    private = vocabulary(LONG, size=None, max_size=2 * len(LONG))
    server.script("/x", chunked(HTML))
    error = failure(f"{server.url}/x", volume, private)
    assert isinstance(error, NotFoundError)
    assert str(error).startswith("answered with an HTML page")
    assert error.__notes__ == ["0 bytes are kept"]


def test_a_body_in_chunks_is_whole_although_no_header_tells_its_length(server: Server, volume: Path) -> None:
    server.script("/x", chunked(LONG[:1000]))
    error = failure(f"{server.url}/x", volume, vocabulary(LONG, size=None, max_size=2 * len(LONG)))
    assert str(error).startswith("wrong bytes (1,000 bytes)")
    assert not error.transient


# Redirects and credentials.


def test_redirects_are_followed_up_to_a_limit(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG))
    for number in range(6):
        server.script(f"/{number}", redirect(f"/{number - 1}" if number else "/x"))
    assert fetch(f"{server.url}/4", volume) == LONG
    assert str(failure(f"{server.url}/5", volume)) == "redirected more than 5 times"


@pytest.mark.parametrize(
    ("place", "said"),
    [("https://u:s3cret@b.example:444/?s3cret", "b.example:444"), ("https://s3%63ret/", "another host")],
)
def test_a_redirect_is_named_by_a_plain_host_alone(place: str, said: str) -> None:
    error = SourceError("no")
    add_place(error, [httpx.URL("https://a.example/x"), httpx.URL(place)])
    assert str(error) == f"redirected to {said}: no"


def test_a_redirect_to_another_protocol_is_not_followed(server: Server, volume: Path) -> None:
    server.script("/x", redirect("ftp://a.example/x"))
    assert str(failure(f"{server.url}/x", volume)) == "redirected to a URL that is not http(s)"


@pytest.mark.parametrize("user", ["", "user:secret@"], ids=["netrc", "url"])
@pytest.mark.parametrize(
    ("url", "location", "is_sent"),
    [
        ("https://a.example/x", "/y", True),
        ("https://a.example/x", "https://a.example:443/y", True),
        ("http://a.example/x", "https://a.example/y", True),
        ("https://a.example/x", "https://a.example:444/y", False),
        ("https://a.example/x", "http://a.example/y", False),
        ("https://a.example/x", "https://b.example/y", False),
        ("https://a.example/x", "//b.example/y", False),
    ],
)
def test_credentials_follow_a_redirect_only_to_the_same_origin(
    volume: Path, tmp_path: Path, user: str, url: str, location: str, is_sent: bool
) -> None:
    netrc = "".join(f"machine {host}.example login user password {host}\n" for host in "ab")
    (tmp_path / "netrc").write_text(netrc)
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("Authorization", ""))
        is_first = request.url.path == "/x"
        return (
            httpx.Response(302, headers={"Location": location})
            if is_first
            else httpx.Response(200, stream=httpx.ByteStream(LONG))
        )

    options: dict[str, Any] = {
        "transport": httpx.MockTransport(answer),
        "auth": httpx.NetRCAuth(str(tmp_path / "netrc")),
    }
    assert fetch(url.replace("://", f"://{user}"), volume, **options) == LONG
    expected = "Basic dXNlcjpzZWNyZXQ=" if user else "Basic dXNlcjph"
    assert sent == [expected, expected if is_sent else ""]


# Refusals.


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_these_refusals_are_transient(server: Server, volume: Path, status: int) -> None:
    server.script("/x", refuse_with(status))
    error = failure(f"{server.url}/x", volume)
    assert error.transient
    assert str(error).startswith(f"{status} ")
    assert not isinstance(error, NotFoundError)


@pytest.mark.parametrize(
    ("status", "another_name", "advice"),
    [
        (400, False, ""),
        (401, False, "put USER:PASSWORD@ into the mirror's URL, or add an entry to the netrc file"),
        (403, True, ""),
        (404, True, ""),
        (410, True, ""),
        (304, True, ""),
        (407, False, "put the proxy's credentials into its URL"),
        (501, False, ""),
        (505, False, ""),
        (511, False, "check that no proxy or login page answers instead of the server"),
    ],
)
def test_these_refusals_are_not_transient(
    server: Server, volume: Path, status: int, another_name: bool, advice: str
) -> None:
    server.script("/x", refuse_with(status))
    error = failure(f"{server.url}/x", volume)
    assert not error.transient
    assert isinstance(error, NotFoundError) == another_name
    assert error.advice.startswith(advice)
    assert bool(error.advice) == bool(advice)


def test_a_refusal_says_how_long_the_server_asks_to_wait(server: Server, volume: Path) -> None:
    server.script("/x", refuse_with(503, Retry_After="17"))
    error = failure(f"{server.url}/x", volume)
    assert str(error) == "503 Service Unavailable, and asks to wait 17 s"
    assert error.wait == 17


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("9" * 400, 0.0),
        ("", 0.0),
        ("-7", 0.0),
        ("7.5", 0.0),
        ("\xb2", 0.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0.0),
        ("Fri, 99 Foo 2026 00:00:00 GMT", 0.0),
    ],
)
def test_a_wait_in_seconds_is_read_if_it_is_valid(text: str, wait: float) -> None:
    assert _retry_after(text) == wait


def test_a_wait_until_a_date_is_read() -> None:
    assert _retry_after(email.utils.formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=5)
    assert _retry_after(email.utils.formatdate(time.time() - 100, usegmt=True)) == 0


@given(st.text("0123456789 ,:-FriGMT\xb2\xff", max_size=30))
def test_any_retry_after_header_gives_a_valid_wait(text: str) -> None:
    assert _retry_after(text) >= 0


# Broken connections.


@pytest.mark.parametrize("begun", [0, 1000])
def test_a_server_that_never_answers_is_given_up_after_the_time_out(server: Server, volume: Path, begun: int) -> None:
    server.script("/x", silent)
    began = time.monotonic()
    error = failure(f"{server.url}/x", volume, timeout=0.2, begun=LONG[:begun])
    assert (str(error), error.transient) == (f"stalled for 0.2 s after {begun:,} bytes", True)
    assert time.monotonic() - began < 5


class Hasty(asyncio.SelectorEventLoop):
    """Event loop with simulated time: it advances the time at once in place of waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = selectors.SelectSelector()
        select = selector.select

        def at_once(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        selector.select = at_once  # type: ignore[method-assign]
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def slowly(volume: Path, size: int, end: float = math.inf, length: str = "") -> tuple[bytes, float, str]:
    """Download from a server that sends ``size`` bytes every ten seconds; return the bytes, the seconds and the failure."""

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for start in range(0, len(LONG), size):
                await asyncio.sleep(10)
                yield LONG[start : start + size]

    async def run() -> tuple[float, str]:
        headers = {"Content-Length": length} if length else {}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=Body()))
        said = ""
        async with httpx.AsyncClient(transport=transport) as client:
            try:
                await transfer(client, "http://a.example/x", staged, 15, end)
            except SourceError as error:
                said = str(error)
        return asyncio.get_running_loop().time(), said

    wanted = vocabulary(LONG, size=None, max_size=len(LONG)) if length else WANTED
    with staged_file(volume, wanted) as staged, asyncio.Runner(loop_factory=Hasty) as runner:
        took, said = runner.run(run())
        return staged.head(), took, said


def test_a_transfer_that_is_too_slow_is_given_up(volume: Path) -> None:
    assert slowly(volume, 30_000) == (LONG, 120, "")
    assert slowly(volume, 1) == (LONG[:1], 15, "stalled for 15 s after 1 bytes")
    # Two pieces in 15 seconds are slower than 1,024 bytes a second.
    assert slowly(volume, 7_000) == (LONG[:7_000], 15, "stalled for 15 s after 7,000 bytes")


@pytest.mark.parametrize("length", ["", str(len(LONG))])
def test_a_transfer_that_would_end_after_the_deadline_is_given_up(volume: Path, length: str) -> None:
    assert slowly(volume, 30_000, 120, length) == (LONG, 120, "")
    said = "too slow: at 2.9 KiB/s it needs 110 s more, and 109 s are left"
    assert slowly(volume, 30_000, 119, length) == (LONG[:30_000], 10, said)


def test_a_connection_that_breaks_is_transient(server: Server, volume: Path) -> None:
    server.script("/x", reset)
    error = failure(f"{server.url}/x", volume)
    assert error.transient
    assert str(error) in ("connection reset by peer", "the connection broke: ReadError")


def test_a_host_that_refuses_connections_is_a_transient_failure(volume: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{closed.getsockname()[1]}/x", volume)
    assert (str(error), error.transient) == ("connection refused", True)


def test_an_error_of_the_volume_is_not_an_error_of_the_server(server: Server, volume: Path, refuse: Refuse) -> None:
    server.script("/x", give(LONG))
    with staged_file(volume, WANTED):
        refuse("write", errno.ENOSPC)
        with pytest.raises(VolumeError, match="No space left on device"):
            fetch(f"{server.url}/x", volume)


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "TLS")
    error.reason = reason
    return error


def certificate_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "said", "transient", "advice"),
    [
        (certificate_error(10, "certificate has expired"), "its certificate has expired", False, "clock"),
        (certificate_error(62, "Hostname mismatch"), "its certificate is for another host", False, ""),
        (certificate_error(64, "IP address mismatch"), "its certificate is for another host", False, ""),
        (certificate_error(19, "self-signed"), "is not trusted (self-signed)", False, "set TIKTOKEN_INIT_CA"),
        (tls_error("WRONG_VERSION_NUMBER"), "TLS failed (WRONG_VERSION_NUMBER)", True, ""),
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved (Name or", True, ""),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to host", True, ""),
        (OSError(errno.EMFILE, "x"), "too many open files", True, "ulimit -n"),
        (
            RuntimeError("can't start new thread"),
            "no name look-up",
            False,
            "memory and processes; on Docker before 20.10.10",
        ),
        (httpx.InvalidURL("x"), "its host name is not a valid one", False, "spelling"),
        (httpx.ReadError(""), "the connection broke: ReadError", True, ""),
        (
            httpx.RemoteProtocolError("illegal header line: bytearray(b'X c2VjcmV0')"),
            "the connection broke: illegal header line",
            True,
            "",
        ),
        (ValueError("unknown 'c2VjcmV0'"), "ValueError: unknown ", False, ""),
        (OverflowError("connect(): port must be 0-65535."), "its port is not a valid one", False, "spelling"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "the proxy answered 407", False, "credentials"),
        (httpx.ProxyError("502 Bad Gateway"), "the proxy answered 502", True, "HTTPS_PROXY"),
        (httpx.ProxyError("403 you sent c2VjcmV0"), "the proxy answered 403 Forbidden", False, "HTTPS_PROXY"),
        (httpx.ProxyError("odd"), "the proxy failed: odd", True, "HTTPS_PROXY"),
        (httpx.ProxyError("odd: c2VjcmV0"), "the proxy failed: odd", True, "HTTPS_PROXY"),
        (OSError("odd"), "OSError: odd", False, ""),
    ],
)
def test_a_failure_is_reported_in_plain_words(error: Exception, said: str, transient: bool, advice: str) -> None:
    found = explain(error, 0, 15)
    assert said in str(found)
    assert "c2VjcmV0" not in str(found)
    assert found.transient == transient
    assert advice in found.advice
    assert bool(advice) == bool(found.advice)


def test_the_cause_of_a_failure_is_found_below_the_errors_of_libraries() -> None:
    outer = httpx.ConnectError("All connection attempts failed")
    outer.__cause__ = OSError("All connection attempts failed")
    outer.__cause__.__cause__ = ExceptionGroup("several", [ConnectionRefusedError(errno.ECONNREFUSED, "x")])
    assert str(explain(outer, 0, 15)) == "connection refused"


# Certificates and proxies.


def placed(error: SourceError, url: str) -> SourceError:
    add_place(error, [httpx.URL(url)])
    return error


def test_a_certificate_that_is_not_trusted_is_reported_with_advice(volume: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = Server(context)
    server.script("/x", give(LONG))
    error = failure(f"{server.url}/x", volume, verify=ssl.create_default_context())
    assert "is not trusted" in str(error)
    assert "TIKTOKEN_INIT_CA" in error.advice
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    assert fetch(f"{server.url}/x", volume, verify=trusting) == LONG
    server.close()


def test_a_failure_behind_a_proxy_names_the_proxy_without_its_credentials(
    server: Server, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@{server.host}")
    error = failure("http://a.example/x", volume)
    assert str(error) == f"through the proxy {server.host}: 404 Not Found"
    assert isinstance(error, NotFoundError)
    assert "HTTPS_PROXY" in error.advice
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.host}")
    assert placed(NotFoundError("404 Not Found"), "https://a.example/x").advice == ""
    monkeypatch.setenv("NO_PROXY", "a.example:8080")
    assert str(placed(NotFoundError("404 Not Found"), "https://a.example:8080/x")) == "404 Not Found"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert str(failure(f"{server.url}/x", volume)) == "404 Not Found"


@pytest.mark.parametrize(
    ("proxy", "url", "advice"),
    [
        (
            "http://127.0.0.1:7890",
            "https://a.example/x",
            "check HTTPS_PROXY, .* 127.0.0.1 is the container itself: .*--network host",
        ),
        ("", "http://localhost:1/x", "start the server; .*--network host"),
        ("", "http://[::1]:1/x", "start the server; .*--network host"),
        ("http://10.0.0.1:7890", "http://127.0.0.1/x", "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY$"),
        ("", "http://a.example/x", "$"),
    ],
)
def test_a_refused_connection_to_loopback_has_advice_for_a_container(
    monkeypatch: pytest.MonkeyPatch, proxy: str, url: str, advice: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    refused = explain(ConnectionRefusedError(errno.ECONNREFUSED, "x"), 0, 15)
    assert re.match(advice, placed(refused, url).advice)
    unreachable = explain(OSError(errno.ENETUNREACH, "x"), 0, 15)
    assert "--network host" not in placed(unreachable, url).advice


def test_a_proxy_without_a_scheme_is_named_too(server: Server, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", server.host)
    assert str(failure("https://a.example/x", volume)).startswith(
        f"through the proxy {server.host}: the proxy answered"
    )


def test_the_reason_phrase_of_the_server_is_not_printed() -> None:
    response = httpx.Response(503, extensions={"reason_phrase": b"you sent Basic c2VjcmV0"})
    assert str(refusal(response)) == "503 Service Unavailable"
