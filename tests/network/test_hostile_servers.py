"""Fetch from servers and networks that misbehave.

Every failure must have its exit code and no traceback, leave only right files in the volume, and name the file, the
mirror, the reason and the remedy. The tests also check the bytes that the servers sent.
"""

from __future__ import annotations

import email.utils
import gzip
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.drivers import Host
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
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init.catalogue import ENCODINGS, VOCABULARIES

from .authority import Authority
from .cases import PATH, SIZE, Case
from .names import name_server, refusing, resolver, unanswering

ENDLESS = endless(b"IQ== 0\n" * 2048, rate=4_000_000)
"""Slow enough to count the bytes that the client reads."""
SLACK = 1_000_000
"""Bytes that socket buffers can hold before a server notices that the client is gone."""
OTHER_PATHS = (f"/{CL100K.published_name}", f"/{CL100K.cache_key}")
"""Other paths of cl100k_base at a mirror."""


@dataclass(frozen=True)
class Failing:
    """Server that never supplies the file."""

    behaviours: tuple[Answer, ...]
    """Its answers, in turn. The last one is repeated."""
    reason: str
    """Pattern that the message must match, in addition to the mirror."""
    moves: int = 1000
    """Limit for the bytes of all bodies."""
    requests: int = 5
    """Limit for the requests for the file."""


def failing(*behaviours: Answer, reason: str, moves: int = 1000, requests: int = 5) -> Failing:
    return Failing(behaviours, reason, moves, requests)


