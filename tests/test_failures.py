from __future__ import annotations

import errno
import socket
import ssl

import httpx
import pytest

from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import NotThere, RouteFailed
from tiktoken_cache_init.sources.failures import failure_of, refusal


def caused(by: BaseException) -> httpx.ConnectError:
    """Return an error of httpx's as it wraps one of the system's."""
    error = httpx.ConnectError("all connection attempts failed")
    error.__context__ = by
    return error


def response(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(("status", "passing"), [(status, True) for status in (408, 425, 429, 500, 502, 503, 504, 599)])
def test_what_can_pass(status: int, passing: bool) -> None:
    assert refusal(response(status)).passing is passing


@pytest.mark.parametrize("status", [100, 201, 204, 206, 301, 400, 401, 403, 404, 407, 410, 451, 501, 505, 511])
def test_what_cannot_pass(status: int) -> None:
    assert not refusal(response(status)).passing


@pytest.mark.parametrize("status", [300, 304, 403, 404, 410])
def test_where_another_name_may_be_better(status: int) -> None:
    assert isinstance(refusal(response(status)), NotThere)


@pytest.mark.parametrize("status", [401, 407, 500, 511])
def test_where_another_name_is_no_better(status: int) -> None:
    assert not isinstance(refusal(response(status)), NotThere)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "credentials into the mirror's URL"), (407, "the proxy's credentials into its URL"), (511, "login page")],
)
def test_what_to_do_about_arefusal(status: int, advice: str) -> None:
    assert advice in refusal(response(status)).advice


def test_a_refusal_says_its_status_and_the_wait_that_was_asked_for() -> None:
    assert str(refusal(response(404))) == "404 Not Found"
    failure = refusal(response(503, retry_after=" 7 "))
    assert str(failure).startswith("503 Service Unavailable")
    assert failure.wait == 7


def test_our_own_errors_are_left_alone() -> None:
    error = VolumeError("no")
    assert failure_of(error) is error


@pytest.mark.parametrize(
    ("error", "text", "passing"),
    [
        (httpx.UnsupportedProtocol("x"), "redirected to something that is not http(s)", False),
        (httpx.ConnectTimeout("x"), "no connection in time", True),
        (httpx.ReadTimeout("x"), "stalled: no bytes in time", True),
        (httpx.PoolTimeout("x"), "stalled: no bytes in time", True),
        (caused(ConnectionRefusedError(errno.ECONNREFUSED, "x")), "connection refused", True),
        (caused(ConnectionResetError(errno.ECONNRESET, "x")), "connection reset by peer", True),
        (caused(OSError(errno.ENETUNREACH, "x")), "network is unreachable", True),
        (
            caused(socket.gaierror(-2, "Name or service not known")),
            "its name cannot be resolved (Name or service not known)",
            True,
        ),
        (caused(OSError("all failed")), "the connection broke: all connection attempts failed", True),
        (httpx.RemoteProtocolError("Server disconnected"), "the connection broke: Server disconnected", True),
        (httpx.RemoteProtocolError("Receive buffer too long"), "its headers do not end", False),
        (ValueError("odd"), "ValueError: odd", False),
    ],
)
def test_a_failure_is_told_in_plain_words(error: Exception, text: str, passing: bool) -> None:
    failure = failure_of(error)
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == (text, passing)


def verification_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        (10, "its certificate has expired", "clock"),
        (62, "its certificate is for another host (x)", ""),
        (64, "its certificate is for another host (x)", ""),
        (20, "its certificate is not trusted (x)", "TIKTOKEN_INIT_CA"),
    ],
)
def test_a_certificate_that_is_refused_cannot_pass_and_says_why(code: int, text: str, advice: str) -> None:
    failure = failure_of(caused(verification_error(code, "x")))
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == (text, False)
    assert advice in failure.advice


def test_tls_that_breaks_can_pass() -> None:
    error = ssl.SSLError(1, "odd")
    error.reason = "ODD"
    failure = failure_of(caused(error))
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == ("TLS failed (ODD)", True)


@pytest.mark.parametrize(
    ("said", "text", "passing"),
    [
        ("407 Proxy Authentication Required", "answered 407 Proxy Authentication Required", False),
        ("403 Forbidden", "answered 403 Forbidden", False),
        ("502 Bad Gateway", "answered 502 Bad Gateway", True),
        ("429 Slow", "answered 429 Slow", True),
        ("no SOCKS", "failed: no SOCKS", True),
    ],
)
def test_a_proxy_that_refuses_is_told_from_a_mirror_that_does(said: str, text: str, passing: bool) -> None:
    failure = failure_of(httpx.ProxyError(said), "proxy.example:3128")
    assert isinstance(failure, RouteFailed)
    assert (str(failure), failure.passing) == (f"the proxy proxy.example:3128 {text}", passing)
    assert "proxy" in failure.advice.lower()


def test_a_proxy_that_cannot_be_reached_is_the_one_to_blame() -> None:
    refused = caused(ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    assert str(failure_of(refused, "p:1")) == "the proxy p:1: connection refused"


def test_a_certificate_keeps_its_advice_whosever_it_is() -> None:
    failure = failure_of(caused(verification_error(20, "x")), "p:1")
    assert isinstance(failure, RouteFailed)
    assert str(failure) == "the proxy p:1: its certificate is not trusted (x)"
    assert "TIKTOKEN_INIT_CA" in failure.advice
