"""Time limits of a fetch (the deadline, a stall, a slow mirror), signals, and its progress."""

from __future__ import annotations

import contextlib
import os
import pty
import re
from pathlib import Path

from tests.samples import wait_until
from tests.server import Server, page, refuse_with, serve
from tests.vocabularies import CL100K, O200K

from .cases import PATH, SIZE, Case
from .names import name_server, resolver


def test_the_deadline_ends_a_slow_transfer_and_a_file_that_is_complete_is_installed(case: Case, server: Server) -> None:
    server.script(f"/{O200K.path}", serve(rate=100_000))
    outcome = case.fill(server.url, encodings="cl100k_base,o200k_base", arguments=["--deadline", "5"])
    outcome.is_failure(
        f"tried {server.url}: .* before the deadline",
        "the deadline of 5 s passed",
        "TIKTOKEN_INIT_DEADLINE|--deadline",
        about=O200K.published_name,
    )
    assert outcome.has(CL100K)
    assert 4 < outcome.ended.seconds < 15


# Slow servers.

SLOW = serve(rate=30_000)
"""A file needs a minute at this rate."""


def test_a_mirror_that_is_too_slow_for_the_deadline_is_left_for_the_next(
    case: Case, server: Server, second: Server
) -> None:
    server.script(PATH, SLOW)
    outcome = case.fill(server.url, second.url, arguments=["--deadline", "30"])
    outcome.is_ready()
    assert re.search(rf"tried {server.url}: too slow: at .* KiB/s it needs \d+ s more", outcome.said)
    assert server.moved + second.moved <= 1.02 * SIZE


def test_a_slow_mirror_is_continued_if_no_other_mirror_and_no_other_source_has_the_file(
    case: Case, server: Server, second: Server
) -> None:
    server.script(PATH, SLOW, serve())
    second.otherwise = page(404)
    arguments = ["--deadline", "30", "--sources", "fetch,wheel"]
    outcome = case.fill(server.url, second.url, arguments=arguments, environment={"PIP_NO_INDEX": "1"})
    outcome.is_ready()
    assert "tried wheel" in outcome.said
    assert server.moved <= 1.02 * SIZE


# SIGTERM. The time-out and the deadline are long, so that only the signal can end the run. A unit test stops a stall.


def test_sigterm_ends_a_transfer_within_a_second(case: Case, server: Server) -> None:
    server.script(PATH, serve(rate=200_000))
    running = case.start(server.url)
    wait_until(lambda: server.moved > 100_000)
    case.stop(running)


def test_sigterm_ends_a_wait_for_the_next_attempt_within_a_second(case: Case, server: Server) -> None:
    server.script(PATH, refuse_with(503, retry_after="15"))
    running = case.start(server.url)
    wait_until(lambda: server.requests and server.requests[0].ended is not None)
    case.stop(running)


def test_sigterm_ends_a_name_look_up_within_a_second(case: Case, tmp_path: Path) -> None:
    with name_server(answers=False) as listener:
        running = case.start("http://mirror.invalid", files=resolver(tmp_path))
        listener.settimeout(30)
        assert b"mirror" in listener.recv(512)
        case.stop(running)


# Progress.


def test_a_slow_fill_shows_progress_on_a_terminal_and_removes_it(server: Server, case: Case) -> None:
    server.script(PATH, serve(rate=500_000))
    ours, theirs = pty.openpty()
    running = case.start(server.url, environment={"NO_COLOR": "1"}, stderr=theirs)
    os.close(theirs)
    said = b""
    # Reading from a terminal that no process holds is an error, not an end of file.
    with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
        while received := terminal.read(4096):
            said += received
    assert running.wait().code == 0
    drawn = re.findall(rb"\r\x1b\[Kfetching: [0-9,]+ of 1,681,126 bytes", said)
    assert len(drawn) > 1, said
    assert b"fetching" not in said[said.rindex(b"\x1b[K") :]
    # The only escape clears the line: there is no colour.
    assert set(re.findall(rb"\x1b\[\d*[A-Za-z]", said)) == {b"\x1b[K"}
