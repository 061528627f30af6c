"""Fetch through good and bad proxies. An error names the proxy if one was used."""

from __future__ import annotations

import pytest

from tests.server import Server, page, refuse_with, serve, silent

from .authority import Authority
from .cases import PATH, SIZE, Case
from .names import refusing
from .proxy import Answering, Proxy, SocksProxy

ADVICE = "HTTPS_PROXY"


@pytest.mark.emulated
def test_https_goes_through_a_proxy_with_connect(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy(secure) as proxy:
        environment = {"HTTPS_PROXY": f"http://{proxy.host}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        case.fill("https://mirror.test", environment=environment).is_ready()
    assert proxy.paths == ["mirror.test:443"]


@pytest.mark.emulated
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_http_goes_through_a_proxy(case: Case, server: Server, name: str, scheme: str) -> None:
    with Proxy(server) as proxy:
        case.fill("http://mirror.test", environment={name: f"{scheme}{proxy.host}"}).is_ready()


@pytest.mark.emulated
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_is_used(case: Case, secure: Server, authority: Authority, scheme: str) -> None:
    with SocksProxy(secure) as proxy:
        environment = {"ALL_PROXY": f"{scheme}://{proxy.host}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        case.fill("https://mirror.test", environment=environment).is_ready()


def test_empty_proxy_variables_count_as_unset(case: Case, server: Server) -> None:
    with Proxy(server) as proxy:
        environment = {"HTTP_PROXY": f"http://{proxy.host}", "HTTPS_PROXY": "", "ALL_PROXY": "", "NO_PROXY": ""}
        case.fill("http://mirror.test", environment=environment).is_ready()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_is_reached_by_tls_is_used(
    case: Case, secure: Server, server: Server, authority: Authority, scheme: str
) -> None:
    with Proxy(secure if scheme == "https" else server, context=authority.context("127.0.0.1")) as proxy:
        environment = {"ALL_PROXY": f"https://{proxy.host}", "TIKTOKEN_INIT_CA": str(authority.bundle)}
        case.fill(f"{scheme}://mirror.test", environment=environment).is_ready()
    assert proxy.requests


def test_credentials_of_a_proxy_are_sent_and_not_shown(case: Case, secure: Server, authority: Authority) -> None:
    with Proxy(secure, "guest:pa/ss") as proxy:
        environment = {
            "HTTPS_PROXY": f"http://guest:pa%2Fss@{proxy.host}",
            "TIKTOKEN_INIT_CA": str(authority.bundle),
        }
        outcome = case.fill("https://mirror.test", environment=environment)
    outcome.is_ready()
    assert "pa/ss" not in outcome.said
    assert "pa%2Fss" not in outcome.said


def test_no_proxy_names_hosts_domains_and_networks_and_the_rest_is_ignored_with_a_warning(
    case: Case, server: Server
) -> None:
    with Server() as proxy:
        proxy.otherwise = refuse_with(502)
        environment = {"HTTP_PROXY": f"http://{proxy.host}", "NO_PROXY": "[::1], 127.0.0.0/8 elsewhere.test,a:b"}
        outcome = case.fill(server.url, environment=environment)
    outcome.is_ready()
    assert "warning: NO_PROXY: 'a:b' is no host, domain or network: correct it" in outcome.said
    assert proxy.requests == []


# Failures.


@pytest.mark.parametrize(
    "says",
    [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""],
    ids=["ssh", "bad-header", "silence"],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_gives_no_valid_answer_is_named(case: Case, says: bytes, scheme: str) -> None:
    with Answering(says) as proxy:
        outcome = case.fill(f"{scheme}://mirror.test", environment={"ALL_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"tried {scheme}://mirror.test: through the proxy {proxy.host}: ", ADVICE)


@pytest.mark.parametrize(
    "says",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b"\x05\x00\x05\x63\x00\x01" + bytes(6), b""],
    ids=["http", "no-method", "bad-reply", "silence"],
)
def test_a_socks_proxy_that_gives_no_valid_answer_is_named(case: Case, says: bytes) -> None:
    with Answering(says) as proxy:
        outcome = case.fill("https://mirror.test", environment={"ALL_PROXY": f"socks5h://{proxy.host}"})
    outcome.is_failure(f"through the proxy {proxy.host}: ", ADVICE)


def test_a_proxy_that_expects_tls_but_is_reached_without_it_is_named(case: Case, authority: Authority) -> None:
    with Server(authority.context("127.0.0.1")) as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"through the proxy {proxy.host}: ", ADVICE)


def test_a_proxy_without_tls_that_is_reached_by_tls_is_named(case: Case) -> None:
    with Server() as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"https://{proxy.host}"})
    outcome.is_failure(f"through the proxy {proxy.host}: ", ADVICE)


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_whose_certificate_is_not_trusted_is_named(case: Case, authority: Authority, scheme: str) -> None:
    with Server(authority.context("127.0.0.1")) as proxy:
        outcome = case.fill(f"{scheme}://mirror.test", environment={"ALL_PROXY": f"https://{proxy.host}"})
    outcome.is_failure(
        f"through the proxy {proxy.host}: its certificate is not trusted", "SSL_CERT_FILE|TIKTOKEN_INIT_CA"
    )


def test_a_proxy_whose_name_cannot_be_resolved_is_named(case: Case) -> None:
    outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": "http://bücher.invalid:3128"})
    outcome.is_failure("through the proxy xn--bcher-kva.invalid:3128: its name cannot be resolved", ADVICE)


def test_a_proxy_that_refuses_connections_is_named(case: Case) -> None:
    with refusing() as port:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    outcome.is_failure(f"through the proxy 127.0.0.1:{port}: connection refused", ADVICE, "--network host")


def test_a_proxy_that_answers_502_is_named(case: Case) -> None:
    with Server() as proxy:
        proxy.otherwise = refuse_with(502)
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"mirror.test: through the proxy {proxy.host}: .*502")
    assert len(proxy.requests) > 1, "a transient failure was not retried"


def test_a_proxy_that_gets_no_credentials_is_named_with_the_place_for_them(case: Case, secure: Server) -> None:
    with Proxy(secure, "guest:password") as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"through the proxy {proxy.host}: the proxy answered 407", "USER:PASSWORD@HOST:PORT")
    assert len(proxy.requests) == 1, "a failure that is not transient was retried"


