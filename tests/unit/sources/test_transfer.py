from __future__ import annotations

import asyncio
import errno
import gzip
import math
import selectors
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.samples import CONTENT, staged_file, vocabulary
from tests.server import Answer, Request, Server, close, compressed, give, redirect, refuse_with, reset, serve, silent
from tests.unit.conftest import Refuse
from tiktoken_cache_init import catalogue
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import SourceError
from tiktoken_cache_init.sources.failures import CannotResumeError, NotFoundError
from tiktoken_cache_init.sources.transfer import _pieces, transfer

LONG = b"right bytes\n" * 30_000
WANTED = vocabulary(LONG)
PRIVATE = vocabulary(LONG, size=None)
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
PACKED = gzip.compress(LONG)


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PRIVATE_LIMIT", 2 * len(LONG))


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
            error.add_note(str(staged.position))
            raise
        return staged.head()


def failure(url: str, volume: Path, wanted: Vocabulary = WANTED, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch(url, volume, wanted, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def encoded(body: bytes, coding: str = "gzip") -> Answer:
    return give(body, headers={"Content-Encoding": coding})


def late_reset(request: Request) -> None:
    time.sleep(0.2)
    reset(request)


# Right bytes.


def test_a_file_is_downloaded(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG))
    assert fetch(f"{server.url}/x", volume) == LONG
    assert "Range" not in server.requests[0].headers


def test_a_download_continues_where_the_file_ends(server: Server, volume: Path) -> None:
    server.script("/x", serve(LONG))
    assert fetch(f"{server.url}/x", volume, begun=LONG[:1000]) == LONG
    assert server.requests[0].headers["Range"] == "bytes=1000-"


@pytest.mark.parametrize(
    "answer",
    [
        give(LONG, length=False, then=silent),
        give(LONG, length="chunked", then=silent),
        give(LONG, length="chunked", then=close),
        give(LONG, length=len(LONG) + 1),
        give(LONG, length="chunked", then=late_reset),
        give(LONG, length="chunked", then=lambda request: request.write(b"no chunk")),
        encoded(PACKED + b"more", " GZIP"),
        encoded(zlib.compress(LONG), "deflate"),
        encoded(gzip.compress(LONG, 0), "x-gzip"),  # more than one chunk
        encoded(LONG, "aws-chunked"),
        encoded(LONG, ""),
    ],
    ids=[
        *("open", "open chunks", "no last chunk", "short", "reset", "broken chunks"),
        *("gzip", "deflate", "x-gzip", "aws-chunked", "no coding"),
    ],
)
@pytest.mark.parametrize("wanted", [WANTED, PRIVATE], ids=["size", "no size"])
# A server that ignores the range sends the whole file again.
@pytest.mark.parametrize("begun", [0, 1000])
def test_the_digest_decides_that_a_transfer_is_done(
    server: Server, volume: Path, answer: Answer, wanted: Vocabulary, begun: int
) -> None:
    server.script("/x", answer)
    began = time.monotonic()
    assert fetch(f"{server.url}/x", volume, wanted, LONG[:begun]) == LONG
    assert time.monotonic() - began < 5


def test_bytes_after_the_file_are_not_read(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG + b"one line too many\n", length=False, then=silent))
    assert fetch(f"{server.url}/x", volume) == LONG


def test_a_connection_that_breaks_while_it_is_closed_has_supplied_the_file(volume: Path) -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield LONG

        async def aclose(self) -> None:
            raise httpx.ReadError("reset")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    assert fetch("http://a.example/x", volume, transport=transport) == LONG


@pytest.mark.parametrize("content", [gzip.compress(CONTENT, mtime=0), b"<?xml version='1.0'?>", b'{"status": 1}', HTML])
def test_a_private_vocabulary_may_look_like_anything_because_its_digest_decides(
    server: Server, volume: Path, content: bytes
) -> None:
    server.script("/x", give(content))
    assert fetch(f"{server.url}/x", volume, vocabulary(content, size=None)) == content


def test_a_compressed_body_is_never_unpacked_as_a_whole() -> None:
    async def pieces() -> list[bytes]:
        response = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(PACKED))
        return [piece async for piece in _pieces(response)]

    found = asyncio.run(pieces())
    assert b"".join(found) == LONG
    assert max(map(len, found)) == 65_536


# Other bytes.

GONE, LATER, NEVER = "another name may work", "a retry may help", "neither helps"


