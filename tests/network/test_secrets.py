"""Credentials are sent only where they belong, and never shown."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from tests.server import Answer, Server, page, redirect, refuse_with, reset, serve
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import cache_key

from .cases import PATH, SIZE, Case

USER, PASSWORD, QUOTED = "mirror-user", "s3cret/Pa55word", "s3cret%2FPa55word"
OUTPUTS: tuple[list[str], ...] = ([], ["--log", "json"], ["--json"], ["--json", "--log", "json"])


def basic(user: str, password: str) -> str:
    """Return the header that sends these credentials."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def shows_no_secret(said: str) -> None:
    """Check that no form of the password is in the text."""
    pair = f"{USER}:{PASSWORD}".encode()
    for secret in (PASSWORD, QUOTED, "Pa55word", base64.b64encode(pair).decode(), pair.hex()):
        assert secret not in said


def answers(there: str) -> dict[str, Answer]:
    """Return description -> an answer that makes a run print the URL ``there``."""
    return {
        "good": serve(),
        "404": page(404),
        "401": refuse_with(401, www_authenticate="Basic"),
        "redirect": redirect(f"{there}/elsewhere?sig={QUOTED}"),
        "loop": redirect(f"{there}{PATH}"),
        "html": page(),
        "wrong": serve(bytes(SIZE)),
        "reset": reset,
    }


@pytest.mark.parametrize("answer", answers(""))
@pytest.mark.parametrize("output", OUTPUTS, ids=" ".join)
def test_credentials_in_the_url_of_a_mirror_are_sent_and_never_shown(
    case: Case, server: Server, answer: str, output: list[str]
) -> None:
    there = f"http://{USER}:{QUOTED}@{server.host}"
    server.script(PATH, answers(there)[answer])
    outcome = case.fill(there, arguments=output, environment={"TIKTOKEN_INIT_DEADLINE": "3"})
    assert outcome.ended.code == (0 if answer == "good" else 4), outcome.said
    shows_no_secret(outcome.said)
    outcome.is_clean()
    assert server.asked(PATH)[0].headers["authorization"] == basic(USER, PASSWORD)


@pytest.mark.parametrize("answer", ["good", "404", "401", "html", "reset"])
def test_credentials_in_a_netrc_file_are_sent_and_never_shown(
    case: Case, server: Server, tmp_path: Path, answer: str
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    server.script(PATH, answers(server.url)[answer])
    environment = {"NETRC": str(tmp_path / "netrc")}
    outcome = case.fill(server.url, environment=environment)
    assert outcome.ended.code == (0 if answer == "good" else 4), outcome.said
    shows_no_secret(outcome.said)
    assert server.asked(PATH)[0].headers["authorization"] == basic(USER, PASSWORD)


def test_credentials_in_the_url_override_the_netrc_file(case: Case, server: Server, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password from-netrc\n")
    url = f"http://{USER}:{QUOTED}@{server.host}"
    case.fill(url, environment={"NETRC": str(tmp_path / "netrc")}).is_ready()
    assert server.requests[0].headers["authorization"] == basic(USER, PASSWORD)


def test_a_netrc_file_for_other_hosts_sends_nothing(case: Case, server: Server, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(f"machine other.test login {USER} password {PASSWORD}\n")
    case.fill(server.url, environment={"NETRC": str(tmp_path / "netrc")}).is_ready()
    assert "authorization" not in server.requests[0].headers


def test_a_broken_netrc_file_is_a_bad_setting_and_not_shown(case: Case, server: Server, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} passwort {PASSWORD}\n")
    outcome = case.fill(server.url, environment={"NETRC": str(tmp_path / "netrc")})
    assert outcome.ended.code == 2, outcome.said
    assert f"{tmp_path}/netrc" in outcome.said
    shows_no_secret(outcome.said)
    outcome.is_clean()


@pytest.mark.parametrize("output", OUTPUTS, ids=" ".join)
def test_credentials_of_a_proxy_are_never_shown(case: Case, output: list[str]) -> None:
    with Server() as proxy:
        proxy.otherwise = refuse_with(407)
        environment = {"HTTPS_PROXY": f"http://{USER}:{QUOTED}@{proxy.host}"}
        outcome = case.fill("https://mirror.test", environment=environment, arguments=output)
    assert outcome.ended.code == 4, outcome.said
    shows_no_secret(outcome.said)
    assert "407" in outcome.said


@pytest.mark.parametrize("tail", [":99999", ":port", "]", "[", " x", ":80:80"])
def test_credentials_in_an_invalid_url_are_never_shown(case: Case, tail: str) -> None:
    outcome = case.fill(f"http://{USER}:{QUOTED}@127.0.0.1{tail}")
    assert outcome.ended.code == 2, outcome.said
    assert "mirror" in outcome.said.lower()
    shows_no_secret(outcome.said)
    outcome.is_clean()


@pytest.mark.parametrize("value", ["http://{}@[", "http://{}@127.0.0.1:port", "htp://{}@127.0.0.1:1"])
def test_credentials_in_an_invalid_proxy_setting_are_never_shown(case: Case, server: Server, value: str) -> None:
    outcome = case.fill(server.url, environment={"HTTP_PROXY": value.format(f"{USER}:{QUOTED}")})
    assert outcome.ended.code == 2, outcome.said
    assert "HTTP_PROXY" in outcome.said
    shows_no_secret(outcome.said)
    outcome.is_clean()


@pytest.mark.emulated
def test_credentials_of_a_private_vocabulary_are_never_shown(case: Case, server: Server) -> None:
    content = b"IQ== 0\nIg== 1\n" * 1000
    url = f"http://{USER}:{QUOTED}@{server.host}/private/acme.tiktoken?sig={QUOTED}"
    setting = f"{url}#sha256={hashlib.sha256(content).hexdigest()}"
    for behaviour, code in ((page(403), 4), (serve(content[1:]), 4), (serve(content), 0)):
        server.script("/private/acme.tiktoken", behaviour)
        for output in OUTPUTS:
            arguments = ["--mirror", f"http://{server.host}", "--extra", setting, *output]
            outcome = case.fill(origin="on", arguments=arguments, private={cache_key(url): content})
            assert outcome.ended.code == code, outcome.said
            shows_no_secret(outcome.said)
            outcome.is_clean()


def test_a_token_in_the_query_of_a_mirror_is_sent_and_never_shown(case: Case, server: Server) -> None:
    for path in (PATH, f"/{CL100K.published_name}", f"/{CL100K.cache_key}"):
        server.script(path, page(403))
    for output in OUTPUTS:
        outcome = case.fill(f"{server.url}?sv=2022-11-02&sig={QUOTED}", arguments=output)
        assert outcome.ended.code == 4, outcome.said
        shows_no_secret(outcome.said)
    assert server.requests[0].target == f"{PATH}?sv=2022-11-02&sig={QUOTED}"


@pytest.mark.parametrize("place", ["url", "netrc"])
def test_credentials_do_not_follow_a_redirect_to_another_port(
    case: Case, server: Server, second: Server, tmp_path: Path, place: str
) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    user = f"{USER}:{QUOTED}@" if place == "url" else ""
    case.fill(f"http://{user}{server.host}", environment={"NETRC": str(tmp_path / "netrc")}).is_ready()
    assert server.requests[0].headers["authorization"] == basic(USER, PASSWORD)
    assert "authorization" not in second.requests[0].headers
