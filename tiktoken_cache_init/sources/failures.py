"""Reasons of failed transfers: what an answer or an exception means, and what the operator can do."""

import email.utils
import errno
import os
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Sequence

import httpx

from ..errors import LIMITS
from ..redact import is_host
from . import DEADLINE_ADVICE, SourceError
from .proxies import Proxies

PORTAL_ADVICE = "check that no proxy or login page answers instead of the server"
_PROXY_ADVICE = "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
_CERTIFICATE_ADVICE = "if a proxy intercepts TLS, set TIKTOKEN_INIT_CA to a PEM file with its certificate authority"
_LOOPBACK_ADVICE = (
    "in a container or an image build, 127.0.0.1 is the container itself: add --network host to docker run or docker build, "
    "or use another address of the host"
)
_THREAD_ADVICE = "allow more memory and processes; on Docker before 20.10.10, update Docker, or add --security-opt seccomp=unconfined"
_STATUS_ADVICE = {
    401: "put USER:PASSWORD@ into the mirror's URL, or add an entry to the netrc file",
    407: "put the proxy's credentials into its URL, such as http://USER:PASSWORD@HOST:PORT",
    511: PORTAL_ADVICE,
}


class NotFoundError(SourceError):
    """The server answered, but the file is not at this URL. Another name may work."""


class CannotResumeError(SourceError):
    """The bytes that are in the file cannot be continued from this URL. The transfer must begin again."""


class TooSlowError(SourceError):
    """The transfer would not end before the deadline."""

    def __init__(self, speed: float, needed: float, left: float) -> None:
        super().__init__(
            f"too slow: at {speed / 1024:,.1f} KiB/s it needs {needed:,.0f} s more, and {left:,.0f} s are left",
            transient=True,
            advice=DEADLINE_ADVICE,
        )
        self.needed = needed
        """Seconds that the rest would take."""


class RefusedError(SourceError):
    """Nothing listens at the port."""


def refusal(response: httpx.Response) -> SourceError:
    """Return the error for an answer without the file."""
    code = response.status_code
    answer, advice = _answer(code), _STATUS_ADVICE.get(code, "")
    if code in (403, 404, 410) or 300 <= code < 400:
        return NotFoundError(answer, advice=advice)
    if code == 407:
        answer = f"the proxy answered {answer}"
    if code == 511:
        answer += ": a captive portal asks for a login"
    wait = _retry_after(response.headers.get("Retry-After", ""))
    if wait:
        answer += f", and asks to wait {wait:.0f} s"
    return SourceError(answer, transient=_is_transient(code), wait=wait, advice=advice)


def _answer(code: int) -> str:
    # The phrase of the server or the proxy is not printed, because it may repeat credentials.
    return f"{code} {httpx.codes.get_reason_phrase(code)}".strip()


def _is_transient(code: int) -> bool:
    return code in (408, 425, 429) or (code >= 500 and code not in (501, 505, 511))


def _retry_after(text: str) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or as a date, or 0 if it is invalid."""
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def explain(error: Exception, position: int, timeout: float) -> SourceError:
    """Return the error for an exception of httpx or of the libraries below it, after ``position`` bytes of the file."""
    match error:
        case TimeoutError():
            return SourceError(f"stalled for {round(timeout, 2):g} s after {position:,} bytes", transient=True)
        case httpx.ProxyError():
            return _proxy_failure(error)
        case httpx.InvalidURL() | UnicodeError():
            return SourceError("its host name is not a valid one", advice="check its spelling")
        case zlib.error():
            return SourceError("its body is not compressed as its header says")
    for cause in _causes(error):
        if found := _system_failure(cause):
            return found
    if isinstance(error, httpx.TransportError):
        return SourceError(f"the connection broke: {_own_text(error) or type(error).__name__}", transient=True)
    if isinstance(error, RuntimeError):
        return SourceError(f"no name look-up: {error}", advice=_THREAD_ADVICE)
    return SourceError(f"{type(cause).__name__}: {_own_text(cause)}")


def _own_text(error: BaseException) -> str:
    """Return the message of a library up to the part that it quotes: a server may repeat credentials there."""
    return re.split(r": |\(b?'|['\"\n]", str(error))[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # anyio groups the errors of all addresses of a host.
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__


def _system_failure(error: BaseException) -> SourceError | None:
    # The codes are those of OpenSSL's x509_vfy.h.
    match error:
        case ssl.SSLCertVerificationError(verify_code=10):
            return SourceError("its certificate has expired", advice="check this machine's clock")
        case ssl.SSLCertVerificationError(verify_code=62 | 64):
            return SourceError("its certificate is for another host")
        case ssl.SSLCertVerificationError():
            return SourceError(f"its certificate is not trusted ({error.verify_message})", advice=_CERTIFICATE_ADVICE)
        case ssl.SSLError():
            return SourceError(f"TLS failed ({error.reason or error})", transient=True)
        case OverflowError():
            return SourceError("its port is not a valid one", advice="check its spelling")
        case socket.gaierror():
            return SourceError(f"its name cannot be resolved ({error.strerror})", transient=True)
        case ConnectionRefusedError():
            return RefusedError("connection refused", transient=True)
        case MemoryError():
            return SourceError("too little memory", advice=LIMITS[errno.ENOMEM])
        case OSError(errno=int(number)):
            return SourceError(os.strerror(number).lower(), transient=True, advice=LIMITS.get(number, ""))
    return None


def _proxy_failure(error: httpx.ProxyError) -> SourceError:
    """Return the error for a failure of the proxy. httpx gives the status of its answer only in the message."""
    if match := re.match(r"(\d{3}) ", f"{error} "):
        code = int(match[1])
        advice = _STATUS_ADVICE.get(code, _PROXY_ADVICE)
        return SourceError(f"the proxy answered {_answer(code)}", transient=_is_transient(code), advice=advice)
    return SourceError(f"the proxy failed: {_own_text(error)}", transient=True, advice=_PROXY_ADVICE)


def add_place(error: SourceError, visited: Sequence[httpx.URL]) -> None:
    """Add to an error the host that redirects led to, and the proxy if the environment sets one for the URL."""
    if not visited:
        return
    first, last = visited[0], visited[-1]
    reason = str(error)
    proxy = Proxies().for_url(last)
    if isinstance(error, RefusedError) and _is_loopback((proxy or last).host):
        error.advice = f"{_PROXY_ADVICE if proxy else 'start the server'}; {_LOOPBACK_ADVICE}"
    if proxy:
        reason = f"through the proxy {_place(proxy)}: {reason}"
        # Through a tunnel, this answer came from the server.
        if not (last.scheme == "https" and isinstance(error, NotFoundError)):
            error.advice = error.advice or _PROXY_ADVICE
    if (last.host, last.port) != (first.host, first.port):
        reason = f"redirected to {_place(last)}: {reason}"
    error.args = (reason,)


def _is_loopback(host: str) -> bool:
    return host.startswith(("127.", "::ffff:127.")) or host in ("localhost", "0.0.0.0", "::", "::1")  # noqa: S104


def _place(url: httpx.URL) -> str:
    """Return the host and the port of a URL. Anything but a plain host may be credentials that a server repeats."""
    place = url.netloc.decode()
    return place if is_host(place) else "another host"
