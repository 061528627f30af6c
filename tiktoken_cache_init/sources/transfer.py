"""One bounded, resumable transfer of a file over HTTP into a temporary file.

No statement of a server is trusted: not the length, not the range, not the type. A transfer is done when the digest is right.
"""

import asyncio
import contextlib
import math
import zlib
from collections.abc import AsyncIterator

import httpx

from ..errors import InitError
from ..volume.identify import looks_like
from ..volume.staging import StagedFile
from . import SourceError, wrong_bytes
from .failures import PORTAL_ADVICE, CannotResumeError, NotFoundError, TooSlowError, add_place, explain, refusal

_MAX_REDIRECTS = 5
_PIECE = 1 << 16
"""Maximum bytes that are unpacked at once: a small compressed body may hold any number of bytes."""
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_OTHER_NAMES = {"": "identity", "aws-chunked": "identity", "x-gzip": "gzip"}
"""Other name of a coding -> its name. S3 and stores like it send aws-chunked for a plain file."""
_MIN_SPEED = 1024
"""Bytes a second. A slower transfer counts as stalled."""
_JUDGED_AFTER = 2.0
"""Seconds after which the speed of a transfer tells how long it takes."""


async def transfer(
    client: httpx.AsyncClient, url: str, staged: StagedFile, timeout: float, end: float = math.inf
) -> None:
    """Download the rest of the file at ``url``. Return when the digest is right, however the connection ends.

    Args:
        client: the client.
        url: the URL of the file.
        staged: the temporary file. The transfer continues where it ends.
        timeout: seconds until the body must start, and again for each ``timeout * _MIN_SPEED`` bytes.
        end: time by which the transfer must end, as the event loop counts. A transfer that would take longer is ended.

    Raises:
        CannotResumeError: the bytes that are there cannot be continued from this URL.
        NotFoundError: the file is not at this URL.
        TooSlowError: the transfer would not end in time.
        SourceError: the transfer failed in another way.
        VolumeError: the temporary file cannot be written.
    """
    visited: list[httpx.URL] = []
    try:
        async with (
            asyncio.timeout(timeout) as window,
            contextlib.aclosing(await _request(client, url, visited, staged.position)) as response,
        ):
            await _receive(response, staged, _Pace(window, timeout, end))
    except (InitError, MemoryError):
        raise
    except Exception as error:
        # The connection may break after the last byte, such as while it is closed.
        if staged.is_right:
            return
        # The libraries below httpx raise other exceptions if the server or the proxy does not use HTTP or SOCKS.
        failure = error if isinstance(error, SourceError) else explain(error, staged.position, timeout)
        add_place(failure, visited)
        raise failure from None


class _Pace:
    """Extends the time limit of a transfer after progress, and ends a transfer that would take too long."""

    def __init__(self, window: asyncio.Timeout, timeout: float, end: float) -> None:
        self._window = window
        self._timeout = timeout
        self._end = end
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._received = self._marked = 0

    def check(self, count: int, missing: int) -> None:
        """Take the number of bytes that have just come, and of those that are still missing.

        Raises:
            TooSlowError: the missing bytes would take too long.
        """
        now = self._clock()
        self._received += count
        if self._received - self._marked >= _MIN_SPEED * self._timeout:
            self._window.reschedule(now + self._timeout)
            self._marked = self._received
        if now - self._began >= _JUDGED_AFTER:
            speed = self._received / (now - self._began)
            if missing / speed > self._end - now:
                raise TooSlowError(speed, missing / speed, self._end - now)


