"""Fetch from servers with good certificates, bad ones, and ones that an authority from a setting has signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server import Server

from .authority import Authority
from .cases import Case, also_in_the_image

VARIABLES = ["TIKTOKEN_INIT_CA", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]


@also_in_the_image
def test_an_unknown_authority_is_reported_once_with_the_setting_that_adds_it(case: Case, secure: Server) -> None:
    outcome = case.fill(secure.url)
    outcome.is_failure(f"tried {secure.url}: its certificate is not trusted", "TIKTOKEN_INIT_CA")
    assert secure.connections == 1


@also_in_the_image
@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_adds_an_authority_to_those_of_the_others(
    case: Case, secure: Server, authority: Authority, tmp_path: Path, variable: str
) -> None:
    other = str(Authority(tmp_path, "other").bundle)
    environment = dict.fromkeys(VARIABLES, other) | {variable: str(authority.bundle)}
    case.fill(secure.url, environment=environment).is_ready()


@also_in_the_image
def test_an_added_authority_leaves_the_default_ones_trusted(
    case: Case, secure: Server, authority: Authority, tmp_path: Path
) -> None:
    # The directory stands for the default authorities, which sign for no test server.
    environment = {
        "SSL_CERT_DIR": str(authority.directory(tmp_path / "authorities")),
        "TIKTOKEN_INIT_CA": str(Authority(tmp_path, "other").bundle),
    }
    case.fill(secure.url, environment=environment).is_ready()


def test_a_missing_bundle_is_a_bad_setting(case: Case, secure: Server) -> None:
    case.fill(secure.url, environment={"CURL_CA_BUNDLE": "/nowhere.pem"}).is_bad_setting("CURL_CA_BUNDLE: cannot read")


@also_in_the_image
def test_a_certificate_that_expired_or_is_for_another_host_is_reported_once(case: Case, authority: Authority) -> None:
    with (
        Server(authority.context("127.0.0.1", expired=True)) as expired,
        Server(authority.context("elsewhere.test")) as misnamed,
    ):
        outcome = case.fill(expired.url, misnamed.url, arguments=["--ca", str(authority.bundle)])
    outcome.is_failure(f"tried {expired.url}: its certificate has expired", "clock")
    outcome.is_failure(f"tried {misnamed.url}: its certificate is for another host")
    assert (expired.connections, misnamed.connections) == (1, 1)
