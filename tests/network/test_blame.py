"""Who is blamed where a proxy stands between, and what failed is the proxy's fault or the mirror's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from .authority import Authority
from .cases import Case
from .proxy import Proxy, SocksProxy
from .server import Server

ADVICE = "HTTPS_PROXY"


class Answering(Proxy):
    """Says one thing, whatever it is asked, and goes away; or nothing, until it is stopped."""

    says = b""

    def _speak(self, client: socket.socket) -> None:
        client.recv(65536)
        if self.says:
            client.sendall(self.says)
        else:
            self._stopping.recv(1)


def answering(says: bytes) -> Answering:
    """Return a proxy that says this."""
    proxy = Answering()
    proxy.says = says
    return proxy


@pytest.mark.parametrize("says", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_proxy_that_does_not_answer_as_one(case: Case, says: bytes, scheme: str) -> None:
    with answering(says) as proxy:
        outcome = case.fill(f"{scheme}://mirror.test", environment={"ALL_PROXY": f"http://{proxy.authority}"})
    outcome.is_failure(f"the proxy {proxy.authority}: ", ADVICE)


@pytest.mark.parametrize(
    "says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b"\x05\x00\x05\x63\x00\x01" + bytes(6), b""]
)
def test_socks_proxy_that_does_not_answer_as_one(case: Case, says: bytes) -> None:
    with answering(says) as proxy:
        outcome = case.fill("https://mirror.test", environment={"ALL_PROXY": f"socks5h://{proxy.authority}"})
    outcome.is_failure(f"the proxy {proxy.authority}", ADVICE)


def test_proxy_over_tls_that_is_spoken_to_without(case: Case, authority: Authority) -> None:
    with Proxy(tls=authority.context("127.0.0.1")) as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"http://{proxy.authority}"})
    outcome.is_failure(f"the proxy {proxy.authority}: ", ADVICE)


def test_proxy_without_tls_that_is_spoken_to_with(case: Case) -> None:
    with Proxy() as proxy:
        outcome = case.fill("https://mirror.test", environment={"HTTPS_PROXY": f"https://{proxy.authority}"})
    outcome.is_failure(f"the proxy {proxy.authority}: ", ADVICE)


def test_proxy_whose_name_cannot_be_resolved(case: Case) -> None:
    outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": "http://bücher.invalid:3128"})
    outcome.is_failure("the proxy xn--bcher-kva.invalid:3128: its name cannot be resolved", ADVICE)


def test_mirror_behind_a_socks_proxy_whose_certificate_is_not_trusted(case: Case, secure: Server) -> None:
    with SocksProxy({"mirror.test:443": (secure.host, secure.port)}) as proxy:
        outcome = case.fill("https://mirror.test", environment={"ALL_PROXY": f"socks5h://{proxy.authority}"})
    outcome.is_failure("mirror.test: its certificate is not trusted", "TIKTOKEN_INIT_CA")
    assert "the proxy" not in outcome.said


def test_mirror_behind_a_proxy_that_falls_silent(case: Case, server: Server, tmp_path: Path) -> None:
    from .cases import PATH
    from .server import serve, silent

    server.script(PATH, serve(b"x" * 1_681_126, after=1000, then=silent))
    with Proxy({"mirror.test:80": (server.host, server.port)}) as proxy:
        outcome = case.fill("http://mirror.test", environment={"HTTP_PROXY": f"http://{proxy.authority}"})
    outcome.is_failure("stalled|deadline")
    assert f"the proxy {proxy.authority}" not in outcome.said


@pytest.mark.parametrize("value", ["mirror.test", ".mirror.test"])
def test_no_proxy_means_what_it_means_to_curl(case: Case, server: Server, value: str) -> None:
    with Proxy(broken=True) as proxy:
        environment = {"HTTP_PROXY": f"http://{proxy.authority}", "NO_PROXY": value}
        hosts = {"mirror.test": server.host}
        case.fill(f"http://mirror.test:{server.port}", environment=environment, hosts=hosts).is_ready()
    assert proxy.targets == []
