"""Fetch from servers with good certificates, bad ones, and ones that an authority from a setting has signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server, serve

from .authority import Authority
from .cases import PATH, SIZE, Case

ADDING = ["TIKTOKEN_INIT_CA", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
"""Variables that add authorities to the trusted ones."""


@pytest.mark.emulated
def test_an_unknown_authority_is_reported_with_the_setting_that_adds_it(case: Case, secure: Server) -> None:
    case.fill(secure.url).is_failure(f"{secure.host}: its certificate is not trusted", "TIKTOKEN_INIT_CA")
    assert secure.connections == 1


@pytest.mark.emulated
@pytest.mark.parametrize("variable", [*ADDING, "SSL_CERT_FILE"])
def test_an_authority_is_trusted_through_a_variable(
    case: Case, secure: Server, authority: Authority, variable: str
) -> None:
    case.fill(secure.url, environment={variable: str(authority.bundle)}).is_ready()


def test_an_authority_is_trusted_through_the_option(case: Case, secure: Server, authority: Authority) -> None:
    secure.script(PATH, serve(length=False, upto=SIZE // 2), serve())
    case.fill(secure.url, arguments=["--ca", str(authority.bundle)]).is_ready()
    assert secure.moved <= 1.02 * SIZE


@pytest.mark.emulated
def test_an_authority_is_trusted_through_a_directory(
    case: Case, secure: Server, authority: Authority, tmp_path: Path
) -> None:
    directory = authority.directory(tmp_path / "authorities")
    case.fill(secure.url, environment={"SSL_CERT_DIR": str(directory)}).is_ready()


@pytest.mark.parametrize("known", [*ADDING, "SSL_CERT_FILE"])
def test_each_variable_adds_to_the_others(
    case: Case, secure: Server, authority: Authority, tmp_path: Path, known: str
) -> None:
    other = str(Authority(tmp_path, "other").bundle)
    environment = dict.fromkeys([*ADDING, "SSL_CERT_FILE"], other) | {known: str(authority.bundle)}
    case.fill(secure.url, environment=environment).is_ready()


@pytest.mark.parametrize("variable", ADDING)
def test_an_added_authority_leaves_the_default_ones_trusted(
    case: Case, secure: Server, authority: Authority, tmp_path: Path, variable: str
) -> None:
    # The directory stands for the default authorities, which sign for no test server.
    environment = {
        "SSL_CERT_DIR": str(authority.directory(tmp_path / "authorities")),
        variable: str(Authority(tmp_path, "other").bundle),
    }
    case.fill(secure.url, environment=environment).is_ready()


def test_ssl_cert_file_replaces_the_default_authorities(case: Case, secure: Server, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    case.fill(secure.url, environment={"SSL_CERT_FILE": str(other.bundle)}).is_failure("certificate is not trusted")


@pytest.mark.parametrize("variable", [*ADDING, "SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate\n"], ids=["missing", "empty", "text"])
def test_an_invalid_bundle_is_a_bad_setting(
    case: Case, secure: Server, tmp_path: Path, content: bytes | None, variable: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    outcome = case.fill(secure.url, environment={variable: str(bundle)})
    assert outcome.ended.code == 2
    assert variable in outcome.said
    assert str(bundle) in outcome.said
    outcome.is_clean()


@pytest.fixture
def expired(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Start a mirror whose certificate expired yesterday."""
    with Server(authority.context("127.0.0.1", expired=True)) as started:
        case.servers.append(started)
        started.offer(PATH, contents[PATH])
        yield started


@pytest.fixture
def misnamed(case: Case, contents: dict[str, bytes], authority: Authority) -> Iterator[Server]:
    """Start a mirror whose certificate is for another host."""
    with Server(authority.context("elsewhere.test")) as started:
        case.servers.append(started)
        started.offer(PATH, contents[PATH])
        yield started


def test_an_expired_certificate_is_reported_once_with_the_clock(
    case: Case, expired: Server, authority: Authority
) -> None:
    outcome = case.fill(expired.url, arguments=["--ca", str(authority.bundle)])
    outcome.is_failure(expired.host, "certificate has expired", "clock")
    assert expired.connections == 1


@pytest.mark.emulated
def test_a_certificate_for_another_host_is_reported_once(case: Case, misnamed: Server, authority: Authority) -> None:
    outcome = case.fill(misnamed.url, arguments=["--ca", str(authority.bundle)])
    outcome.is_failure(misnamed.host, "certificate is for another host", "127.0.0.1")
    assert misnamed.connections == 1