@pytest.mark.parametrize(
    ("wanted", "answer", "said", "outlook", "kept"),
    [
        (WANTED, give(LONG, upto=5000), "the connection broke: ", LATER, 5000),
        (WANTED, give(LONG[:5000], length=False), "the body ended after 5,000 of 360,000 bytes", LATER, 5000),
        (WANTED, give(LONG[:5000]), "the body ended after 5,000 of 360,000 bytes", GONE, 0),
        (WANTED, give(LONG, 206), "answered 206 with a part of the file that was not asked for", GONE, 0),
        (WANTED, give(b"x" * len(LONG) * 2), "has more than 360,000 bytes", GONE, 0),
        (WANTED, give(b"x" * len(LONG) * 2, length=False), "has more than 360,000 bytes", GONE, 0),
        (WANTED, give(b"x" * len(LONG), length=False, then=silent), "wrong bytes (360,000 bytes, the ", NEVER, 0),
        (WANTED, give(HTML), "answered with an HTML page", GONE, 0),
        (WANTED, encoded(b"no gzip"), "its body is not compressed as its header says", NEVER, 0),
        (WANTED, encoded(b"", "br"), "its body is compressed in an unknown way, which was not asked for", NEVER, 0),
        (WANTED, compressed(b"x" * len(LONG) + b"x"), "has more than 360,000 bytes", GONE, 0),
        (WANTED, encoded(gzip.compress(LONG[:5]) + PACKED), "the body ended after 5 of 360,000 bytes", GONE, 0),
        (WANTED, reset, "", LATER, 0),
        (PRIVATE, give(LONG, length=False, upto=1000), "the body ended after 1,000 bytes", LATER, 1000),
        (PRIVATE, give(LONG[:1000], length="chunked"), "wrong bytes (1,000 bytes)", NEVER, 0),
        (PRIVATE, give(HTML, length="chunked"), "answered with an HTML page", GONE, 0),
        (PRIVATE, give(b"", length=720_001, then=silent), "has more than 720,000 bytes", GONE, 0),
        (PRIVATE, give(b"x" * 720_001, length=False), "has more than 720,000 bytes", GONE, 0),
    ],
)
def test_a_body_that_is_not_the_file_is_reported(
    server: Server, volume: Path, wanted: Vocabulary, answer: Answer, said: str, outlook: str, kept: int
) -> None:
    server.script("/x", answer)
    error = failure(f"{server.url}/x", volume, wanted)
    assert str(error).startswith(said)
    assert (GONE if isinstance(error, NotFoundError) else LATER if error.transient else NEVER) == outlook
    assert error.__notes__ == [str(kept)]
    assert ("login page" in error.advice) == ("HTML" in said)
    assert ("add &size=BYTES" in error.advice) == ("720,000" in said)


@pytest.mark.parametrize(
    "answer",
    [
        give(LONG[5:], 206, {"Content-Range": f"bytes 5-{len(LONG) - 1}/{len(LONG)}"}),
        give(LONG[1000:], 206),
        give(LONG[1000:], 206, {"Content-Range": "lines 1000-"}),
        give(PACKED[1000:], 206, {"Content-Range": "bytes 1000-", "Content-Encoding": "GZIP"}),
        give(b"x" * (len(LONG) - 1000), 206, {"Content-Range": "bytes 1000-"}, then=silent),
        give(b"x" * len(LONG), 206, {"Content-Range": "bytes 1000-"}),
        refuse_with(416),
    ],
    ids=["another range", "no range named", "an invalid range", "compressed", "other bytes", "too long", "refused"],
)
def test_a_server_that_does_not_continue_the_file_is_reported(server: Server, volume: Path, answer: Answer) -> None:
    server.script("/x", answer)
    assert isinstance(failure(f"{server.url}/x", volume, begun=LONG[:1000]), CannotResumeError)


def test_a_continued_body_that_ends_early_is_continued_again(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG[1000:1500], 206, {"Content-Range": "bytes 1000-1499/360000"}))
    error = failure(f"{server.url}/x", volume, begun=LONG[:1000])
    assert (error.transient, error.__notes__) == (True, ["1500"])


def test_a_file_of_wrong_bytes_from_another_source_is_not_continued(server: Server, volume: Path) -> None:
    server.script("/x", give(b"", 206, {"Content-Range": f"bytes {len(LONG)}-"}))
    assert isinstance(failure(f"{server.url}/x", volume, begun=b"x" * len(LONG)), CannotResumeError)


def test_an_error_of_the_volume_is_not_an_error_of_the_server(server: Server, volume: Path, refuse: Refuse) -> None:
    server.script("/x", give(LONG))
    refuse("write", errno.ENOSPC)
    with pytest.raises(VolumeError, match="No space left on device"):
        fetch(f"{server.url}/x", volume)


# Redirects and credentials.


def test_redirects_are_followed_up_to_a_limit(server: Server, volume: Path) -> None:
    server.script("/x", give(LONG))
    for number in range(6):
        server.script(f"/{number}", redirect(f"/{number - 1}" if number else "/x"))
    assert fetch(f"{server.url}/4", volume) == LONG
    assert str(failure(f"{server.url}/5", volume)) == "redirected more than 5 times"


def test_an_error_after_a_redirect_names_the_place_that_it_led_to(server: Server, volume: Path) -> None:
    place = server.host.replace("127.0.0.1", "localhost")
    server.script("/x", give(HTML))
    server.script("/y", redirect(f"http://{place}/x"))
    assert str(failure(f"{server.url}/y", volume)).startswith(f"redirected to {place}: answered with an HTML page")
    server.script("/x", reset)
    assert str(failure(f"{server.url}/y", volume)).startswith(f"redirected to {place}: ")
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
        if request.url.path == "/x":
            return httpx.Response(302, headers={"Location": location})
        return httpx.Response(200, stream=httpx.ByteStream(LONG))

    auth = httpx.NetRCAuth(str(tmp_path / "netrc"))
    first = url.replace("://", f"://{user}")
    assert fetch(first, volume, transport=httpx.MockTransport(answer), auth=auth) == LONG
    expected = "Basic dXNlcjpzZWNyZXQ=" if user else "Basic dXNlcjph"
    assert sent == [expected, expected if is_sent else ""]


# Time.


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

    with (
        staged_file(volume, PRIVATE if length else WANTED) as staged,
        asyncio.Runner(loop_factory=Hasty) as runner,
    ):
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
