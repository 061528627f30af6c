"""What goes wrong on the network, in a few plain words, with what to do about it, and whether it may pass by itself."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import httpx

from ..errors import InitError
from . import NotThere, RouteFailed
from .headers import retry_after

PORTAL_ADVICE = "check that no proxy or login page stands between"
_PROXY_ADVICE = "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
_STATUS_ADVICE = {
    401: "put the credentials into the mirror's URL",
    407: "put the proxy's credentials into its URL, as in http://USER:PASSWORD@HOST:PORT",
    511: PORTAL_ADVICE,
}


def refusal(response: httpx.Response) -> RouteFailed:
    """Return what an answer means that brings no file; `NotThere` where another name may be better."""
    code = response.status_code
    said = f"{code} {response.reason_phrase}".strip()
    advice = _STATUS_ADVICE.get(code, "")
    if code in (403, 404, 410) or 300 <= code < 400:
        return NotThere(said, advice=advice)
    if code == 407:
        said = f"the proxy answered {said}"
    wait = retry_after(response.headers.get("Retry-After", "").strip())
    if wait is not None:
        said += f", and asks to be left alone for {wait:.0f} s"
    passing = code in (408, 425, 429) or (code >= 500 and code not in (501, 505, 511))
    if code == 511:
        said += ": a captive portal wants a login"
    return RouteFailed(said, passing=passing, wait=wait, advice=advice)


def failure_of(error: Exception, proxy: str = "") -> Exception:
    """Turn what httpx and the layers below raise into a `RouteFailed` in plain words; leave our own errors alone.

    ``proxy`` is the one that was waited for, if one was: then it is the one to blame.
    """
    if isinstance(error, InitError):
        return error
    if isinstance(error, httpx.ProxyError):
        return _proxy_failure(error, proxy)
    return blamed(_plain(error), proxy)


def blamed(failure: RouteFailed, proxy: str) -> RouteFailed:
    """Return a failure as that of a proxy, if it is one's."""
    if not proxy:
        return failure
    advice = failure.advice or _PROXY_ADVICE
    return RouteFailed(f"the proxy {proxy}: {failure}", passing=failure.passing, advice=advice)


def _plain(error: Exception) -> RouteFailed:
    if isinstance(error, httpx.UnsupportedProtocol):
        return NotThere("redirected to something that is not http(s)")
    if isinstance(error, httpx.ConnectTimeout):
        return RouteFailed("no connection in time", passing=True)
    if isinstance(error, httpx.TimeoutException):
        return RouteFailed("stalled: no bytes in time", passing=True)
    if isinstance(error, httpx.InvalidURL | UnicodeError):
        return RouteFailed("its host name is not a valid one: check its spelling")
    for cause in _causes(error):
        if found := _system_failure(cause):
            return found
    if "Receive buffer too long" in str(error):
        return RouteFailed("its headers do not end")
    if isinstance(error, httpx.TransportError):
        return RouteFailed(f"the connection broke: {error}", passing=True)
    if type(error).__module__.startswith("socksio."):
        return RouteFailed(f"what it says is not SOCKS ({error})", passing=True)
    return RouteFailed(f"{type(error).__name__}: {error}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_CERTIFICATE_ADVICE = "if a proxy breaks TLS here, give its authority's certificate: TIKTOKEN_INIT_CA=FILE"


def _system_failure(error: BaseException) -> RouteFailed | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        # The names of OpenSSL's verification errors are in its x509_vfy.h.
        if error.verify_code == 10:
            return RouteFailed("its certificate has expired", advice="check this machine's clock")
        if error.verify_code in (62, 64):
            return RouteFailed(f"its certificate is for another host ({error.verify_message})")
        return RouteFailed(f"its certificate is not trusted ({error.verify_message})", advice=_CERTIFICATE_ADVICE)
    if isinstance(error, ssl.SSLError):
        return RouteFailed(f"TLS failed ({error.reason or error})", passing=True)
    if isinstance(error, socket.gaierror):
        return RouteFailed(f"its name cannot be resolved ({error.strerror})", passing=True)
    if isinstance(error, OSError) and error.errno is not None:
        return RouteFailed(os.strerror(error.errno).lower(), passing=True)
    return None


def _proxy_failure(error: httpx.ProxyError, proxy: str) -> RouteFailed:
    said = str(error)
    code = said.partition(" ")[0]
    status = int(code) if code.isdigit() else 0
    return RouteFailed(
        f"the proxy {proxy} {'answered' if status else 'failed:'} {said.strip()}",
        passing=status in (0, 408, 425, 429) or status >= 500,
        advice=_STATUS_ADVICE.get(status, _PROXY_ADVICE),
    )
