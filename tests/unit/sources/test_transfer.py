"""Transfers from answers without a network, with simulated time. `tests/network` has the same from a real server."""

from __future__ import annotations

import asyncio
import errno
import gzip
import math
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.samples import staged_file, vocabulary
from tests.unit.conftest import Refuse
from tests.unit.sources.hasty import Hasty
from tiktoken_cache_init import catalogue
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import SourceError
from tiktoken_cache_init.sources.failures import CannotResumeError, NotFoundError
from tiktoken_cache_init.sources.transfer import _pieces, transfer

URL = "http://a.example/x"
LONG = b"right bytes\n" * 30_000
OTHER = b"x" * len(LONG)
WANTED = vocabulary(LONG)
PRIVATE = vocabulary(LONG, size=None)
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
PACKED = gzip.compress(LONG)
BROKEN = httpx.ReadError("")


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PRIVATE_LIMIT", 2 * len(LONG))


class Body(httpx.AsyncByteStream):
    """Body in pieces, one after each pause in seconds. It ends, raises an error, or stays open."""

    def __init__(self, content: bytes, then: Exception | str = "", piece: int = 50_000, pause: float = 0.0) -> None:
        self._pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
        self._then = then
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(self._pause)
            yield piece
        if isinstance(self._then, Exception):
            raise self._then
        if self._then == "open":
            await asyncio.sleep(3600)


def body(content: bytes, status: int = 200, headers: dict[str, str] | None = None, **how: Any) -> httpx.Response:
    """Return an answer without a length."""
    return httpx.Response(status, headers=headers, stream=Body(content, **how))


