"""Fetch through good and bad proxies. An error names the proxy if one was used.

No machine can resolve the name mirror.test, so a request for it reaches its server only through a proxy.
"""

from __future__ import annotations

import pytest

from tests.server import Server

from .authority import Authority
from .cases import QUICK, Case, also_in_the_image
from .names import refusing
from .proxy import Answering, Proxy, SocksProxy

ADVICE = "HTTPS_PROXY"
BOTH = ("https://mirror.test", "http://mirror.test")


@also_in_the_image
def test_https_goes_through_a_proxy_with_connect(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy(secure, "guest:pa/ss") as proxy:
        environment = {
            "HTTPS_PROXY": f"http://guest:pa%2Fss@{proxy.host}",
            "TIKTOKEN_INIT_CA": str(authority.bundle),
        }
        case.fill("https://mirror.test", environment=environment).is_ready()
    assert [request.path for request in proxy.requests] == ["mirror.test:443"]


def test_http_goes_through_a_proxy_and_empty_variables_count_as_unset(case: Case, server: Server) -> None:
    with Proxy(server) as proxy:
        environment = {"http_proxy": proxy.host, "HTTPS_PROXY": "", "ALL_PROXY": "", "NO_PROXY": ""}
        case.fill("http://mirror.test", environment=environment).is_ready()


@also_in_the_image
def test_a_socks_proxy_is_used(case: Case, secure: Server, authority: Authority) -> None:
    with SocksProxy(secure) as proxy:
        environment = {"ALL_PROXY": f"socks5h://{proxy.host}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        case.fill("https://mirror.test", environment=environment).is_ready()


def test_a_proxy_that_is_reached_by_tls_is_used(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy(secure, context=authority.context("127.0.0.1")) as proxy:
        environment = {"ALL_PROXY": f"https://{proxy.host}", "REQUESTS_CA_BUNDLE": str(authority.bundle)}
        case.fill("https://mirror.test", environment=environment).is_ready()


def test_no_proxy_names_networks_and_the_rest_is_ignored_with_a_warning(case: Case, server: Server) -> None:
    with Server() as proxy:
        environment = {"HTTP_PROXY": proxy.url, "NO_PROXY": "[::1], 127.0.0.0/8 elsewhere.test,a:b"}
        outcome = case.fill(server.url, environment=environment)
    outcome.is_ready()
    assert "warning: NO_PROXY: 'a:b' is no host, domain or network: correct it" in outcome.said
    assert proxy.requests == []


# Failures.


@pytest.mark.parametrize(
    ("scheme", "says"),
    [
        ("http", b"SSH-2.0-OpenSSH_9\r\n"),
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("socks5h", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
)
def test_a_proxy_that_gives_no_valid_answer_is_named(case: Case, scheme: str, says: bytes) -> None:
    with Answering(says) as proxy:
        outcome = case.fill(*BOTH, environment={"ALL_PROXY": f"{scheme}://{proxy.host}", **QUICK})
    outcome.is_failure(*(f"tried {url}: through the proxy {proxy.host}: " for url in BOTH), ADVICE)


def test_a_proxy_that_refuses_connections_is_named(case: Case) -> None:
    with refusing() as port:
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{port}", **QUICK}
        outcome = case.fill("https://mirror.test", environment=environment)
    outcome.is_failure(f"through the proxy 127.0.0.1:{port}: connection refused", ADVICE, "--network host")


def test_a_proxy_that_gets_wrong_credentials_is_named_with_the_place_for_them(case: Case, server: Server) -> None:
    with Proxy(server, "guest:password") as proxy:
        outcome = case.fill(*BOTH, environment={"ALL_PROXY": f"http://guest:wr%2Fong@{proxy.host}"})
    for url in BOTH:
        outcome.is_failure(f"tried {url}: through the proxy {proxy.host}: the proxy answered 407")
    outcome.is_failure("USER:PASSWORD@HOST:PORT")
    assert len(proxy.requests) == 2, "a failure that is not transient was retried"
    assert "wr%2Fong" not in outcome.said
    assert "wr/ong" not in outcome.said
