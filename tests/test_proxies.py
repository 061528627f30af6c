from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterable
from unittest.mock import patch

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.sources.proxies import address_of, proxies_of, unproxied

VARIABLES = [f"{scheme}_proxy" for scheme in ("http", "https", "all")]


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "http://p.example"}, {"http": "p.example:80"}),
        ({"https_proxy": "https://user:pass@p.example"}, {"https": "p.example:443"}),
        ({"ALL_PROXY": "socks5://p.example", "HTTPS_PROXY": "q:1"}, {"all": "p.example:1080", "https": "q:1"}),
        ({"NO_PROXY": "x", "FTP_PROXY": "y z", "HTTP_PROXY": ""}, {}),
        ({"HTTP_PROXY": "http://p.example", "no_proxy": "a.test, *"}, {}),
        ({"HTTP_PROXY": "http://p.example", "REQUEST_METHOD": "GET"}, {}),
        ({"HTTP_PROXY": "http://[::1]:9"}, {"http": "[::1]:9"}),
        ({"HTTP_PROXY": "http://bücher.test"}, {"http": "xn--bcher-kva.test:80"}),
    ],
)
def test_the_proxies_are_those_of_the_environment(environment: dict[str, str], found: dict[str, str]) -> None:
    assert {scheme: address_of(proxy) for scheme, proxy in proxies_of(environment).items()} == found


@given(
    st.dictionaries(
        st.sampled_from([*VARIABLES, *(name.upper() for name in VARIABLES), "REQUEST_METHOD"]),
        st.sampled_from(["", "http://a:1", "http://b:2"]),
    )
)
def test_the_variables_mean_what_they_mean_to_pip(environment: dict[str, str]) -> None:
    with patch.dict(os.environ, environment, clear=True):
        theirs = urllib.request.getproxies_environment()
    assert {scheme: str(proxy.url) for scheme, proxy in proxies_of(environment).items()} == theirs


@pytest.mark.parametrize(
    "value",
    [
        "http://p.example:x",
        "http://:3128",
        "http://user:secret@",
        "p q",
        "http://p:99999",
        "http://xn--:80",
        '"http://p:1"',
    ],
)
def test_a_proxy_that_leads_nowhere_is_a_bad_setting_by_its_name(value: str) -> None:
    with pytest.raises(BadSetting, match=r"^HTTPS_PROXY: ") as caught:
        proxies_of({"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "patterns"),
    [
        ("localhost, .cluster.local", ["all://localhost", "all://*cluster.local"]),
        ("a.test b.test", ["all://*a.test", "all://*b.test"]),
        ("fd00::/16,[::1],::1/128", ["all://[::1]"]),
        ("10.0.0.0/8", ["all://10.1.2.3"]),
        ("fd01::/16", ["all://[fd01::5]"]),
        ("a.test:8080,a.test:port", ["all://*a.test:8080"]),
        ("10.0.0.0/nonsense", []),
        ("", []),
        (". , [] ,a.test", ["all://*a.test"]),
    ],
)
def test_no_proxy_is_read_as_clusters_write_it(said: str, patterns: Iterable[str]) -> None:
    asked = ["http://10.1.2.3:80/x", "http://[fd01::5]/x", "https://named.test/x", "/folder"]
    assert unproxied({"NO_PROXY": said}, asked) == patterns


@pytest.mark.parametrize(
    ("said", "url", "direct"),
    [
        ("a.test", "https://a.test/x", True),
        ("a.test", "https://b.a.test/x", True),
        ("a.test", "https://ba.test/x", False),
        (".a.test", "https://b.a.test/x", True),
        (".a.test", "https://a.test/x", True),
        ("a.test.", "https://a.test/x", True),
        ("a.test:8080", "https://a.test:8080/x", True),
        ("a.test:8080", "https://a.test/x", False),
        ("[::1]", "http://[::1]:80/x", True),
    ],
)
def test_what_is_named_is_asked_for_directly(said: str, url: str, direct: bool) -> None:
    mounts: dict[str, httpx.BaseTransport | None] = dict.fromkeys(unproxied({"no_proxy": said}, [url]))
    with httpx.Client(
        mounts=mounts | {"all://": httpx.HTTPTransport(proxy="http://p.test:1")}, trust_env=False
    ) as client:
        assert (client._transport_for_url(httpx.URL(url)) is client._transport) is direct
