"""Time limits of a fetch (the deadline, a stall, a slow mirror), signals, and its progress."""

from __future__ import annotations

import contextlib
import os
import pty
import re
from pathlib import Path

from tests.samples import names_in, wait_until
from tests.server import Server, serve
from tests.vocabularies import CL100K, O200K

from .cases import PATH, SIZE, Case, also_in_the_image
from .names import resolver, silent_name_server


def test_the_deadline_ends_a_slow_transfer_and_a_file_that_is_complete_is_installed(case: Case, server: Server) -> None:
    server.script(f"/{O200K.path}", serve(rate=100_000))
    outcome = case.fill(server.url, encodings="cl100k_base,o200k_base", arguments=["--deadline", "5"])
    outcome.is_failure(
        f"tried {server.url}: .* before the deadline",
        "the deadline of 5 s passed",
        "TIKTOKEN_INIT_DEADLINE|--deadline",
        about=O200K.published_name,
    )
    assert names_in(case.volume) == [CL100K.cache_key]
    assert 4 < outcome.ended.seconds < 15


@also_in_the_image
def test_a_name_server_that_never_answers_is_given_up_at_the_deadline(case: Case, tmp_path: Path) -> None:
    with silent_name_server() as listener:
        outcome = case.fill("http://mirror.invalid", arguments=["--deadline", "2"], files=resolver(tmp_path))
        assert b"mirror" in listener.recv(512)
    outcome.is_failure("mirror.invalid", "the deadline of 2 s passed")


# Slow servers.


def test_a_mirror_that_is_too_slow_for_the_deadline_is_left_for_the_next(
    case: Case, server: Server, second: Server
) -> None:
    # A file needs a minute at this rate.
    server.script(PATH, serve(rate=30_000))
    outcome = case.fill(server.url, second.url, arguments=["--deadline", "30"])
    outcome.is_ready()
    assert re.search(rf"tried {server.url}: too slow: at .* KiB/s it needs \d+ s more", outcome.said)
    assert server.moved + second.moved <= 1.02 * SIZE


# SIGTERM. The time-out and the deadline are long, so that only the signal can end the run. A unit test stops a stall.


def test_sigterm_ends_a_transfer_within_a_second(case: Case, server: Server) -> None:
    server.script(PATH, serve(rate=200_000))
    running = case.start(server.url)
    wait_until(lambda: server.moved > 100_000)
    case.stop(running)


def test_sigterm_ends_a_name_look_up_within_a_second(case: Case, tmp_path: Path) -> None:
    with silent_name_server() as listener:
        running = case.start("http://mirror.invalid", files=resolver(tmp_path))
        assert b"mirror" in listener.recv(512)
        case.stop(running)


# Progress.


def test_a_slow_fill_shows_progress_on_a_terminal_and_removes_it(server: Server, case: Case) -> None:
    server.script(PATH, serve(rate=500_000))
    ours, theirs = pty.openpty()
    running = case.start(server.url, stderr=theirs)
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
    assert set(re.findall(rb"\x1b\[\d*[A-Za-z]", said)) == {b"\x1b[K"}
