"""Fetch from servers that misbehave.

Each failure must have its exit code and no traceback, leave only right files in the volume, and name the file, the mirror,
the reason and the remedy. The tests also check the bytes that the servers sent. Servers that never supply the file are the
mirrors of one run, because a fill tries every mirror.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.drivers import Host
from tests.samples import vocabulary
from tests.server import (
    HTML,
    Answer,
    Server,
    close,
    compressed,
    endless,
    endless_head,
    give,
    page,
    raw,
    redirect,
    refuse_with,
    reset,
    serve,
    silent,
)
from tiktoken_cache_init.catalogue import ENCODINGS, VOCABULARIES

from .authority import Authority
from .cases import PATH, SIZE, Case, also_in_the_image
from .names import refusing, unanswering
from .proxy import Answering

SLACK = 1_000_000
"""Bytes that socket buffers can hold before a server notices that the client is gone."""
ENDLESS = endless(b"IQ== 0\n" * 2048, rate=4_000_000)
"""Slow enough to count the bytes that the client reads."""


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
    empty_redirect = give(b"", 302, {"Location": "/elsewhere"}, length=False, then=ENDLESS)
    return [
        ("wrong bytes", serve(bytes(SIZE)), SIZE),
        ("answered with an HTML page", page(), 1000),
        ("wrong bytes: an HTML page", serve(HTML.ljust(SIZE)), SIZE),
        ("has more than 1,681,126", give(b"", length=False, then=ENDLESS), SIZE + SLACK),
        ("has more than 1,681,126", compressed(bytes(100_000_000)), SIZE),
        ("its body is not compressed", serve(headers={"Content-Encoding": "gzip"}), SIZE),
        ("the body ended after 0 of 1,681,126", refuse_with(200), 0),
        ("answered 206 with a part", serve(ranges="unasked"), SIZE),
        ("answered 206 with a part", refuse_with(206), 0),
        ("511 .*portal", page(511), 1000),
        ("429 .*3600 s", refuse_with(429, retry_after="3600"), 0),
        ("201", refuse_with(201), 0),
        ("204", refuse_with(204), 0),
        ("304", refuse_with(304), 0),
        ("403", refuse_with(403), 0),
        ("404", empty_redirect, SLACK),
        ("418", refuse_with(418), 0),
        ("redirected more than 5 times", redirect(PATH), 1000),
        ("302", refuse_with(302), 0),
        (r"redirected to a URL that is not http\(s\)", redirect("file:///etc/hostname"), 1000),
        (r"redirected to a URL that is not http\(s\)", redirect("gopher://127.0.0.1/x"), 1000),
        ("redirected to 127.0.0.1:99999: .*port", redirect("http://127.0.0.1:99999/"), 1000),
        # The last one, because the bytes are kept for the next mirror.
        ("the body ended after 1,000 of 1,681,126", serve(length=1000, upto=1000), 1000),
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


HEADER = b"X-Filler: " + b"x" * 1000 + b"\r\n"
FAILS_AT_EACH_ATTEMPT: list[tuple[str, Answer]] = [
    ("(connection reset by peer|the connection broke: ReadError)", reset),
    ("the connection broke: .*disconnected", raw(b"")),
    ("the connection broke: .*too long", endless_head(b"HTTP/1.1 200 OK\r\n", HEADER, 0.0005)),
    ("the connection broke: ", raw(b"SSH-2.0-OpenSSH_9.2\r\n")),
    ("the connection broke: illegal", raw(bytes(5000))),
    ("the connection broke: ", raw(b"\r\n\r\n")),
    ("the connection broke: ", raw(b"HTTP/1.1 999999\r\n\r\n")),
    ("the body ended after 0 of", raw(b"HTTP/9.9 200 OK\r\n\r\n")),
    ("redirected to another host: ", redirect("http://[")),
    ("redirected to 127.0.0.1: ", redirect("http://")),
    ("503", page(503)),
    ("600", refuse_with(600)),
]


@also_in_the_image
def test_servers_that_fail_at_each_attempt_are_tried_five_times_and_reported(
    case: Case, contents: dict[str, bytes]
) -> None:
    reasons, answers = zip(*FAILS_AT_EACH_ATTEMPT, strict=True)
    with (
        mirrors(answers, contents) as servers,
        refusing() as port,
        Answering(b"HTTP/1.1 400 Bad Request") as plain,
    ):
        refused, not_tls = f"http://127.0.0.1:{port}", f"https://{plain.host}"
        outcome = case.fill(*(server.url for server in servers), refused, not_tls)
    outcome.is_failure(*(f"tried {server.url}: {reason}" for server, reason in zip(servers, reasons, strict=True)))
    outcome.is_failure(f"tried {refused}: connection refused", f"tried {not_tls}: TLS failed")
    assert {len(server.asked(PATH)) for server in servers} == {5}


STALLS = [
    serve(upto=1000, then=silent),
    give(b"", length=SIZE, then=endless(b"x", 1)),
    give(b"", length=SIZE, then=endless(b"x", 500)),
    endless_head(b"HTTP/1.1 200 OK\r\nX-Filler: ", b"x", 0.1),
    endless_head(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n", 0.1),
]


def test_servers_that_stall_are_left_at_the_time_out(case: Case, contents: dict[str, bytes]) -> None:
    with mirrors(STALLS, contents) as servers, unanswering() as port:
        urls = [*(server.url for server in servers), f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}"]
        outcome = case.fill(*urls, arguments=["--timeout", "0.5", "--deadline", "6"])
    outcome.is_failure(*(rf"tried {url}: stalled for [\d.]+ s after [\d,]+ bytes" for url in urls))
    assert outcome.ended.seconds < 15


# Faults from which a fill recovers. Each file of one run has its own answers.

FILE = 400_000
"""Size of a file in bytes."""
HALF = FILE // 2


def recovering(content: bytes) -> dict[str, tuple[Answer, ...]]:
    """Return description -> answers that supply the file in the end, without sending bytes twice."""
    return {
        "one reset before the headers": (reset, serve()),
        "five resets in the body": (*[serve(upto=FILE // 6, then=reset)] * 5, serve()),
        "a stall in the body": (serve(upto=HALF, then=silent), serve()),
        "a body shorter than its length": (serve(length=FILE, upto=HALF), serve()),
        "a body that ends early without a length": (serve(length=False, upto=HALF), serve()),
        "a chunked body that breaks off": (serve(length="chunked", upto=HALF, then=reset), serve()),
        "two 503": (refuse_with(503), refuse_with(503), serve()),
        "a chunked body": (serve(length="chunked"),),
        "a gzip body that was not requested": (compressed(content),),
    }


NONSENSE = ("", "bytes", "bytes x-y/z", f"items {HALF}-{FILE - 1}/{FILE}")
BREAKS_OFF = serve(upto=HALF, then=reset)
STARTING_AGAIN: dict[str, tuple[Answer, ...]] = {
    "the range is ignored": (BREAKS_OFF, serve(ranges="ignored")),
    "the range is refused with 416": (BREAKS_OFF, serve(ranges="refused"), serve()),
    "another range is sent once": (BREAKS_OFF, serve(ranges="wrong"), serve()),
    "another range is always sent": (BREAKS_OFF, serve(ranges="wrong")),
    "the file changes": (serve(b"x" * FILE, upto=HALF, then=reset), serve()),
    "a gzip body breaks off": (
        serve(gzip.compress(bytes(FILE)), headers={"Content-Encoding": "gzip"}, upto=200, then=reset),
        serve(),
    ),
    **{
        f"Content-Range is {text!r}": (BREAKS_OFF, serve(headers={"Content-Range": text}), serve()) for text in NONSENSE
    },
}
ENDS: dict[str, tuple[Answer, ...]] = {
    "ends without a length, and the connection stays open": (serve(length=False, then=silent),),
    "ends in chunks without the last one, and the connection stays open": (serve(length="chunked", then=silent),),
    "ends in chunks without the last one": (serve(length="chunked", then=close),),
    "ends in chunks, and resets the connection": (serve(length="chunked", then=reset),),
    "ends with a length that is too large": (serve(length=FILE + 1, then=close),),
    "ends with a length that is far too large": (serve(length=10**15, then=silent),),
    "ends and goes on with more bytes": (serve(length=False, then=ENDLESS),),
}
"""What a server sends after the right bytes. The digest decides that a transfer is done."""


@also_in_the_image
def test_files_are_fetched_in_spite_of_faults_and_no_bytes_move_twice(case: Case, server: Server) -> None:
    names = [*recovering(b""), *STARTING_AGAIN, *ENDS]
    content = {name: f"{number:07}\n".encode() * (FILE // 8) for number, name in enumerate(names)}
    wanted = {name: vocabulary(content[name], f"{number}.tiktoken") for number, name in enumerate(names)}
    answers = {name: (recovering(content[name]) | STARTING_AGAIN | ENDS)[name] for name in names}
    arguments = ["--timeout", "3"]
    for name, each in wanted.items():
        server.offer(f"/{each.published_name}", content[name])
        server.script(f"/{each.published_name}", *answers[name])
        arguments += ["--extra", f"{each.url}#sha256={each.sha256}&size={FILE}"]
    private = {each.cache_key: content[name] for name, each in wanted.items()}
    case.fill(server.url, arguments=arguments, private=private).is_ready()
    for name, each in wanted.items():
        requests = server.asked(f"/{each.published_name}")
        if name in STARTING_AGAIN:
            assert requests[1].headers["Range"].startswith("bytes="), name
        else:
            assert len(requests) == len(answers[name]), name
        if name in recovering(b""):
            assert sum(request.sent for request in requests) <= 1.02 * FILE, name


# Answers.


def test_a_redirect_from_https_to_http_is_followed_because_the_digest_decides(
    case: Case, secure: Server, server: Server, authority: Authority
) -> None:
    with_endless_body = give(b"", 302, {"Location": f"{server.url}{PATH}"}, length=False, then=ENDLESS)
    secure.script(PATH, with_endless_body)
    case.fill(secure.url, arguments=["--ca", str(authority.bundle)]).is_ready()
    assert secure.moved < SLACK
    assert server.moved == SIZE


def test_retry_after_is_waited_for_but_another_mirror_is_tried_before(
    case: Case, server: Server, second: Server
) -> None:
    server.script(PATH, refuse_with(429, retry_after="2"), serve())
    second.script(PATH, reset)
    case.fill(server.url, second.url).is_ready()
    first, again = server.asked(PATH)
    assert again.started - first.started >= 2
    assert first.started < second.requests[0].started < again.started


@also_in_the_image
def test_every_encoding_comes_from_one_mirror(case: Case, server: Server) -> None:
    case.fill(server.url, encodings=" ".join(known.name for known in ENCODINGS)).is_ready(*VOCABULARIES)
    assert server.moved == sum(known.max_size for known in VOCABULARIES)


def test_too_few_file_descriptors_are_reported_with_the_limit_to_raise(volume: Path, server: Server) -> None:
    limited = Case(Host(("sh", "-c", 'ulimit -n 7; exec "$@"', "sh")), volume)
    outcome = limited.fill(server.url, environment={"SSL_CERT_FILE": "/nowhere"})
    outcome.is_failure("tried fetch: too many open files", "ulimit -n")
