"""One bounded, resumable transfer of a file over HTTP into a temporary file.

No statement of a server is trusted: not the length, not the range, not the type. A transfer is done when the digest is right.
"""

import asyncio
import re
import zlib
from collections.abc import Iterator

import httpx

from ..errors import InitError
from ..volume.identify import looks_like
from ..volume.staging import StagedFile
from . import SourceError, wrong_bytes
from .failures import PORTAL_ADVICE, CannotResumeError, NotFoundError, add_place, explain, refusal
from .pace import Limits, Pace

_MAX_REDIRECTS = 5
_PIECE = 1 << 16
"""Maximum bytes that are unpacked at once: a small compressed body may hold any number of bytes."""
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


async def transfer(client: httpx.AsyncClient, url: str, staged: StagedFile, limits: Limits) -> None:
    """Download the rest of the file at ``url``. Return when the digest is right, however the connection ends.

    Raises:
        CannotResumeError: the bytes that are there cannot be continued from this URL.
        NotFoundError: the file is not at this URL.
        TooSlowError: the transfer would take longer than the limits allow.
        SourceError: the transfer failed in another way.
        VolumeError: the temporary file cannot be written.
    """
    visited: list[httpx.URL] = []
    try:
        async with asyncio.timeout(limits.timeout) as window:
            response = await _request(client, url, visited, staged.position)
            try:
                await _receive(response, staged, window, limits)
            finally:
                await response.aclose()
    except (InitError, MemoryError):
        raise
    except SourceError as error:
        add_place(error, visited)
        raise
    except Exception as error:
        # The connection may break after the last byte, such as while it is closed.
        if staged.is_right:
            return
        # The libraries below httpx raise other exceptions if the server or the proxy does not use HTTP or SOCKS.
        failure = explain(error, staged.position, limits.timeout)
        add_place(failure, visited)
        raise failure from error


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


async def _receive(response: httpx.Response, staged: StagedFile, window: asyncio.Timeout, limits: Limits) -> None:
    """Write the body to the file until the digest is right."""
    resumed = _is_continuation(response, staged.position)
    most = staged.vocabulary.max_size
    if not resumed:
        if not staged.vocabulary.size and _declared_length(response) > most:
            raise _too_long(staged)
        staged.restart()
    pace = Pace(window, limits, staged.vocabulary.size or staged.position + _declared_length(response))
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB) if _coding(response) != "identity" else None
    async for chunk in response.aiter_raw():
        for piece in _unpacked(chunk, unpacker):
            room = most - staged.position
            staged.write(piece[:room])
            if staged.is_right:
                return
            if len(piece) >= room:
                raise _wrong(_too_long(staged) if len(piece) > room else wrong_bytes(staged), staged, resumed)
            pace.check(len(piece), staged.position)
        if unpacker and unpacker.eof:
            break
    raise _ended(response, staged, resumed)


def _coding(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Encoding", "identity")).strip().lower()


def _unpacked(chunk: bytes, unpacker: "zlib._Decompress | None") -> Iterator[bytes]:
    """Yield the bytes of a part of a body. Some servers compress a body although that was not asked for."""
    if unpacker is None:
        yield chunk
        return
    while piece := unpacker.decompress(chunk, _PIECE):
        yield piece
        chunk = unpacker.unconsumed_tail


def _is_continuation(response: httpx.Response, start: int) -> bool:
    """Return whether the body continues the file at ``start``, or False if it is a whole file.

    Raises:
        SourceError: the body is neither.
    """
    status, coding = response.status_code, _coding(response)
    if start and status in (206, 416):
        first = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""), re.ASCII)
        # A part of a compressed body does not continue the bytes that were decoded before.
        if status == 416 or coding != "identity" or not first or int(first[1]) != start:
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


def _ended(response: httpx.Response, staged: StagedFile, resumed: bool) -> SourceError:
    """Return why a body that has ended is not the file."""
    size = staged.vocabulary.size
    if page := looks_like(staged.head()):
        reason = NotFoundError(f"answered with {page.text}", advice=PORTAL_ADVICE)
        return _wrong(reason, staged, resumed)
    is_framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    # httpx raises an error if a framed body is cut, so a framed one is complete.
    if staged.position == size or (not size and is_framed):
        return _wrong(wrong_bytes(staged), staged, resumed)
    text = f"the body ended after {staged.position:,}{f' of {size:,}' if size else ''} bytes"
    is_whole = is_framed and not resumed
    return NotFoundError(text) if is_whole else SourceError(text, transient=True)


def _wrong(error: SourceError, staged: StagedFile, resumed: bool) -> SourceError:
    """Return the error for bytes that are not the file. If they were resumed, another server may have sent the wrong ones."""
    if resumed:
        return CannotResumeError("continued the file with other bytes")
    staged.restart()
    return error


def _declared_length(response: httpx.Response) -> int:
    length = response.headers.get("Content-Length", "")
    return (
        int(length) if re.fullmatch(r"\d{1,20}", length, re.ASCII) and "Content-Encoding" not in response.headers else 0
    )


def _too_long(staged: StagedFile) -> NotFoundError:
    advice = "" if staged.vocabulary.size else "if it really is that long, add &size=BYTES in TIKTOKEN_INIT_EXTRA"
    return NotFoundError(f"has more than {staged.vocabulary.max_size:,} bytes", advice=advice)
