from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.samples import CONTENT, ROOT, vocabulary
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.diagnosis import Diagnosis, diagnose
from tiktoken_cache_init.findings import DIRECTORY, GOOD, LINK, MISSING, SPECIAL, UNREADABLE
from tiktoken_cache_init.gateway import COUNTS_RIGHT, COUNTS_WRONG, DIES, NOT_READ, death
from tiktoken_cache_init.gateway import read as read_by_gateway
from tiktoken_cache_init.recognition import looks_like

CL100K, O200K = VOCABULARIES[:2]
TINY = vocabulary()
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


@pytest.fixture(scope="session")
def read(vocabularies: Path) -> Callable[[Vocabulary], bytes]:
    return lambda known: (vocabularies / known.cache_key).read_bytes()


# What was measured with tiktoken-go v0.1.7 and New-API v0.8.2.0, on the real files.


@pytest.mark.parametrize(("known", "other"), [(CL100K, O200K), (O200K, CL100K)])
@pytest.mark.parametrize(
    ("kind", "spoil", "outcome"),
    [
        ("empty", lambda _, __: b"", COUNTS_WRONG),
        ("cut-at-line", lambda right, _: b"".join(right.splitlines(keepends=True)[:50_000]), COUNTS_WRONG),
        ("other-vocabulary", lambda _, other: other, COUNTS_WRONG),
        (
            "truncated",
            lambda right, _: right[: right.index(b"\n", len(right) // 2) + 6],
            "illegal base64 data at input byte",
        ),
        ("html", lambda _, __: HTML, "illegal base64 data at input byte"),
        ("crlf", lambda right, _: right.replace(b"\n", b"\r\n"), r'strconv.Atoi: parsing "0\r": invalid syntax'),
    ],
)
def test_a_gateway_does_with_it_what_was_measured(
    read: Callable[[Vocabulary], bytes],
    known: Vocabulary,
    other: Vocabulary,
    kind: str,
    spoil: Callable[[bytes, bytes], bytes],
    outcome: str,
) -> None:
    found = diagnose(spoil(read(known), read(other)), known)
    assert found.kind == kind
    if outcome == COUNTS_WRONG:
        assert found.prognosis.outcome == COUNTS_WRONG
    else:
        model = "gpt-3.5-turbo" if known is CL100K else "gpt-4o"
        assert found.prognosis.outcome == DIES
        assert f"failed to get {model} token encoder: {outcome}" in found.prognosis.text


def test_the_right_bytes_are_not_complained_about(read: Callable[[Vocabulary], bytes]) -> None:
    assert [read_by_gateway(read(known))[0] for known in (CL100K, O200K)] == ["", ""]


def test_another_vocabulary_is_called_by_its_name(read: Callable[[Vocabulary], bytes]) -> None:
    assert diagnose(read(O200K), CL100K).text == "the bytes of another vocabulary, o200k_base.tiktoken"


@pytest.mark.parametrize("known", VOCABULARIES, ids=lambda known: known.published_name)
def test_no_real_vocabulary_looks_like_a_page(read: Callable[[Vocabulary], bytes], known: Vocabulary) -> None:
    assert looks_like(read(known)) is None


# What wrong bytes are.


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + b"\n",
        lambda text: text[:-1],
        lambda text: text.replace(b"\n", b"\n\n", 5),
        lambda text: text.replace(b"\n", b" \n", 5),
        lambda text: text + text,
        lambda text: text[: text.index(b"\n", 50_000) + 1] + text,
    ],
    ids=["one-more-end", "no-end", "empty-lines", "spaces", "twice", "appended-to-a-part"],
)
def test_the_right_tokens_make_no_gateway_count_wrong_however_they_are_written(
    read: Callable[[Vocabulary], bytes], change: Callable[[bytes], bytes]
) -> None:
    for known in VOCABULARIES[:2]:
        found = diagnose(change(read(known)), known)
        assert found.text.startswith("the right tokens, written in another way")
        assert found.prognosis.outcome == COUNTS_RIGHT


def test_the_one_line_of_a_file_too_long_to_be_read_whole_is_judged() -> None:
    found = diagnose(b"\0" * 1000, VOCABULARIES[0], 5 << 30)
    assert (found.kind, found.text.partition(" (")[0]) == ("zeros", "something that begins with zero bytes")
    assert found.prognosis.outcome == DIES
    assert diagnose(b"IQ== 0\nIg= 1", VOCABULARIES[0], 5 << 30).prognosis.outcome == COUNTS_WRONG


