from __future__ import annotations

import httpx
import pytest

from tiktoken_cache_init.errors import SettingError
from tiktoken_cache_init.sources.proxies import Proxies


def proxy_for(url: str) -> str | None:
    found = Proxies().for_url(httpx.URL(url))
    return str(found) if found else None


@pytest.mark.parametrize(
    ("variables", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "http://a.example:1"}, "http://a.example:1", None),
        ({"https_proxy": "http://a.example:1"}, None, "http://a.example:1"),
        ({"ALL_PROXY": "http://a.example:1"}, "http://a.example:1", "http://a.example:1"),
        ({"ALL_PROXY": "https://u:p@p", "HTTPS_PROXY": "b:2"}, "https://u:p@p", "http://b:2"),
        ({"all_proxy": "SOCKS5H://p:1", "HTTP_PROXY": "", "NO_PROXY": ""}, "socks5h://p:1", "socks5h://p:1"),
    ],
)
def test_a_url_goes_through_the_proxy_of_its_scheme(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], http: str | None, https: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (proxy_for("http://m.example/x"), proxy_for("https://m.example/x")) == (http, https)


@pytest.mark.parametrize(
    ("value", "direct", "through"),
    [
        ("m.example", ["http://m.example", "https://M.example:8443/x", "http://a.m.example"], ["http://am.example"]),
        (".m.example, x", ["http://m.example", "http://a.m.example", "http://x"], ["http://y"]),
        ("*.m.example", ["http://a.m.example"], ["http://example"]),
        ("m.example:80 n:8443", ["http://m.example", "https://n:8443"], ["https://m.example", "https://n"]),
        ("m.example:443", ["https://m.example"], ["http://m.example"]),
        ("m.example", ["http://m.example./"], ["http://m.example.n/"]),
        ("127.0.0.1:9", ["http://127.0.0.1:9/"], ["http://127.0.0.1/"]),
        ("10.0.0.0/8,192.168.1.1/16", ["http://10.1.2.3", "http://192.168.9.9"], ["http://11.0.0.1", "http://m"]),
        ("[0::1]", ["http://[::1]:8/"], ["http://[::2]/"]),
        ("[::1]:8", ["http://[::1]:8/"], ["http://[::1]/", "http://[::2]:8/"]),
        ("fd00::/8", ["http://[fd12::1]/"], ["http://[fe80::1]/", "http://10.0.0.1"]),
        ("b\u00fccher.example", ["http://xn--bcher-kva.example/", "http://B\u00dcCHER.example"], ["http://example"]),
        ("a, *", ["http://m.example", "https://m.example"], []),
    ],
)
def test_hosts_domains_and_networks_of_no_proxy_are_reached_directly(
    monkeypatch: pytest.MonkeyPatch, value: str, direct: list[str], through: list[str]
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p.example")
    monkeypatch.setenv("NO_PROXY", value)
    assert [url for url in direct if proxy_for(url)] == []
    assert [url for url in through if not proxy_for(url)] == []
    assert Proxies().unusable == []


@pytest.mark.parametrize("part", ["a.example:port", "192.168.*", "10.0.0.0/33", "[::1", "a..b"])
def test_a_part_of_no_proxy_that_cannot_be_used_is_named_and_ignored(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p.example")
    monkeypatch.setenv("NO_PROXY", f"m.example,{part}")
    assert Proxies().unusable == [part]
    assert not proxy_for("http://m.example")
    assert proxy_for("http://n.example")


@pytest.mark.parametrize(
    "value",
    [
        "p q",
        "ftp://p:1",
        "secret/x@p.example",
        "http://p.example:x",
    ],
)
def test_a_proxy_that_cannot_be_used_is_reported_by_its_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(
        SettingError, match=r"^HTTPS_PROXY: .* is not the URL of a proxy: write http://HOST:PORT$"
    ) as caught:
        Proxies()
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "*")
    assert Proxies().all == set()
