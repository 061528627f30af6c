"""One bounded, resumable transfer of a file over HTTP into a temporary file.

No statement of a server is trusted: not the length, not the range, not the type.
"""

import asyncio
import re

import httpx

from ..errors import InitError
from ..volume.identify import looks_like
from ..volume.staging import StagedFile, TooLongError
from . import SourceError
from .failures import PORTAL_ADVICE, NotFoundError, explain, refusal, with_place

_MIN_SPEED = 1024
"""Bytes a second. A slower transfer counts as stalled."""
_MAX_REDIRECTS = 5


async def transfer(client: httpx.AsyncClient, url: str, staged: StagedFile, timeout: float) -> None:
    """Download the rest of the file at ``url``, or the whole file if the server cannot resume.

    Args:
        client: the HTTP client.
        url: the URL of the file.
        staged: the temporary file.
        timeout: time limit in seconds. It starts again after each ``timeout * _MIN_SPEED`` bytes.

    Raises:
        NotFoundError: the file is not at this URL.
        SourceError: the transfer failed in another way.
        VolumeError: the temporary file cannot be written.
    """
    visited = [url]
    try:
        async with asyncio.timeout(timeout) as window:
            if not await _request(client, visited, staged, window, timeout):
                staged.restart()
                visited = [url]
                await _request(client, visited, staged, window, timeout)
    except TooLongError:
        staged.restart()
        raise _too_long(staged) from None
    except InitError:
        raise
    except Exception as error:
        # The libraries below httpx raise other exceptions if the server or the proxy does not use HTTP or SOCKS.
        reason = error if isinstance(error, SourceError) else explain(error, staged.position, timeout)
        raise with_place(reason, visited) from error


async def _request(
    client: httpx.AsyncClient, visited: list[str], staged: StagedFile, window: asyncio.Timeout, timeout: float
) -> bool:
    """Send one request and receive the body. Return False if the server cannot resume at the end of the file.

    ``visited`` holds the URL to request. The URLs of redirects are added to it.
    """
    start = staged.position
    headers = {"Range": f"bytes={start}-"} if start else {}
    request = client.build_request("GET", visited[0], headers=headers)
    while len(visited) <= _MAX_REDIRECTS + 1:
        # Redirects are followed here, because httpx reads the whole body of each redirect.
        url_has_credentials = bool(request.url.userinfo)
        auth = (request.url.username, request.url.password) if url_has_credentials else httpx.USE_CLIENT_DEFAULT
        response = await client.send(request, stream=True, auth=auth)
        try:
            if response.next_request is None:
                return await _receive(response, staged, window, timeout)
            request = response.next_request
            if request.url.scheme not in ("http", "https"):
                raise NotFoundError("redirected to a URL that is not http(s)")
            visited.append(str(request.url))
        finally:
            await response.aclose()
    raise NotFoundError(f"redirected more than {_MAX_REDIRECTS} times")


async def _receive(response: httpx.Response, staged: StagedFile, window: asyncio.Timeout, timeout: float) -> bool:
    start = staged.position
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    # A part of a compressed body does not continue the bytes that were decoded before.
    resumes = coding == "identity" and _first_byte(response) == start
    if start and (response.status_code == 416 or (response.status_code == 206 and not resumes)):
        return False
    if response.status_code == 206 and not start:
        raise NotFoundError("answered 206 with a part of the file that was not asked for")
    if response.status_code not in (200, 206):
        raise refusal(response)
    if coding not in ("identity", "gzip", "deflate"):
        raise SourceError(f"its body is compressed as '{coding}', which was not asked for")
    if response.status_code == 200:
        staged.restart()
        if _declared_length(response) > staged.vocabulary.max_size:
            raise _too_long(staged)
    received = marked = 0
    clock = asyncio.get_running_loop().time
    async for chunk in response.aiter_bytes():
        staged.write(chunk)
        received += len(chunk)
        if received - marked >= _MIN_SPEED * timeout:
            window.reschedule(clock() + timeout)
            marked = received
    if staged.is_right:
        return True
    if page := looks_like(staged.head()):
        staged.restart()
        raise NotFoundError(f"answered with {page.text}", advice=PORTAL_ADVICE)
    size = staged.vocabulary.size
    framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if (size and staged.position < size) or not (size or framed):
        wanted = f" of {size:,}" if size else ""
        reason = f"the body ended after {staged.position:,}{wanted} bytes"
        # httpx raises an error if a framed body is cut, so this one is complete.
        raise NotFoundError(reason) if framed and response.status_code == 200 else SourceError(reason, transient=True)
    return True


def _first_byte(response: httpx.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""), re.ASCII)
    return int(match[1]) if match else None


def _declared_length(response: httpx.Response) -> int:
    length = response.headers.get("Content-Length", "")
    return (
        int(length) if re.fullmatch(r"\d{1,20}", length, re.ASCII) and "Content-Encoding" not in response.headers else 0
    )


def _too_long(staged: StagedFile) -> NotFoundError:
    advice = "" if staged.vocabulary.size else "if it really is that long, add &size=BYTES in TIKTOKEN_INIT_EXTRA"
    return NotFoundError(f"has more than {staged.vocabulary.max_size:,} bytes", advice=advice)
