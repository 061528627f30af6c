"""Fetch from servers that misbehave.

Each failure must have its exit code and no traceback, leave only right files in the volume, and name the file, the mirror,
the reason and the remedy. The tests also check the bytes that the servers sent. Servers that never supply the file are the
mirrors of one run, because a fill tries every mirror. `tests/unit/sources/test_transfer.py` has more answers.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.drivers import Host
from tests.samples import vocabulary
from tests.server import (
    Answer,
    Request,
    Server,
    close,
    compressed,
    endless,
    give,
    page,
    redirect,
    reset,
    serve,
    silent,
)

from .authority import Authority
from .cases import PATH, SIZE, Case, also_in_the_image
from .names import refusing
from .proxy import Answering

SLACK = 1_000_000
"""Bytes that socket buffers can hold before a server notices that the client is gone."""


@contextlib.contextmanager
def mirrors(answers: Iterable[Answer], contents: dict[str, bytes]) -> Iterator[list[Server]]:
    """Start a mirror for each answer."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server()) for _ in answers]
        for server, answer in zip(servers, answers, strict=True):
            server.offer(PATH, contents[PATH])
            server.script(PATH, answer)
        yield servers


def has_not_the_file() -> list[tuple[str, Answer, int]]:
    """Return the reason of each failure, an answer that is not the file, and the limit for its bytes."""
    return [
        ("wrong bytes", serve(bytes(SIZE)), SIZE),
        ("answered with an HTML page", page(), 1000),
        ("has more than 1,681,126", give(b"", length=False, then=endless), SIZE + SLACK),
        ("has more than 1,681,126", compressed(bytes(100_000_000)), SIZE),
        ("the body ended after 0 of 1,681,126", give(b""), 0),
        ("429 .*3600 s", give(b"", 429, {"Retry-After": "3600"}), 0),
        ("404", redirect("/elsewhere"), 1000),
        ("redirected more than 5 times", redirect(PATH), 1000),
    ]


@also_in_the_image
def test_servers_without_the_file_are_asked_once_and_reported_in_order(case: Case, contents: dict[str, bytes]) -> None:
    reasons, answers, limits = zip(*has_not_the_file(), strict=True)
    with mirrors(answers, contents) as servers:
        outcome = case.fill(*(server.url for server in servers))
    outcome.is_failure(*(f"tried {server.url}: {reason}" for server, reason in zip(servers, reasons, strict=True)))
    places = [outcome.said.index(f"tried {server.url}: ") for server in servers]
    assert places == sorted(places)
    for server, reason, limit in zip(servers, reasons, limits, strict=True):
        assert server.moved <= limit, reason
        assert len(server.asked(PATH)) == (6 if "5 times" in reason else 1), reason


def endless_head(interval: float) -> Answer:
    """Send headers until the client leaves, each after some seconds."""

    def answer(request: Request) -> None:
        request.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            request.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
            time.sleep(interval)

    return answer


FAILS_AT_EACH_ATTEMPT: list[tuple[str, Answer]] = [
    ("(connection reset by peer|the connection broke: ReadError)", reset),
    ("the connection broke: .*disconnected", close),
    ("the connection broke: .*too long", endless_head(0.0005)),
    ("503", page(503)),
]


@also_in_the_image
def test_servers_that_fail_at_each_attempt_are_tried_five_times_and_reported(
    case: Case, contents: dict[str, bytes]
) -> None:
    reasons, answers = zip(*FAILS_AT_EACH_ATTEMPT, strict=True)
    with (
        mirrors(answers, contents) as servers,
        refusing() as port,
        Answering(b"SSH-2.0-OpenSSH_9.2\r\n") as ssh,
    ):
        refused, no_tls = f"http://127.0.0.1:{port}", f"https://{ssh.host}"
        outcome = case.fill(*(server.url for server in servers), refused, ssh.url, no_tls)
    outcome.is_failure(*(f"tried {server.url}: {reason}" for server, reason in zip(servers, reasons, strict=True)))
    outcome.is_failure(
        f"tried {refused}: connection refused",
        f"tried {ssh.url}: the connection broke: ",
        f"tried {no_tls}: TLS failed",
    )
    assert {len(server.asked(PATH)) for server in servers} == {5}


