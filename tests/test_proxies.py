from __future__ import annotations

import pytest

from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.sources.proxies import proxies_of, unproxied


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, set()),
        ({"HTTP_PROXY": "http://p.example"}, {"p.example:80"}),
        ({"https_proxy": "https://user:pass@p.example"}, {"p.example:443"}),
        ({"ALL_PROXY": "socks5://p.example", "HTTPS_PROXY": "p.example:3128"}, {"p.example:1080", "p.example:3128"}),
        ({"NO_PROXY": "x", "FTP_PROXY": "y z", "HTTP_PROXY": ""}, set()),
    ],
)
def test_the_proxies_are_those_of_the_environment(environment: dict[str, str], found: set[str]) -> None:
    assert proxies_of(environment) == found


@pytest.mark.parametrize(
    "value", ["http://p.example:x", "http://:3128", "http://user:secret@", "p q", "http://p:99999"]
)
def test_a_proxy_that_leads_nowhere_is_a_bad_setting_by_its_name(value: str) -> None:
    with pytest.raises(BadSetting, match=r"^HTTPS_PROXY: ") as caught:
        proxies_of({"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("localhost, .cluster.local", "localhost,.cluster.local"),
        ("a.test b.test", "a.test,b.test"),
        ("fd00::/8,[::1],::1/128", "::1"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("fd00::/8", "fd00::5"),
        ("a.test:8080,a.test:port", "a.test:8080"),
        ("10.0.0.0/nonsense", ""),
        ("*", "*"),
    ],
)
def test_no_proxy_is_read_as_clusters_write_it(said: str, read: str) -> None:
    mirrors = (
        ["http://10.1.2.3:80/x"] if "10." in said else ["http://[fd00::5]/x"] if said == "fd00::/8" else ["/folder"]
    )
    assert unproxied(said, mirrors) == read


def test_a_proxy_that_no_parser_takes_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting, match="HTTP_PROXY"):
        proxies_of({"HTTP_PROXY": "http://xn--:80"})