async def _request(client: httpx.AsyncClient, url: str, visited: list[httpx.URL], start: int) -> httpx.Response:
    """Ask for the bytes from ``start`` on. The URL and those of redirects are added to ``visited``."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    request = client.build_request("GET", url, headers=headers)
    # The credentials of the URL, or else of the netrc file, are only for the origin of the first URL. httpx removes them from
    # the request that follows a redirect to another origin.
    auth = None if request.url.userinfo else httpx.USE_CLIENT_DEFAULT
    while len(visited) <= _MAX_REDIRECTS:
        visited.append(request.url)
        # Redirects are followed here, because httpx reads the whole body of each redirect.
        response = await client.send(request, stream=True, auth=auth)
        if response.next_request is None:
            return response
        await response.aclose()
        request, auth = response.next_request, None
        if request.url.scheme not in ("http", "https"):
            raise NotFoundError("redirected to a URL that is not http(s)")
    raise NotFoundError(f"redirected more than {_MAX_REDIRECTS} times")


async def _receive(response: httpx.Response, staged: StagedFile, pace: _Pace) -> None:
    """Write the body to the file until the digest is right. Bytes that a retry cannot continue are discarded."""
    resumed = _is_continuation(response, staged.position)
    if not resumed:
        staged.restart()
    try:
        await _write_body(response, staged, pace)
    except SourceError as error:
        if error.transient:
            raise
        if resumed:
            # Another server may have sent the wrong bytes.
            raise CannotResumeError("continued the file with other bytes") from error
        staged.restart()
        raise


async def _write_body(response: httpx.Response, staged: StagedFile, pace: _Pace) -> None:
    vocabulary = staged.vocabulary
    size = vocabulary.size or staged.position + int(response.headers.get("Content-Length", 0))
    if size > vocabulary.max_size:
        raise _too_long(staged)
    async for piece in _pieces(response):
        room = vocabulary.max_size - staged.position
        staged.write(piece[:room])
        if staged.is_right:
            return
        if len(piece) >= room:
            raise _too_long(staged) if len(piece) > room else wrong_bytes(staged)
        pace.check(len(piece), size - staged.position)
    raise _ended(response, staged)


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the body in pieces. Some servers compress it although that was not asked for."""
    if _coding(response) == "identity":
        async for chunk in response.aiter_raw():
            yield chunk
        return
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    async for chunk in response.aiter_raw():
        rest = chunk
        while piece := unpacker.decompress(rest, _PIECE):
            yield piece
            rest = unpacker.unconsumed_tail
        if unpacker.eof:
            return


def _coding(response: httpx.Response) -> str:
    name = str(response.headers.get("Content-Encoding", "identity")).strip().lower()
    return _OTHER_NAMES.get(name, name)


def _is_continuation(response: httpx.Response, start: int) -> bool:
    """Return whether the body continues the file at ``start``, or False if it is a whole file.

    Raises:
        SourceError: the body is neither.
    """
    status, coding = response.status_code, _coding(response)
    if start and status in (206, 416):
        # A part of a compressed body does not continue the bytes that were unpacked before.
        if coding != "identity" or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise CannotResumeError("does not continue where the file ends")
        return True
    if status == 206:
        raise NotFoundError("answered 206 with a part of the file that was not asked for")
    if status != 200:
        raise refusal(response)
    if coding not in ("identity", "gzip", "deflate"):
        # The name of the coding is not printed, because the server may repeat credentials in it.
        raise SourceError("its body is compressed in an unknown way, which was not asked for")
    return False


def _ended(response: httpx.Response, staged: StagedFile) -> SourceError:
    """Return why a body that has ended is not the file."""
    size = staged.vocabulary.size
    if page := looks_like(staged.head()):
        return NotFoundError(f"answered with {page.text}", advice=PORTAL_ADVICE)
    # httpx raises an error if a framed body is cut, so a framed one is complete.
    is_framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if staged.position == size or (not size and is_framed):
        return wrong_bytes(staged)
    text = f"the body ended after {staged.position:,}{f' of {size:,}' if size else ''} bytes"
    is_whole = is_framed and response.status_code == 200
    return NotFoundError(text) if is_whole else SourceError(text, transient=True)


def _too_long(staged: StagedFile) -> NotFoundError:
    advice = "" if staged.vocabulary.size else "if it really is that long, add &size=BYTES in TIKTOKEN_INIT_EXTRA"
    return NotFoundError(f"has more than {staged.vocabulary.max_size:,} bytes", advice=advice)
