"""Download of one file: a bounded, resumable transfer into a temporary file, and the reasons of its failures.

No statement of a server is trusted: not the length, not the range, not the type.
"""

import asyncio
import email.utils
import os
import re
import socket
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

import httpx

from ..errors import InitError
from ..volume.identify import looks_like
from ..volume.staging import StagedFile, TooLongError
from . import SourceError

_MIN_SPEED = 1024
"""Bytes a second. A slower transfer counts as stalled."""
_MAX_REDIRECTS = 5
_PORTAL_ADVICE = "check that no proxy or login page answers instead of the server"
_PROXY_ADVICE = "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
_CERTIFICATE_ADVICE = "if a proxy intercepts TLS, set TIKTOKEN_INIT_CA to a PEM file with its certificate authority"
_THREAD_ADVICE = "on Docker before 20.10.10, update Docker, or add --security-opt seccomp=unconfined"
_STATUS_ADVICE = {
    401: "put USER:PASSWORD@ into the mirror's URL, or add an entry to the netrc file",
    407: "put the proxy's credentials into its URL, such as http://USER:PASSWORD@HOST:PORT",
    511: _PORTAL_ADVICE,
}
# Values of OpenSSL's x509_vfy.h.
_EXPIRED = 10
_WRONG_HOST = (62, 64)


class NotFoundError(SourceError):
    """The server answered, but the file is not at this URL. Another name may work."""


async def download(client: httpx.AsyncClient, url: str, staged: StagedFile, timeout: float) -> None:
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
        failure = error if isinstance(error, SourceError) else _failure(error, staged.position, timeout)
        raise _with_place(failure, visited) from error


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
        raise _refusal(response)
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
        raise NotFoundError(f"answered with {page.text}", advice=_PORTAL_ADVICE)
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


def _refusal(response: httpx.Response) -> SourceError:
    code = response.status_code
    # The server's own phrase is not printed, because it may repeat credentials.
    answer = f"{code} {httpx.codes.get_reason_phrase(code)}".strip()
    advice = _STATUS_ADVICE.get(code, "")
    if code in (403, 404, 410) or 300 <= code < 400:
        return NotFoundError(answer, advice=advice)
    if code == 407:
        answer = f"the proxy answered {answer}"
    if code == 511:
        answer += ": a captive portal asks for a login"
    wait = _retry_after(response.headers.get("Retry-After", ""))
    if wait:
        answer += f", and asks to wait {wait:.0f} s"
    transient = code in (408, 425, 429) or (code >= 500 and code not in (501, 505, 511))
    return SourceError(answer, transient=transient, wait=wait, advice=advice)


def _retry_after(text: str) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or as a date, or 0 if it is invalid."""
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _failure(error: Exception, position: int, timeout: float) -> SourceError:
    """Return the error for an exception of httpx or of the libraries below it."""
    if isinstance(error, TimeoutError):
        return SourceError(f"stalled for {timeout:g} s after {position:,} bytes", transient=True)
    if isinstance(error, httpx.ProxyError):
        return _proxy_failure(error)
    if isinstance(error, httpx.InvalidURL | UnicodeError):
        return SourceError("its host name is not a valid one", advice="check its spelling")
    if isinstance(error, httpx.DecodingError):
        return SourceError("its body is not compressed as its header says")
    for cause in _causes(error):
        if found := _system_failure(cause):
            return found
    if isinstance(error, httpx.TransportError):
        return SourceError(f"the connection broke: {str(error) or type(error).__name__}", transient=True)
    if isinstance(error, RuntimeError):
        return SourceError(f"no name look-up: {error}", advice=_THREAD_ADVICE)
    [*_, cause] = _causes(error)
    return SourceError(f"{type(cause).__name__}: {cause}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # anyio groups the errors of all addresses of a host.
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__


def _system_failure(error: BaseException) -> SourceError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _EXPIRED:
            return SourceError("its certificate has expired", advice="check this machine's clock")
        if error.verify_code in _WRONG_HOST:
            return SourceError(f"its certificate is for another host ({error.verify_message})")
        return SourceError(f"its certificate is not trusted ({error.verify_message})", advice=_CERTIFICATE_ADVICE)
    if isinstance(error, ssl.SSLError):
        return SourceError(f"TLS failed ({error.reason or error})", transient=True)
    if isinstance(error, socket.gaierror):
        return SourceError(f"its name cannot be resolved ({error.strerror})", transient=True)
    if isinstance(error, OSError) and error.errno is not None:
        return SourceError(os.strerror(error.errno).lower(), transient=True)
    return None


def _proxy_failure(error: httpx.ProxyError) -> SourceError:
    """Return the error for a failure of the proxy. httpx gives the status of its answer only in the message."""
    match = re.match(r"(\d{3}) ", f"{error} ")
    status = int(match[1]) if match else 0
    transient = status in (0, 408, 425, 429) or status >= 500
    advice = _STATUS_ADVICE.get(status, _PROXY_ADVICE)
    return SourceError(
        f"the proxy {'answered' if status else 'failed:'} {error}".strip(), transient=transient, advice=advice
    )


def _with_place(error: SourceError, visited: list[str]) -> SourceError:
    """Add to an error the host that redirects led to, and the proxy if the environment sets one for the URL."""
    place = urllib.parse.urlsplit(visited[-1])
    reason, advice = str(error), error.advice
    proxies = urllib.request.getproxies()
    proxy = proxies.get(place.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(place.netloc.rpartition("@")[2]):
        where = httpx.URL(proxy if "://" in proxy else f"http://{proxy}").netloc.decode()
        reason = f"through the proxy {where}: {reason}"
        # Through a tunnel, this answer came from the server.
        if not (place.scheme == "https" and isinstance(error, NotFoundError)):
            advice = advice or _PROXY_ADVICE
    if place.netloc != urllib.parse.urlsplit(visited[0]).netloc:
        reason = f"redirected to {place.netloc.rpartition('@')[2]}: {reason}"
    kind = type(error)
    return kind(reason, transient=error.transient, wait=error.wait, advice=advice)