def whole(content: bytes, status: int = 200, **headers: str) -> httpx.Response:
    """Return an answer with a length."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers={"Content-Length": str(len(content)), **headers}, stream=Body(content))


class Result(NamedTuple):
    """Result of a transfer."""

    content: bytes
    seconds: float
    error: SourceError | None
    requests: list[httpx.Request]


def fetch(
    volume: Path,
    answer: Any,
    wanted: Vocabulary = WANTED,
    begun: bytes = b"",
    url: str = URL,
    end: float = math.inf,
    auth: httpx.Auth | None = None,
) -> Result:
    """Download from a server that gives this answer, or the answer that a function returns for a request."""
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> Any:
        requests.append(request)
        return answer(request) if callable(answer) else answer

    async def run() -> tuple[float, SourceError | None]:
        error = None
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond), auth=auth) as client:
            try:
                await transfer(client, url, staged, 15, end)
            except SourceError as caught:
                error = caught
        return asyncio.get_running_loop().time(), error

    with staged_file(volume, wanted) as staged, asyncio.Runner(loop_factory=Hasty) as runner:
        staged.write(begun)
        seconds, error = runner.run(run())
        return Result(staged.head()[: staged.position], seconds, error, requests)


def failure(volume: Path, answer: Any, **how: Any) -> SourceError:
    error = fetch(volume, answer, **how).error
    assert error
    return error


# Right bytes.


def test_a_download_starts_at_the_beginning_or_continues_where_the_file_ends(volume: Path) -> None:
    found = fetch(volume, whole(LONG))
    assert (found.content, found.error) == (LONG, None)
    assert "Range" not in found.requests[0].headers
    found = fetch(volume, whole(LONG[1000:], 206, Content_Range="bytes 1000-"), begun=LONG[:1000])
    assert (found.content, found.error) == (LONG, None)
    assert found.requests[0].headers["Range"] == "bytes=1000-"
    # The server ignores the range.
    assert fetch(volume, whole(LONG), begun=LONG[:1000]).content == LONG


@pytest.mark.parametrize("wanted", [WANTED, PRIVATE], ids=["size", "no size"])
@pytest.mark.parametrize(
    ("content", "coding", "then"),
    [
        (LONG, "identity", "open"),
        (LONG, "", BROKEN),
        (LONG, "aws-chunked", ""),
        (gzip.compress(LONG, 0) + b"more", " GZIP", ""),
        (PACKED, "x-gzip", BROKEN),
        (zlib.compress(LONG), "deflate", "open"),
    ],
)
def test_the_digest_decides_that_a_transfer_is_done(
    volume: Path, content: bytes, coding: str, then: Exception | str, wanted: Vocabulary
) -> None:
    found = fetch(volume, body(content, headers={"Content-Encoding": coding}, then=then), wanted)
    assert (found.content, found.seconds, found.error) == (LONG, 0, None)


def test_bytes_after_the_file_are_not_read(volume: Path) -> None:
    assert fetch(volume, body(LONG + b"one line too many\n", then="open")).content == LONG


def test_a_connection_that_breaks_while_it_is_closed_has_supplied_the_file(volume: Path) -> None:
    class Breaking(Body):
        async def aclose(self) -> None:
            raise BROKEN

    found = fetch(volume, httpx.Response(200, stream=Breaking(LONG)))
    assert (found.content, found.error) == (LONG, None)


@pytest.mark.parametrize("content", [gzip.compress(LONG), b'{"status": 1}', HTML])
def test_a_private_vocabulary_may_look_like_anything_because_its_digest_decides(volume: Path, content: bytes) -> None:
    assert fetch(volume, whole(content), vocabulary(content, size=None)).content == content


def test_a_compressed_body_is_never_unpacked_as_a_whole() -> None:
    async def pieces() -> list[bytes]:
        return [piece async for piece in _pieces(body(PACKED, headers={"Content-Encoding": "gzip"}))]

    found = asyncio.run(pieces())
    assert b"".join(found) == LONG
    assert max(map(len, found)) == 65_536


# Other bytes.

CHUNKED = {"Transfer-Encoding": "chunked"}
GONE, LATER, NEVER = "another name may work", "a retry may help", "neither helps"


@pytest.mark.parametrize(
    ("wanted", "answer", "said", "outlook", "kept"),
    [
        (WANTED, body(LONG[:5000], then=BROKEN), "the connection broke: ReadError", LATER, 5000),
        (WANTED, body(LONG[:5000]), "the body ended after 5,000 of 360,000 bytes", LATER, 5000),
        (WANTED, whole(LONG[:5000]), "the body ended after 5,000 of 360,000 bytes", GONE, 0),
        (WANTED, body(b"x", headers=CHUNKED), "the body ended after 1 of 360,000 bytes", GONE, 0),
        (WANTED, whole(LONG, 206), "answered 206 with a part of the file that was not asked for", GONE, 0),
        (WANTED, body(OTHER + b"x", then="open"), "has more than 360,000 bytes", GONE, 0),
        (WANTED, body(OTHER, then="open"), "wrong bytes (360,000 bytes, the right length), SHA-256 ", NEVER, 0),
        (WANTED, body(HTML), "answered with an HTML page", GONE, 0),
        (WANTED, whole(b"no gzip", Content_Encoding="gzip"), "its body is not compressed as its header", NEVER, 0),
        (WANTED, whole(b"", Content_Encoding="br"), "its body is compressed in an unknown way", NEVER, 0),
        (PRIVATE, body(LONG[:1000]), "the body ended after 1,000 bytes", LATER, 1000),
        (PRIVATE, whole(LONG[:1000]), "wrong bytes (1,000 bytes)", NEVER, 0),
        (PRIVATE, body(b"x", headers=CHUNKED), "wrong bytes (1 bytes)", NEVER, 0),
        (PRIVATE, whole(OTHER + OTHER), "wrong bytes (720,000 bytes)", NEVER, 0),
        # A length that is too long is enough.
        (PRIVATE, body(LONG, headers={"Content-Length": "720001"}), "has more than 720,000 bytes", GONE, 0),
        (PRIVATE, body(OTHER + OTHER + b"x"), "has more than 720,000 bytes", GONE, 0),
    ],
)
def test_a_body_that_is_not_the_file_is_reported(
    volume: Path, wanted: Vocabulary, answer: httpx.Response, said: str, outlook: str, kept: int
) -> None:
    found = fetch(volume, answer, wanted)
    error = found.error
    assert error
    assert str(error).startswith(said)
    assert (GONE if isinstance(error, NotFoundError) else LATER if error.transient else NEVER) == outlook
    assert (len(found.content), found.seconds) == (kept, 0)
    assert ("login page" in error.advice) == ("HTML" in said)
    assert ("add &size=BYTES" in error.advice) == ("more than 720,000" in said)


@pytest.mark.parametrize(
    ("wanted", "begun", "answer"),
    [
        (WANTED, LONG[:1000], whole(LONG[5:], 206, Content_Range="bytes 5-")),
        (WANTED, LONG[:1000], whole(PACKED[1000:], 206, Content_Range="bytes 1000-", Content_Encoding="gzip")),
        (WANTED, LONG[:1000], whole(b"", 416)),
        (WANTED, LONG[:1000], body(OTHER[1000:], 206, {"Content-Range": "bytes 1000-"}, then="open")),
        # Another source sent all bytes, but wrong ones.
        (WANTED, OTHER, whole(b"", 206, Content_Range="bytes 360000-")),
        # The body is complete, so a retry would not add bytes.
        (PRIVATE, LONG[:1000], whole(OTHER[:500], 206, Content_Range="bytes 1000-")),
        # The length and the bytes that are there are too long together.
        (
            PRIVATE,
            LONG[:1000],
            body(b"", 206, {"Content-Range": "bytes 1000-", "Content-Length": "719001"}, then="open"),
        ),
    ],
    ids=["another range", "compressed", "refused", "other bytes", "nothing left", "no size", "too long"],
)
def test_a_server_that_does_not_continue_the_file_is_reported(
    volume: Path, wanted: Vocabulary, begun: bytes, answer: httpx.Response
) -> None:
    assert isinstance(failure(volume, answer, wanted=wanted, begun=begun), CannotResumeError)


def test_bytes_are_kept_if_a_continued_body_ends_early_or_a_server_refuses(volume: Path) -> None:
    for answer, transient, kept in (
        (whole(LONG[1000:1500], 206, Content_Range="bytes 1000-"), True, 1500),
        (whole(b"", 404), False, 1000),
    ):
        found = fetch(volume, answer, begun=LONG[:1000])
        assert found.error
        assert (found.error.transient, found.content) == (transient, LONG[:kept])


def test_an_error_of_this_machine_is_not_an_error_of_the_server(volume: Path, refuse: Refuse) -> None:
    with pytest.raises(MemoryError):
        fetch(volume, body(b"", then=MemoryError()))
    refuse("write", errno.ENOSPC)
    with pytest.raises(VolumeError, match="No space left on device"):
        fetch(volume, whole(LONG))


# Redirects and credentials.


def test_redirects_are_followed_up_to_a_limit_and_named(volume: Path) -> None:
    redirects: list[httpx.Response] = []

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path[1:])
        if not number:
            return whole(LONG)
        redirects.append(body(b"moved", 302, {"Location": f"http://b.example/{number - 1}"}))
        return redirects[-1]

    assert fetch(volume, answer, url="http://a.example/5").content == LONG
    # Their bodies are not read.
    assert [redirect.is_stream_consumed for redirect in redirects] == [False] * 5
    assert all(redirect.is_closed for redirect in redirects)
    said = "redirected to b.example: redirected more than 5 times"
    assert str(failure(volume, answer, url="http://a.example/6")) == said
    error = failure(volume, httpx.Response(302, headers={"Location": "ftp://a.example/x"}))
    assert str(error) == "redirected to a URL that is not http(s)"


@pytest.mark.parametrize("user", ["", "user:secret@"], ids=["netrc", "url"])
@pytest.mark.parametrize(
    ("url", "location", "is_sent"),
    [
        ("https://a.example/x", "https://a.example:443/y", True),
        ("http://a.example/x", "https://a.example/y", True),
        ("https://a.example/x", "https://a.example:444/y", False),
        ("https://a.example/x", "http://a.example/y", False),
        ("https://a.example/x", "//b.example/y", False),
    ],
)
def test_credentials_follow_a_redirect_only_to_the_same_origin(
    volume: Path, tmp_path: Path, user: str, url: str, location: str, is_sent: bool
) -> None:
    netrc = "".join(f"machine {host}.example login user password {host}\n" for host in "ab")
    (tmp_path / "netrc").write_text(netrc)

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Location": location}) if request.url.path == "/x" else whole(LONG)

    auth = httpx.NetRCAuth(str(tmp_path / "netrc"))
    found = fetch(volume, answer, url=url.replace("://", f"://{user}"), auth=auth)
    assert found.content == LONG
    expected = "Basic dXNlcjpzZWNyZXQ=" if user else "Basic dXNlcjph"
    sent = [request.headers.get("Authorization", "") for request in found.requests]
    assert sent == [expected, expected if is_sent else ""]


# Time.


def test_a_server_that_sends_less_than_1_kib_a_second_is_given_up_after_the_time_out(volume: Path) -> None:
    async def silent(_: httpx.Request) -> None:
        await asyncio.sleep(3600)

    enough = 15 * 1024
    for answer, seconds, size in (
        (silent, 15, 0),
        (body(LONG[:1000], then="open"), 15, 1000),
        (body(LONG, piece=enough - 1, pause=10), 15, enough - 1),
        (body(LONG[: enough * 2], piece=enough, pause=10, then="open"), 35, enough * 2),
        # The time is extended from the last progress.
        (body(LONG[: enough + 1000], piece=enough, pause=10, then="open"), 25, enough + 1000),
    ):
        found = fetch(volume, answer)
        assert found.error
        assert str(found.error) == f"stalled for 15 s after {size:,} bytes"
        assert (found.seconds, found.error.transient) == (seconds, True)


@pytest.mark.parametrize(
    ("wanted", "headers"), [(WANTED, {}), (PRIVATE, {"Content-Length": str(len(LONG))})], ids=["size", "length"]
)
def test_a_transfer_that_would_end_after_the_deadline_is_given_up(
    volume: Path, wanted: Vocabulary, headers: dict[str, str]
) -> None:
    def slowly(end: float, pause: float = 10, piece: int = 30_000) -> tuple[bytes, float, str]:
        answer = body(LONG, headers=headers, piece=piece, pause=pause)
        content, seconds, error, _ = fetch(volume, answer, wanted, end=end)
        return content, seconds, str(error or "")

    assert slowly(120) == (LONG, 120, "")
    said = "too slow: at 2.9 KiB/s it needs 110 s more, and 109 s are left"
    assert slowly(119) == (LONG[:30_000], 10, said)
    assert slowly(9, pause=2, piece=1)[2].startswith("too slow: at 0.0 KiB/s it needs 719,998 s more")
    # The speed of the first two seconds tells nothing.
    assert slowly(13, pause=1)[1] == 12
    assert slowly(11, pause=1)[1] == 2


def test_the_end_of_a_transfer_without_any_length_is_not_estimated(volume: Path) -> None:
    private = vocabulary(b"abc", size=None)
    assert fetch(volume, body(b"abc", piece=1, pause=2), private, end=5).content == b"abc"