def always_failing() -> dict[str, Failing]:
    """Return description -> server that fails at every request."""
    empty_redirect = give(b"", 302, headers={"Location": "/elsewhere"}, length=False, then=ENDLESS)
    return {
        # The connection.
        "resets before the headers": failing(reset, reason="reset"),
        "closes before the headers": failing(raw(b""), reason="disconnected|closed"),
        # Time.
        "stalls in the body": failing(
            serve(upto=1000, then=silent),
            serve(upto=0, then=silent),
            reason="stalled for 1 s after 1,000 bytes",
            moves=1000,
        ),
        "sends one byte a second": failing(serve(upto=0, then=endless(b"x", 1.1)), reason="stalled for 1 s"),
        "sends 500 bytes a second": failing(
            serve(upto=0, then=endless(b"x", 500)), reason="stalled for 1 s", moves=5000
        ),
        "drips its headers": failing(
            endless_head(b"HTTP/1.1 200 OK\r\nX-Filler: ", b"x", 0.3), reason="stalled for 1 s"
        ),
        "sends interim answers without end": failing(
            endless_head(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n", 0.2),
            reason="stalled for 1 s",
            moves=5000,
        ),
        "sends headers without end": failing(
            endless_head(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 1000 + b"\r\n", 0.0005),
            reason="broke.* too long",
            moves=5_000_000,
        ),
        # The length.
        "cuts the body without declaring its length": failing(
            serve(ranges="ignored", length=False, upto=SIZE // 2),
            reason="ended after .* of 1,681,126",
            moves=3 * SIZE,
            requests=6,
        ),
        "declares a length that is too small": failing(
            serve(length=1000, upto=1000), reason="ended after 1,000 of 1,681,126", moves=5000
        ),
        "sends a body without end": failing(
            serve(b"x" * 1000, length=False, then=ENDLESS),
            reason="more than 1,681,126",
            moves=SIZE + SLACK,
            requests=1,
        ),
        "sends an empty body": failing(refuse_with(200), reason="ended after 0 of 1,681,126"),
        # The bytes.
        "sends wrong bytes of the right length": failing(
            serve(bytes(SIZE)), reason="wrong bytes|digest", moves=SIZE, requests=1
        ),
        "sends an HTML page": failing(page(), reason="HTML.*(portal|login|sign|proxy)", requests=1),
        "sends an HTML page as long as the file": failing(
            serve(HTML.ljust(SIZE)), reason="HTML", moves=SIZE, requests=1
        ),
        "declares gzip and sends plain bytes": failing(
            serve(headers={"Content-Encoding": "gzip"}), reason="compress", moves=SIZE, requests=1
        ),
        "sends gzip that expands to 200 MB": failing(
            compressed(bytes(200_000_000)), reason="more than", moves=SIZE, requests=1
        ),
        # The status.
        "answers 206 to a request for the whole file": failing(
            serve(ranges="unasked"), reason="206", moves=SIZE, requests=1
        ),
        "answers 511 with a login page": failing(page(511), reason="511.*(portal|login)", requests=1),
        "answers 503": failing(page(503), reason="503"),
        "answers 429 and asks to wait an hour": failing(
            refuse_with(429, retry_after="3600"), reason="429.*3600 s", requests=1
        ),
        # Redirects.
        "redirects to itself": failing(redirect(PATH), reason="redirected more than 5 times", moves=10_000, requests=6),
        "redirects with a body without end": failing(empty_redirect, reason="404", moves=SLACK, requests=1),
        "redirects without a location": failing(refuse_with(302), reason="302", requests=1),
        "redirects to another protocol": failing(
            redirect("gopher://127.0.0.1/x"), reason=r"redirected to a URL that is not http\(s\)", requests=1
        ),
        "redirects to a file": failing(
            redirect("file:///etc/hostname"), reason=r"redirected to a URL that is not http\(s\)", requests=1
        ),
        "redirects to no host": failing(redirect("http://"), reason="redirected to 127.0.0.1: "),
        "redirects to an incomplete address": failing(redirect("http://["), reason="redirected to another host: "),
        "redirects to a port that does not exist": failing(
            redirect("http://127.0.0.1:99999/"), reason="redirected to 127.0.0.1:99999: .*port"
        ),
        # Not HTTP.
        "sends line ends": failing(raw(b"\r\n\r\n"), reason="broke"),
        "sends zeros": failing(raw(b"\0" * 5000), reason="broke"),
        "answers with SSH": failing(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), reason="broke"),
        "answers with HTTP/9.9": failing(raw(b"HTTP/9.9 200 OK\r\n\r\n"), reason="ended after 0 of"),
        "answers 999999": failing(raw(b"HTTP/1.1 999999\r\n\r\n"), reason="broke"),
    } | {
        f"answers {status}": failing(refuse_with(status), reason=str(status))
        for status in (201, 204, 206, 304, 418, 600)
    }


@pytest.mark.parametrize("how", always_failing())
def test_a_server_that_always_fails_is_given_up_and_reported_with_the_reason(
    case: Case, server: Server, how: str
) -> None:
    wanted = always_failing()[how]
    server.script(PATH, *wanted.behaviours)
    for path in OTHER_PATHS:
        server.script(path, refuse_with(404))
    outcome = case.fill(server.url, environment={"TIKTOKEN_INIT_DEADLINE": "3"})
    outcome.is_failure(f"tried http://{server.host}: ", wanted.reason)
    assert outcome.ended.seconds < 6
    assert server.moved <= wanted.moves
    assert len(server.asked(PATH)) <= wanted.requests


def recovering() -> dict[str, tuple[Answer, ...]]:
    """Return description -> the answers of a server that supplies the file in the end, without sending bytes twice."""
    half = SIZE // 2
    return {
        "one reset before the headers": (reset, serve()),
        "five resets in the body": (*[serve(then=reset, upto=SIZE // 6)] * 5, serve()),
        "a stall in the body": (serve(upto=half, then=silent), serve()),
        "a body shorter than its length": (serve(length=SIZE, upto=half), serve()),
        "a body that ends early without a length": (serve(length=False, upto=half), serve()),
        "a chunked body that breaks off": (serve(length="chunked", upto=half, then=reset), serve()),
        "one 408": (refuse_with(408), serve()),
        "one 425": (refuse_with(425), serve()),
        "one 429": (refuse_with(429), serve()),
        "one 500": (refuse_with(500), serve()),
        "one 502": (refuse_with(502), serve()),
        "one 504": (refuse_with(504), serve()),
        "two 503": (refuse_with(503), refuse_with(503), serve()),
    }


@pytest.mark.emulated
@pytest.mark.parametrize("fault", recovering())
def test_a_fill_continues_after_a_fault_without_moving_bytes_twice(case: Case, server: Server, fault: str) -> None:
    answers = recovering()[fault]
    server.script(PATH, *answers)
    case.fill(server.url).is_ready()
    assert server.moved <= 1.02 * SIZE
    assert len(server.asked(PATH)) == len(answers)


ENDS: dict[str, Answer] = {
    "without a length, and the connection stays open": serve(length=False, then=silent),
    "in chunks without the last one, and the connection stays open": serve(length="chunked", then=silent),
    "in chunks without the last one": serve(length="chunked", then=close),
    "in chunks, and resets the connection": serve(length="chunked", then=reset),
    "with a length that is too large": serve(length=SIZE + 1, then=close),
    "with a length that is far too large": serve(length=10**15, then=silent),
    "and more bytes than the file has": serve(length=False, then=ENDLESS),
}
"""What a server sends after the right bytes."""


@pytest.mark.parametrize("end", ENDS)
def test_the_right_bytes_are_accepted_however_the_transfer_ends(case: Case, server: Server, end: str) -> None:
    server.script(PATH, ENDS[end])
    outcome = case.fill(server.url)
    outcome.is_ready()
    assert "tried" not in outcome.said
    assert len(server.requests) == 1


def starting_again() -> dict[str, tuple[Answer, ...]]:
    """Return description -> the answers of a server that supplies the file but does not continue a transfer."""
    half = SIZE // 2
    breaks_off = serve(then=reset, upto=half)
    nonsense = ("", "bytes", "bytes x-y/z", "items 840563-1681125/1681126")
    return {
        "the range is ignored": (breaks_off, serve(ranges="ignored")),
        "the range is refused with 416": (breaks_off, serve(ranges="refused"), serve()),
        "another range is sent once": (breaks_off, serve(ranges="wrong"), serve()),
        "another range is always sent": (breaks_off, serve(ranges="wrong")),
        "a gzip body breaks off": (
            serve(gzip.compress(bytes(SIZE)), headers={"Content-Encoding": "gzip"}, upto=1000, then=reset),
            serve(),
        ),
        **{
            f"Content-Range is {text!r}": (breaks_off, serve(headers={"Content-Range": text}), serve())
            for text in nonsense
        },
    }


@pytest.mark.parametrize("fault", starting_again())
def test_a_fill_starts_again_if_the_server_does_not_continue(case: Case, server: Server, fault: str) -> None:
    server.script(PATH, *starting_again()[fault])
    case.fill(server.url).is_ready()
    assert server.asked(PATH)[1].headers.get("range", "").startswith("bytes=")


def test_a_file_that_changes_between_two_attempts_is_fetched_again(
    case: Case, server: Server, contents: dict[str, bytes]
) -> None:
    older = contents[PATH].replace(b" 1", b" 2")
    server.script(PATH, serve(older, upto=SIZE // 2, then=reset), serve())
    case.fill(server.url).is_ready()


@pytest.mark.emulated
def test_a_chunked_body_is_accepted(case: Case, server: Server) -> None:
    server.script(PATH, serve(length="chunked"))
    case.fill(server.url).is_ready()


@pytest.mark.emulated
def test_a_gzip_body_that_was_not_requested_is_unpacked(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.script(PATH, compressed(contents[PATH]))
    case.fill(server.url).is_ready()
    assert all(request.headers["accept-encoding"] == "identity" for request in server.requests)
    assert server.moved < SIZE


# Connections.


def test_a_name_that_does_not_exist_is_reported(case: Case, tmp_path: Path) -> None:
    with name_server(answers=True):
        outcome = case.fill("http://mirror.invalid", resolver=resolver(tmp_path))
    outcome.is_failure("mirror.invalid: its name cannot be resolved")


def test_a_name_server_that_never_answers_is_given_up_at_the_deadline(case: Case, tmp_path: Path) -> None:
    with name_server(answers=False):
        outcome = case.fill("http://mirror.invalid", arguments=["--deadline", "3"], resolver=resolver(tmp_path))
    outcome.is_failure("mirror.invalid")
    assert outcome.ended.seconds < 6


@pytest.mark.emulated
@pytest.mark.parametrize("host", ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test", "bücher。test"])
def test_a_host_name_that_is_not_ascii_works(case: Case, server: Server, host: str) -> None:
    outcome = case.fill(f"http://{host}:{server.port}", hosts={"xn--bcher-kva.test": "127.0.0.1"})
    outcome.is_ready()


@pytest.mark.emulated
@pytest.mark.parametrize("host", ["bücher..test", "xn--\N{SNOWMAN}.test", "-bü-.test"])
def test_an_invalid_host_name_is_reported(case: Case, host: str) -> None:
    case.fill(f"http://{host}").is_failure("host name is not a valid one")


def test_a_refused_connection_is_reported(case: Case) -> None:
    with refusing() as port:
        case.fill(f"http://127.0.0.1:{port}").is_failure(f"127.0.0.1:{port}: connection refused")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_unanswered_connection_is_given_up(case: Case, scheme: str) -> None:
    with unanswering() as port:
        outcome = case.fill(f"{scheme}://127.0.0.1:{port}")
    outcome.is_failure(f"127.0.0.1:{port}", "stalled for 1 s after 0 bytes")
    assert outcome.ended.seconds < 8


def test_https_to_a_plain_http_port_is_reported(case: Case, server: Server) -> None:
    case.fill(f"https://{server.host}").is_failure(server.host, "TLS")


# Answers.


@pytest.mark.emulated
def test_a_redirect_to_another_server_is_followed(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    case.fill(server.url).is_ready()
    assert second.moved == SIZE


def test_a_redirect_to_a_relative_location_is_followed(case: Case, server: Server, contents: dict[str, bytes]) -> None:
    server.offer("/elsewhere", contents[PATH])
    server.script(PATH, redirect("/elsewhere", 307))
    case.fill(server.url).is_ready()


def test_a_redirect_with_a_body_without_end_is_followed(case: Case, server: Server, second: Server) -> None:
    headers = {"Location": f"{second.url}{PATH}"}
    server.script(PATH, give(b"", 302, headers=headers, length=False, then=ENDLESS))
    case.fill(server.url).is_ready()
    assert server.moved < SLACK
    assert second.moved == SIZE


def test_a_redirect_from_https_to_http_is_followed_because_the_digest_decides(
    case: Case, secure: Server, server: Server, authority: Authority
) -> None:
    secure.script(PATH, redirect(f"{server.url}{PATH}"))
    case.fill(secure.url, environment={"TIKTOKEN_INIT_CA": str(authority.bundle)}).is_ready()


def test_two_servers_that_redirect_to_each_other_are_given_up(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, redirect(f"{second.url}{PATH}"))
    second.script(PATH, redirect(f"{server.url}{PATH}"))
    case.fill(server.url).is_failure(server.host, "redirected more than 5 times")
    assert len(server.requests) + len(second.requests) < 20


def test_an_unreachable_server_after_a_redirect_is_named(case: Case, server: Server) -> None:
    with refusing() as port:
        server.script(PATH, redirect(f"http://user:s3cret@127.0.0.1:{port}/x"))
        outcome = case.fill(server.url)
    outcome.is_failure(f"tried http://{server.host}: redirected to 127.0.0.1:{port}: connection refused")
    assert "s3cret" not in outcome.said


def test_a_login_page_after_a_redirect_is_reported(case: Case, server: Server, second: Server) -> None:
    second.script("/login", page())
    server.script(PATH, redirect(f"{second.url}/login", 302))
    case.fill(server.url).is_failure(server.host, f"redirected to {second.host}", "HTML")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_permanent_refusal_is_not_retried(case: Case, server: Server, status: int) -> None:
    for path in (PATH, *OTHER_PATHS):
        server.script(path, page(status))
    case.fill(server.url).is_failure(server.host, str(status))
    paths = [request.path for request in server.requests]
    assert sorted(paths) == sorted((PATH, *OTHER_PATHS))


def test_five_attempts_without_progress_are_made(case: Case, server: Server) -> None:
    server.script(PATH, page(503))
    outcome = case.fill(server.url, environment={"TIKTOKEN_INIT_DEADLINE": "30"})
    outcome.is_failure(server.host, r"503 .*\(5 times\)")
    assert len(server.asked(PATH)) == 5


# Waiting.


def test_retry_after_in_seconds_is_waited_for(case: Case, server: Server) -> None:
    server.script(PATH, refuse_with(429, retry_after="3"), serve())
    case.fill(server.url).is_ready()
    first, again = server.asked(PATH)
    assert again.started - first.started >= 3


def test_retry_after_as_a_date_is_waited_for(case: Case, server: Server) -> None:
    date = email.utils.formatdate(int(time.time()) + 4, usegmt=True)
    server.script(PATH, refuse_with(429, retry_after=date), serve())
    began = time.monotonic()
    case.fill(server.url).is_ready()
    # A date has whole seconds, so a part of the first one may be lost.
    assert server.asked(PATH)[1].started - began >= 3


def test_retry_after_beyond_the_deadline_is_not_waited_for(case: Case, server: Server) -> None:
    server.script(PATH, refuse_with(429, retry_after="3600"), serve())
    outcome = case.fill(server.url)
    outcome.is_failure(server.host, "429", "3600 s")
    assert outcome.ended.seconds < 3


@pytest.mark.parametrize(
    "value",
    ["soon", "-5", "", "1e99", "9" * 400, "Thu, 99 Foo 2099 99:99:99 GMT"],
    ids=str.split("word negative empty float huge date"),
)
def test_an_invalid_retry_after_is_ignored(case: Case, server: Server, value: str) -> None:
    server.script(PATH, refuse_with(503, retry_after=value), serve())
    case.fill(server.url).is_ready()
    assert len(server.asked(PATH)) == 2


def test_another_mirror_is_tried_before_a_long_wait(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, refuse_with(503, retry_after="5"), serve())
    outcome = case.fill(server.url, second.url)
    outcome.is_ready()
    assert outcome.ended.seconds < 4
    assert second.moved == SIZE


# Several mirrors.


def test_a_transfer_continues_at_the_next_mirror(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, serve(then=reset, upto=SIZE // 2), reset)
    case.fill(server.url, second.url).is_ready()
    assert server.moved + second.moved <= 1.02 * SIZE


def test_a_wrong_first_half_from_another_mirror_is_fetched_again(
    case: Case, server: Server, second: Server, contents: dict[str, bytes]
) -> None:
    wrong = contents[PATH].replace(b" 1", b" 2")
    server.script(PATH, serve(wrong, upto=SIZE // 2, then=reset), reset)
    case.fill(server.url, second.url).is_ready()


def test_wrong_bytes_at_the_first_mirror_are_replaced_by_the_second(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, serve(bytes(SIZE)))
    case.fill(server.url, second.url).is_ready()
    assert second.moved == SIZE


def test_each_mirror_is_reported_in_order(case: Case, server: Server, second: Server) -> None:
    server.script(PATH, page(403))
    second.script(PATH, serve(bytes(SIZE)))
    outcome = case.fill(server.url, second.url)
    outcome.is_failure("403", "wrong bytes|digest")
    report = outcome.ended.stderr
    assert report.rindex(server.host) < report.rindex(second.host)


def test_two_files_over_slow_connections_take_the_time_of_the_larger(case: Case, server: Server) -> None:
    for vocabulary in (CL100K, O200K):
        server.script(f"/{vocabulary.path}", serve(rate=1_500_000))
    case.fill(server.url, encodings="cl100k_base,o200k_base").is_ready(CL100K, O200K)
    [small], [large] = server.asked(PATH), server.asked(f"/{O200K.path}")
    assert small.ended is not None
    assert large.ended is not None
    assert max(small.started, large.started) < min(small.ended, large.ended), (
        "the files were fetched one after the other"
    )
    both = max(small.ended, large.ended) - min(small.started, large.started)
    assert both < 1.2 * (large.ended - large.started)


@pytest.mark.emulated
def test_every_encoding_comes_from_one_mirror(case: Case, server: Server) -> None:
    case.fill(server.url, encodings=" ".join(known.name for known in ENCODINGS)).is_ready(*VOCABULARIES)
    assert server.moved == sum(vocabulary.max_size for vocabulary in VOCABULARIES)


def test_no_request_is_sent_if_the_volume_is_ready(case: Case, server: Server) -> None:
    case.fill(server.url).is_ready()
    case.fill(server.url).is_ready()
    [request] = server.requests
    assert "tiktoken-cache-init" in request.headers["user-agent"]


# The host's limits.


def test_a_fetch_from_an_address_works_if_no_thread_can_be_started(case: Case, server: Server) -> None:
    case.without_threads().fill(server.url).is_ready()


def test_a_fetch_from_a_name_is_reported_if_no_thread_can_be_started(case: Case) -> None:
    outcome = case.without_threads().fill("http://localhost:9")
    outcome.is_failure("tried http://localhost:9: no name look-up", "update Docker", "seccomp=unconfined")
    assert not re.search("bug", outcome.said)


def test_too_few_file_descriptors_are_reported_with_the_limit_to_raise(case: Case, server: Server) -> None:
    if not isinstance(case.driver, Host):
        pytest.skip("an engine cannot start a container with so few file descriptors")
    outcome = case.with_open_files(7).fill(server.url, environment={"SSL_CERT_FILE": "/nowhere"})
    outcome.is_failure("tried fetch: too many open files", "ulimit -n")
