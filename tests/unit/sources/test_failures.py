from __future__ import annotations

import email.utils
import errno
import re
import socket
import ssl
import time

import httpx
import pytest

from tiktoken_cache_init.sources import SourceError
from tiktoken_cache_init.sources.failures import NotFoundError, _retry_after, add_place, explain, refusal

# Refusals.

PORTAL = "511 Network Authentication Required: a captive portal asks for a login"


@pytest.mark.parametrize(
    ("status", "said", "outlook", "advice"),
    [
        (300, "300 Multiple Choices", "another name may work", ""),
        (399, "399", "another name may work", ""),
        (400, "400 Bad Request", "", ""),
        (401, "401 Unauthorized", "", "put USER:PASSWORD@ into the mirror's URL, or add an entry to the netrc"),
        (403, "403 Forbidden", "another name may work", ""),
        (404, "404 Not Found", "another name may work", ""),
        (407, "the proxy answered 407 ", "", "put the proxy's credentials into its URL"),
        (408, "408 Request Timeout", "transient", ""),
        (410, "410 Gone", "another name may work", ""),
        (425, "425 Too Early", "transient", ""),
        (429, "429 Too Many Requests", "transient", ""),
        (499, "499", "", ""),
        (500, "500 Internal Server Error", "transient", ""),
        (501, "501 Not Implemented", "", ""),
        (505, "505 HTTP Version Not Supported", "", ""),
        (511, PORTAL, "", "check that no proxy or login page answers instead"),
    ],
)
def test_a_status_is_reported_with_its_outlook(status: int, said: str, outlook: str, advice: str) -> None:
    error = refusal(httpx.Response(status))
    assert str(error).startswith(said)
    assert (isinstance(error, NotFoundError), error.transient) == (
        outlook.startswith("another"),
        outlook == "transient",
    )
    assert error.advice.startswith(advice)
    assert bool(error.advice) == bool(advice)


def test_a_refusal_says_how_long_the_server_asks_to_wait_without_its_own_phrase() -> None:
    response = httpx.Response(
        503, headers={"Retry-After": "17"}, extensions={"reason_phrase": b"you sent Basic c2VjcmV0"}
    )
    error = refusal(response)
    assert (str(error), error.wait) == ("503 Service Unavailable, and asks to wait 17 s", 17)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", 7),
        ("9" * 400, 0),
        ("7.5", 0),
        ("\xb2", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", 0),
        (email.utils.formatdate(time.time() + 86_400, usegmt=True), pytest.approx(86_400, abs=600)),
    ],
)
def test_a_wait_is_read_as_a_number_of_seconds_or_as_a_date(text: str, wait: float) -> None:
    assert _retry_after(text) == wait


# Exceptions.


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "TLS")
    error.reason = reason
    return error


def certificate_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def nested() -> httpx.ConnectError:
    """Return an error of httpx with the cause below the errors of other libraries."""
    outer = httpx.ConnectError("All connection attempts failed")
    outer.__cause__ = OSError("All connection attempts failed")
    outer.__cause__.__cause__ = ExceptionGroup("several", [ConnectionRefusedError(errno.ECONNREFUSED, "x")])
    return outer


QUOTING = httpx.RemoteProtocolError("illegal header line: bytearray(b'X c2VjcmV0')")


@pytest.mark.parametrize(
    ("error", "said", "transient", "advice"),
    [
        (TimeoutError(), "stalled for 15 s after 0 bytes", True, ""),
        (certificate_error(10, "certificate has expired"), "its certificate has expired", False, "clock"),
        (certificate_error(62, "Hostname mismatch"), "its certificate is for another host", False, ""),
        (certificate_error(64, "IP address mismatch"), "its certificate is for another host", False, ""),
        (certificate_error(19, "self-signed"), "is not trusted (self-signed)", False, "set TIKTOKEN_INIT_CA"),
        (tls_error("WRONG_VERSION_NUMBER"), "TLS failed (WRONG_VERSION_NUMBER)", True, ""),
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved (Name or", True, ""),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to host", True, ""),
        (OSError(errno.EMFILE, "x"), "too many open files", True, "ulimit -n"),
        (MemoryError(), "too little memory", False, "give it more memory"),
        (nested(), "connection refused", True, ""),
        (RuntimeError("can't start new thread"), "no name look-up: can't start", False, "on Docker before 20.10.10"),
        (httpx.InvalidURL("x"), "its host name is not a valid one", False, "spelling"),
        (httpx.ReadError(""), "the connection broke: ReadError", True, ""),
        (QUOTING, "the connection broke: illegal header line", True, ""),
        (ValueError("unknown 'c2VjcmV0'"), "ValueError: unknown ", False, ""),
        (OverflowError("connect(): port must be 0-65535."), "its port is not a valid one", False, "spelling"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "the proxy answered 407", False, "credentials"),
        (httpx.ProxyError("502 Bad Gateway"), "the proxy answered 502", True, "HTTPS_PROXY"),
        (httpx.ProxyError("403 you sent c2VjcmV0"), "the proxy answered 403 Forbidden", False, "HTTPS_PROXY"),
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


# Places.


def placed(error: SourceError, *urls: str) -> SourceError:
    add_place(error, [httpx.URL(url) for url in urls])
    return error


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("https://u:s3cret@b.example:444/?s3cret", "redirected to b.example:444: no"),
        ("https://s3%63ret/", "redirected to another host: no"),
        ("https://a.example/y", "no"),
    ],
)
def test_a_redirect_is_named_by_a_plain_host_alone(place: str, said: str) -> None:
    assert str(placed(SourceError("no"), "https://a.example/x", place)) == said


def test_a_failure_behind_a_proxy_names_the_proxy_without_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://user:secret@p.example:8")
    url = "https://a.example/x"
    error = placed(SourceError("no"), url)
    assert str(error) == "through the proxy p.example:8: no"
    assert error.advice == "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
    assert placed(SourceError("no", advice="do something"), url).advice == "do something"
    # Through a tunnel, the server answered, so the proxy works. Without one, the proxy may have answered.
    assert placed(NotFoundError("404"), url).advice == ""
    assert placed(NotFoundError("404"), "http://a.example/x").advice == error.advice


@pytest.mark.parametrize(
    ("proxy", "url", "advice"),
    [
        ("127.0.0.1:7890", "https://a.example/x", "check HTTPS_PROXY, .* 127.0.0.1 is the container .*--network host"),
        ("", "http://localhost:1/x", "start the server; .*--network host"),
        ("", "http://[::1]:1/x", "start the server; .*--network host"),
        ("", "http://[::ffff:127.0.0.1]:1/x", "start the server; .*--network host"),
        ("", "http://[::]:1/x", "start the server; .*--network host"),
        ("0.0.0.0:7890", "https://a.example/x", "check HTTPS_PROXY, .*--network host"),
        ("http://10.0.0.1:7890", "http://127.0.0.1/x", "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY$"),
        ("", "http://a.example/x", "$"),
    ],
)
def test_a_refused_connection_to_loopback_has_advice_for_a_container(
    monkeypatch: pytest.MonkeyPatch, proxy: str, url: str, advice: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert re.match(advice, placed(explain(nested(), 0, 15), url).advice)
    unreachable = explain(OSError(errno.ENETUNREACH, "x"), 0, 15)
    assert "--network host" not in placed(unreachable, url).advice