WRONG: list[tuple[bytes, str, str | None]] = [
    (b"", "empty", "empty (0 bytes)"),
    (b"\0" * 10, "zeros", "nothing but zero bytes (10 bytes), as a crash can leave"),
    (HTML, "html", "an HTML page, as an error page or a captive portal sends (63 bytes)"),
    (b"\xef\xbb\xbf\r\n <HTML lang=en>", "html", None),
    (b"<?xml version='1.0'?><!DOCTYPE x><html>", "html", None),
    (b"<!-- moved --><html>", "html", None),
    (b"<script>location='/login'</script>", "html", None),
    (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code>", "xml", None),
    (b'{"error": "not found"}', "json", "a JSON error message (22 bytes)"),
    (b' {"message":"no"}', "json", None),
    (gzip.compress(CONTENT), "compressed", None),
    (b"PK\x03\x04", "compressed", None),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n", "git-lfs", None),
    (CONTENT.replace(b"\n", b"\r\n"), "crlf", "the right text with CRLF line ends, as a text-mode copy makes"),
    (b"\xef\xbb\xbf" + CONTENT, "bom", "the right text behind a byte order mark"),
    (CONTENT[:-2] + b"3\n", "wrong-bytes", "wrong bytes (21 bytes, the right length)"),
    (CONTENT * 2, "too-long", "too long (42 bytes of 21)"),
    (CONTENT[:7], "cut-at-line", "cut at a line's end (7 bytes of 21)"),
    (CONTENT[:8], "truncated", "truncated (8 bytes of 21)"),
    (CONTENT.replace(b"\n", b"\r\n") + b"x", "too-long", None),
]


@pytest.mark.parametrize(("content", "kind", "text"), WRONG)
def test_wrong_bytes_are_called_what_they_are(content: bytes, kind: str, text: str | None) -> None:
    found = diagnose(content, TINY)
    assert found.kind == kind
    assert text is None or found.text == text


@pytest.mark.parametrize(
    "content", [b'{\n  "error": {\n    "code": 404\n  }\n}', b'{ "message": "no" }', b'{"errors":[]}']
)
def test_an_error_message_is_known_however_it_is_laid_out(content: bytes) -> None:
    assert diagnose(content, TINY).kind == "json"


def test_a_private_vocabulary_is_held_against_its_digest_alone() -> None:
    private = vocabulary(size=None, limit=1000)
    assert diagnose(CONTENT * 2, private)[:2] == ("wrong-bytes", "wrong bytes (42 bytes)")


def test_the_schema_has_every_kind() -> None:
    schema = json.loads((ROOT / "docs/verify.schema.json").read_text())
    states = set(schema["properties"]["files"]["items"]["properties"]["state"]["enum"])
    of_the_volume = {GOOD, MISSING, UNREADABLE, DIRECTORY, SPECIAL, LINK}
    assert states == of_the_volume | {kind for _, kind, _ in WRONG} | {"other-vocabulary"}


# What a gateway does.


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", ""),
        (b"\n\n", ""),
        (b"IQ== 0\n\nIg== 1", ""),
        (b"IQ== 0 more\n", ""),
        (b"IQ== -5\nIg== +5\n", ""),
        (b"IQ==\n", "panic: runtime error: index out of range [1] with length 1"),
        (b"IQ== \n", 'strconv.Atoi: parsing "": invalid syntax'),
        (b"IQ== x\n", 'strconv.Atoi: parsing "x": invalid syntax'),
        (b"IQ== 0\r\n", r'strconv.Atoi: parsing "0\r": invalid syntax'),
        (b"IQ=\n", "illegal base64 data at input byte"),
        (b"I\rQ== 0\n", ""),
        (b"I Q== 0\n", "illegal base64 data at input byte"),
        (b"IQ==IQ== 0\n", "illegal base64 data at input byte"),
        (b"\0\0\0", "illegal base64 data at input byte"),
        (b"IQ== 1\nIg== 1\n", "encoder and decoder map sizes are different"),
        (b"IQ== 99999999999999999999\n", 'strconv.Atoi: parsing "99999999999999999999": value out of range'),
        (b"IQ== -+5\n", 'strconv.Atoi: parsing "-+5": invalid syntax'),
    ],
)
def test_tiktoken_go_says_of_it(content: bytes, complaint: str) -> None:
    said, _ = read_by_gateway(content)
    assert said.startswith(complaint)
    assert bool(said) == bool(complaint)


LINES = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.builds(
            lambda token, rank: base64.b64encode(token) + b" " + rank.encode(),
            st.binary(max_size=5),
            st.text("+-0123456789 ", max_size=6),
        ),
    ),
    max_size=5,
)


@given(LINES)
@example([b"IQ== -+5"])
@example([b"IQ== " + b"1" * 5000])
def test_any_bytes_at_all_can_be_diagnosed(lines: list[bytes]) -> None:
    found = diagnose(b"\n".join(lines), CL100K)
    assert isinstance(found, Diagnosis)
    assert found.text.isprintable()
    assert found.prognosis.outcome in (COUNTS_WRONG, DIES)
    assert found.prognosis.text.isprintable()


@pytest.mark.parametrize("known", VOCABULARIES[2:], ids=lambda known: known.published_name)
def test_no_gateway_is_said_to_read_what_no_gateway_loads(known: Vocabulary) -> None:
    assert diagnose(b"", known).prognosis.outcome == NOT_READ
    assert death(known, "whatever").outcome == NOT_READ
