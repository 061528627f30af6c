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

from tests.samples import CONTENT, TINY, settings
from tests.server import Server, give
from tests.unit.conftest import Refuse
from tests.unit.sources.fetching import supplied
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
    (tmp_path / "certs").mkdir()
    if with_hash:
        (tmp_path / "certs/hash.0").touch()
    paths = SimpleNamespace(cafile="ca.pem" if cafile else None, capath=str(tmp_path / "certs"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert (_trust("").cert_store_stats()["x509_ca"] > 50) == is_added
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert not _trust("").cert_store_stats()["x509_ca"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "TIKTOKEN_INIT_CA"])
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read .*: No such file or directory: mount it"), ("no", ".* holds no certificate in PEM form")],
)
def test_a_bundle_that_cannot_be_used_is_reported_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None, said: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    if variable != "TIKTOKEN_INIT_CA":
        monkeypatch.setenv(variable, str(path))
    with pytest.raises(SettingError, match=f"^{variable}: {said}"):
        _trust(str(path) if variable == "TIKTOKEN_INIT_CA" else "")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_a_limit_of_the_process_is_not_taken_for_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, number: int, bundle: Callable[[str], str], refuse: Refuse
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle("ours"))
    refuse("load_verify_locations", number, ssl.SSLContext)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        _trust("")
    monkeypatch.setenv("NETRC", bundle("netrc"))
    refuse("open", number, builtins)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        _netrc()


def test_one_directory_of_a_list_of_authorities_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _trust(str(tmp_path))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/none:{tmp_path}")
    assert _trust("")
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/none:{tmp_path}/neither")
    with pytest.raises(SettingError, match=f"^SSL_CERT_DIR: there is no directory {tmp_path}/none:"):
        _trust("")


# Netrc and proxies.


def test_the_netrc_file_supplies_credentials_by_host(
    server: Server, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.script("/tiny.tiktoken", give(CONTENT))
    [found] = supplied(settings(mirrors=(server.url,)), volume, (TINY, CONTENT))
    assert found.label.endswith(": complete")
    assert server.requests[0].headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


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


def test_a_file_is_fetched_through_the_proxy_of_the_environment(
    server: Server, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.host)
    server.script("http://mirror.example/tiny.tiktoken", give(CONTENT))
    [found] = supplied(settings(mirrors=("http://mirror.example",)), volume, (TINY, CONTENT))
    assert found.label == "http://mirror.example: complete"


def test_a_socks_proxy_without_its_library_is_an_error_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@p.example:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(
        SettingError, match=r"^a SOCKS proxy needs the package socksio: install httpx\[socks\]"
    ) as caught:
        make_client(settings(), Proxies())
    assert "secret" not in str(caught.value)


def test_a_proxy_is_trusted_like_any_other_server(
    monkeypatch: pytest.MonkeyPatch, bundle: Callable[[str], str]
) -> None:
    made: list[dict[str, Any]] = []
    closed: list[object] = []

    class Recorded(httpx.AsyncHTTPTransport):
        def __init__(self, **options: Any) -> None:
            made.append(options)
            super().__init__(**options)

        async def aclose(self) -> None:
            closed.append(self)

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", Recorded)
    monkeypatch.setenv("HTTP_PROXY", "http://a.example")
    monkeypatch.setenv("HTTPS_PROXY", "https://b.example")
    client = make_client(settings(ca=bundle("ours")), Proxies())
    trust = made[0]["verify"]
    assert "ours" in names(trust)
    assert {(options["proxy"].url.host, options["proxy"].ssl_context) for options in made[1:]} == {
        ("a.example", None),
        ("b.example", trust),
    }
    assert all(options["verify"] is trust for options in made)
    asyncio.run(client.aclose())
    assert len(closed) == 3