def test_a_plain_proxy_that_gets_no_credentials_is_named_with_the_place_for_them(case: Case, server: Server) -> None:
    with Proxy(server, "guest:password") as proxy:
        outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"through the proxy {proxy.host}: the proxy answered 407", "USER:PASSWORD@HOST:PORT")


def test_a_mirror_that_fails_behind_a_proxy_is_named_with_the_proxy(case: Case, server: Server) -> None:
    server.script(PATH, serve(b"x" * SIZE, upto=1000, then=silent))
    with Proxy(server) as proxy:
        outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"mirror.test: through the proxy {proxy.host}: stalled for 1 s after 1,000 bytes")


def test_an_error_status_through_a_proxy_names_the_mirror_and_the_proxy(case: Case, server: Server) -> None:
    server.script(PATH, page(403))
    with Proxy(server) as proxy:
        outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": f"http://{proxy.host}"})
    outcome.is_failure(f"mirror.test: through the proxy {proxy.host}: 403")


@pytest.mark.parametrize("socks", [False, True], ids=["http", "socks"])
def test_an_untrusted_certificate_behind_a_proxy_names_the_mirror_and_the_proxy(
    case: Case, secure: Server, socks: bool
) -> None:
    kind, scheme = (SocksProxy, "socks5h") if socks else (Proxy, "http")
    with kind(secure) as proxy:
        outcome = case.fill("https://mirror.test", environment={"ALL_PROXY": f"{scheme}://{proxy.host}"})
    place = f"mirror.test: through the proxy {proxy.host}: "
    outcome.is_failure(f"{place}its certificate is not trusted", "TIKTOKEN_INIT_CA")


@pytest.mark.parametrize("value", ["http://", "ftp://127.0.0.1:1", "http://127.0.0.1:port", "http://127.0.0.1:99999"])
def test_an_invalid_proxy_is_a_bad_setting(case: Case, server: Server, value: str) -> None:
    outcome = case.fill(server.url, environment={"HTTP_PROXY": value})
    assert outcome.ended.code == 2, outcome.said
    assert "HTTP_PROXY" in outcome.said
    outcome.is_clean()
