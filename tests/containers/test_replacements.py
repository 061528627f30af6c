"""What stands in for parts of the standard library in the image, held against them."""

from __future__ import annotations

import os
import urllib.request
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from image.replacements.urllib.request import getproxies

VARIABLES = [
    "http_proxy",
    "HTTP_PROXY",
    "Http_Proxy",
    "HTTP_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "ftp_proxy",
    "_proxy",
    "proxy",
    "HTTP_PROXY_",
    "REQUEST_METHOD",
    "PATH",
]


@settings(max_examples=1000)
@given(st.lists(st.tuples(st.sampled_from(VARIABLES), st.sampled_from(["", "http://a:1", "http://b:2"]))))
def test_proxies_are_found_as_urllib_finds_them(variables: list[tuple[str, str]]) -> None:
    with patch.dict(os.environ, dict(variables), clear=True):
        assert getproxies() == urllib.request.getproxies_environment()
