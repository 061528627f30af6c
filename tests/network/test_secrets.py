"""Credentials are sent only where they belong, and never shown."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from pathlib import Path

import pytest

from tests.server import Server, give, page, redirect, serve
from tiktoken_cache_init.catalogue import cache_key

from .cases import PATH, SIZE, Case, Outcome

USER, PASSWORD, QUOTED = "mirror-user", "s3cret/Pa55word", "s3cret%2FPa55word"
HEADER = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
"""Header that sends these credentials."""


def shows_no_secret(outcome: Outcome) -> None:
    """Check that no form of the password is in the output."""
    outcome.is_clean()
    for secret in (PASSWORD, QUOTED, "Pa55word", HEADER.removeprefix("Basic ")):
        assert secret not in outcome.said


@pytest.fixture
def netrc(tmp_path: Path) -> dict[str, str]:
    """Write a netrc file for 127.0.0.1, and return the variable that names it."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    return {"NETRC": str(tmp_path / "netrc")}


@pytest.mark.parametrize(
    ("place", "output"), [("url", []), ("netrc", ["--json", "--log", "json"])], ids=["url-text", "netrc-json"]
)
def test_credentials_are_sent_to_each_mirror_and_never_shown(
    case: Case, server: Server, netrc: dict[str, str], place: str, output: list[str]
) -> None:
    user = f"{USER}:{QUOTED}@" if place == "url" else ""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server()) for _ in range(5)]
        there = f"http://{USER}:{QUOTED}@{servers[0].host}"
        servers[0].otherwise = page(404)
        servers[1].otherwise = give(b"", 401, {"WWW-Authenticate": "Basic"})
        servers[2].otherwise = redirect(f"{there}/elsewhere?sig={QUOTED}")
        servers[3].otherwise = redirect(f"http://{user}{servers[3].host}{PATH}")
        servers[4].otherwise = serve(bytes(SIZE))
        mirrors = [f"http://{user}{each.host}" for each in (*servers, server)]
        outcome = case.fill(*mirrors, arguments=output, environment=netrc if place == "netrc" else {})
    outcome.is_ready()
    shows_no_secret(outcome)
    assert "redirected more than 5 times" in outcome.said
    for each in (*servers, server):
        assert each.asked(PATH)[0].headers["Authorization"] == HEADER


def test_secrets_of_private_vocabularies_and_in_queries_are_sent_and_never_shown(case: Case, server: Server) -> None:
    arguments, private = ["--json", "--log", "json"], {}
    for name, answer in {"refused": page(403), "wrong": give(b"wrong"), "right": serve()}.items():
        content = name.encode() * 1000
        server.offer(f"/{name}", content)
        server.script(f"/{name}", answer)
        url = f"http://{USER}:{QUOTED}@{server.host}/{name}?sig={QUOTED}"
        arguments += ["--extra", f"{url}#sha256={hashlib.sha256(content).hexdigest()}"]
        private[cache_key(url)] = content
    outcome = case.fill(f"{server.url}?sv=1&sig={QUOTED}", origin="on", arguments=arguments, private=private)
    assert outcome.ended.code == 4, outcome.said
    shows_no_secret(outcome)
    assert server.asked(PATH)[0].target == f"{PATH}?sv=1&sig={QUOTED}"


def test_credentials_do_not_follow_a_redirect_to_another_port(
    case: Case, server: Server, second: Server, netrc: dict[str, str]
) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    case.fill(server.url, environment=netrc).is_ready()
    assert server.requests[0].headers["Authorization"] == HEADER
    assert "Authorization" not in second.requests[0].headers
