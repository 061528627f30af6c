from __future__ import annotations

import asyncio
import builtins
import errno
import os
import re
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trustme

from tests.samples import settings
from tests.unit.conftest import Refuse
from tiktoken_cache_init.errors import SettingError
from tiktoken_cache_init.sources.client import _netrc, _trust, make_client
from tiktoken_cache_init.sources.proxies import Proxies

# Certificate authorities.


def names(context: ssl.SSLContext) -> set[str]:
    found = [dict(part[0] for part in each["subject"]) for each in context.get_ca_certs()]  # type: ignore[misc]
    return {name["organizationName"] for name in found if "organizationName" in name}


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[[str], str]:
    def write(name: str) -> str:
        path = tmp_path / f"{name}.pem"
        trustme.CA(organization_name=name).cert_pem.write_to_path(str(path))
        return str(path)

    return write


def test_our_authorities_are_added_to_those_of_ssl_cert_file_which_replaces_the_systems(
    bundle: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle("one"))
    assert names(_trust("")) == {"one"}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle("two"))
    monkeypatch.setenv("CURL_CA_BUNDLE", bundle("three"))
    trust = _trust(bundle("four"))
    assert names(trust) == {"one", "two", "three", "four"}
    assert not trust.verify_flags & ssl.VERIFY_X509_STRICT


@pytest.mark.parametrize(
    ("cafile", "with_hash", "is_added"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_a_system_without_authorities_gets_those_of_certifi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cafile: bool, with_hash: bool, is_added: bool
) -> None:
    if with_hash:
        (tmp_path / "hash.0").touch()
    paths = SimpleNamespace(cafile="ca.pem" if cafile else None, capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    # A directory may be given, too.
    assert (_trust(str(tmp_path)).cert_store_stats()["x509_ca"] > 50) == is_added


@pytest.mark.parametrize(
    ("variable", "content", "said"),
    [
        ("SSL_CERT_FILE", None, "cannot read .*: No such file or directory: mount it"),
        ("REQUESTS_CA_BUNDLE", "no", ".* holds no certificate in PEM form"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_reported_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None, said: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(SettingError, match=f"^{variable}: {said}"):
        _trust("")
    monkeypatch.delenv(variable)
    with pytest.raises(SettingError, match=f"^TIKTOKEN_INIT_CA: {said}"):
        _trust(str(path))


def test_a_limit_of_the_process_is_not_taken_for_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, bundle: Callable[[str], str], refuse: Refuse
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle("ours"))
    refuse("load_verify_locations", errno.EMFILE, ssl.SSLContext)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.EMFILE))):
        _trust("")
    monkeypatch.setenv("NETRC", bundle("netrc"))
    refuse("open", errno.EMFILE, builtins)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.EMFILE))):
        _netrc()


# Netrc and proxies.


def test_a_netrc_file_is_looked_for_in_the_home_directory_and_may_be_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _netrc() is None
    (tmp_path / ".netrc").write_text("machine a.example login user password secret\n")
    assert isinstance(_netrc(), httpx.NetRCAuth)
    # A bind mount of a missing file makes a directory.
    monkeypatch.setenv("NETRC", str(tmp_path))
    assert _netrc() is None


@pytest.mark.parametrize("content", [b"\nmachin a.example\n", b"machine a.example login \xe9 password secret\n"])
def test_an_invalid_netrc_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "netrc").write_bytes(content)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(SettingError, match=f"^{tmp_path}/netrc is not a netrc file: correct it, or set NETRC"):
        make_client(settings(), Proxies())


def test_a_socks_proxy_without_its_library_is_an_error_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@p.example:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(
        SettingError, match=r"^a SOCKS proxy needs the package socksio: install httpx\[socks\]"
    ) as caught:
        make_client(settings(), Proxies())
    assert "secret" not in str(caught.value)


def test_each_request_goes_through_its_proxy_with_one_trust_for_all(
    monkeypatch: pytest.MonkeyPatch, bundle: Callable[[str], str]
) -> None:
    made: list[dict[str, Any]] = []
    closed: list[object] = []

    class Recorded(httpx.AsyncHTTPTransport):
        def __init__(self, **options: Any) -> None:
            made.append(options)
            self.proxy = options["proxy"].url.host if "proxy" in options else ""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=request.headers, text=self.proxy)

        async def aclose(self) -> None:
            closed.append(self)

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", Recorded)
    for name, value in {"HTTP": "http://a.example", "HTTPS": "https://b.example", "NO": "c.example"}.items():
        monkeypatch.setenv(f"{name}_PROXY", value)

    async def run() -> list[httpx.Response]:
        async with make_client(settings(ca=bundle("ours")), Proxies()) as client:
            assert client.timeout == httpx.Timeout(None)
            return [await client.get(url) for url in ("http://m.example", "https://m.example", "https://c.example")]

    answers = asyncio.run(run())
    assert [answer.text for answer in answers] == ["a.example", "b.example", ""]
    assert answers[0].headers["User-Agent"].startswith("tiktoken-cache-init/")
    assert answers[0].headers["Accept-Encoding"] == "identity"
    trust = made[0]["verify"]
    assert "ours" in names(trust)
    assert {(options["proxy"].url.host, options["proxy"].ssl_context) for options in made[1:]} == {
        ("a.example", None),
        ("b.example", trust),
    }
    assert all(options["verify"] is trust for options in made)
    assert len(closed) == 3
