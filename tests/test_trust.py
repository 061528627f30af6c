from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.network.authority import Authority
from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.sources.trust import trust


def subjects(context: ssl.SSLContext) -> set[str]:
    names = [dict(part[0] for part in found["subject"]) for found in context.get_ca_certs()]  # type: ignore[misc]
    return {name["organizationName"] for name in names}


def test_a_bundle_of_ours_adds_to_the_trust_and_the_variable_replaces_it(tmp_path: Path) -> None:
    one, other = Authority(tmp_path, "one"), Authority(tmp_path, "other")
    alone = trust("", {"SSL_CERT_FILE": str(one.bundle)})
    both = trust(str(other.bundle), {"SSL_CERT_FILE": str(one.bundle)})
    assert (subjects(alone), subjects(both)) == ({"one"}, {"one", "other"})
    # An authority in a folder is loaded when it is met.
    assert not subjects(trust("", {"SSL_CERT_DIR": str(one.directory(tmp_path / "folder"))}))


def test_an_interpreter_that_knows_no_authorities_gets_some(monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenSSL itself reads these, in place of what it was built with.
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/file")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere/folder")
    assert trust("", {}).cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize(
    ("content", "text"), [(None, "cannot read .*: No such file"), ("no", ".* holds no certificate in PEM form")]
)
def test_a_bundle_that_is_none_is_a_bad_setting_by_its_name(tmp_path: Path, content: str | None, text: str) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(BadSetting, match=f"^SSL_CERT_FILE: {text}"):
        trust("", {"SSL_CERT_FILE": str(bundle)})
    with pytest.raises(BadSetting, match=f"^TIKTOKEN_INIT_CA: {text}"):
        trust(str(bundle), {})


def test_what_proxies_that_break_tls_issue_is_not_refused_for_its_form() -> None:
    assert not trust("", {}).verify_flags & ssl.VERIFY_X509_STRICT


def test_a_folder_of_authorities_that_is_none_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=f"^SSL_CERT_DIR: {tmp_path}/none is no folder"):
        trust("", {"SSL_CERT_DIR": str(tmp_path / "none")})


def test_a_log_of_keys_that_cannot_be_written_is_told_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none/keys"))
    with pytest.raises(BadSetting, match=r"^SSLKEYLOGFILE: cannot read .*: No such file"):
        trust("", {"SSLKEYLOGFILE": str(tmp_path / "none/keys")})