def test_servers_that_stall_are_left_at_the_time_out(case: Case, contents: dict[str, bytes]) -> None:
    with mirrors([serve(upto=1000, then=silent), endless_head(0.1)], contents) as servers:
        urls = [server.url for server in servers]
        outcome = case.fill(*urls, arguments=["--timeout", "0.5", "--deadline", "4"])
    outcome.is_failure(*(rf"tried {url}: stalled for 0.5 s after [\d,]+ bytes" for url in urls))
    assert outcome.ended.seconds < 15


# Faults from which a fill recovers. Each file of one run has its own answers.

FILE = 400_000
"""Size of a file in bytes."""
HALF = FILE // 2


def recovering(content: bytes) -> dict[str, tuple[Answer, ...]]:
    """Return description -> answers that supply the file in the end, without sending bytes twice."""
    return {
        "five resets in the body": (*[serve(upto=FILE // 6, then=reset)] * 5, serve()),
        "a stall in the body": (serve(upto=HALF, then=silent), serve()),
        "a body that ends early without a length": (serve(length=False, upto=HALF), serve()),
        "a chunked body that breaks off": (serve(length="chunked", upto=HALF, then=reset), serve()),
        "a gzip body that was not requested": (compressed(content),),
        # The digest decides that a transfer is done, however the connection ends.
        "no length, and the connection stays open": (serve(length=False, then=silent),),
        "chunks without the last one, and the connection stays open": (serve(length="chunked", then=silent),),
        "chunks without the last one": (serve(length="chunked", then=close),),
        "chunks and a reset": (serve(length="chunked", then=reset),),
    }


BREAKS_OFF = serve(upto=HALF, then=reset)
STARTING_AGAIN: dict[str, tuple[Answer, ...]] = {
    "the range is ignored": (BREAKS_OFF, serve(ranges="ignored")),
    "the range is refused with 416": (BREAKS_OFF, serve(ranges="refused"), serve()),
    "the file changes": (serve(b"x" * FILE, upto=HALF, then=reset), serve(), serve()),
}


@also_in_the_image
def test_files_are_fetched_in_spite_of_faults_and_no_bytes_move_twice(case: Case, server: Server) -> None:
    names = [*recovering(b""), *STARTING_AGAIN]
    content = {name: f"{number:07}\n".encode() * (FILE // 8) for number, name in enumerate(names)}
    wanted = {name: vocabulary(content[name], f"{number}.tiktoken") for number, name in enumerate(names)}
    answers = {name: (recovering(content[name]) | STARTING_AGAIN)[name] for name in names}
    arguments = ["--timeout", "3"]
    for name, each in wanted.items():
        server.offer(f"/{each.published_name}", content[name])
        server.script(f"/{each.published_name}", *answers[name])
        arguments += ["--extra", f"{each.url}#sha256={each.sha256}&size={FILE}"]
    private = {each.cache_key: content[name] for name, each in wanted.items()}
    case.fill(server.url, arguments=arguments, private=private).is_ready()
    for name, each in wanted.items():
        requests = server.asked(f"/{each.published_name}")
        assert len(requests) == len(answers[name]), name
        if name not in STARTING_AGAIN:
            assert sum(request.sent for request in requests) <= 1.02 * FILE, name


def test_a_redirect_from_https_to_http_is_followed_and_its_body_not_read(
    case: Case, secure: Server, server: Server, authority: Authority
) -> None:
    secure.script(PATH, give(b"", 302, {"Location": f"{server.url}{PATH}"}, length=False, then=endless))
    case.fill(secure.url, arguments=["--ca", str(authority.bundle)]).is_ready()
    assert secure.moved < SLACK
    assert server.moved == SIZE


def test_too_few_file_descriptors_are_reported_with_the_limit_to_raise(volume: Path, server: Server) -> None:
    limited = Case(Host(("sh", "-c", 'ulimit -n 7; exec "$@"', "sh")), volume)
    outcome = limited.fill(server.url, environment={"SSL_CERT_FILE": "/nowhere"})
    outcome.is_failure("tried fetch: too many open files", "ulimit -n")
