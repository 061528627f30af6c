"""Fetch from servers with good certificates, bad ones, and ones that an authority from a setting has signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server import Server

from .authority import Authority
from .cases import Case, also_in_the_image


@also_in_the_image
def test_an_unknown_authority_is_reported_once_with_the_setting_that_adds_it(case: Case, secure: Server) -> None:
    outcome = case.fill(secure.url)
    outcome.is_failure(f"tried {secure.url}: its certificate is not trusted", "TIKTOKEN_INIT_CA")
    assert secure.connections == 1


@also_in_the_image
@pytest.mark.parametrize("trusted", ["SSL_CERT_FILE", "TIKTOKEN_INIT_CA"])
def test_an_added_authority_leaves_the_default_ones_trusted(
    case: Case, secure: Server, authority: Authority, tmp_path: Path, trusted: str
) -> None:
    other = str(Authority(tmp_path, "other").bundle)
    environment = {"SSL_CERT_FILE": other, "TIKTOKEN_INIT_CA": other, trusted: str(authority.bundle)}
    case.fill(secure.url, environment=environment).is_ready()


def test_a_missing_bundle_is_a_bad_setting(case: Case, secure: Server) -> None:
    outcome = case.fill(secure.url, environment={"CURL_CA_BUNDLE": "/nowhere.pem"})
    assert outcome.ended.code == 2
    assert "CURL_CA_BUNDLE: cannot read /nowhere.pem" in outcome.said


@also_in_the_image
def test_a_certificate_that_expired_or_is_for_another_host_is_reported_once(case: Case, authority: Authority) -> None:
    with (
        Server(authority.context("127.0.0.1", expired=True)) as expired,
        Server(authority.context("elsewhere.test")) as misnamed,
    ):
        outcome = case.fill(expired.url, misnamed.url, arguments=["--ca", str(authority.bundle)])
    outcome.is_failure(
        f"tried {expired.url}: its certificate has expired",
        "clock",
        f"tried {misnamed.url}: its certificate is for another host",
    )
    assert (expired.connections, misnamed.connections) == (1, 1)
