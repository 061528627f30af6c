from __future__ import annotations

import gzip

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, vocabulary
from tiktoken_cache_init.volume import identify as module
from tiktoken_cache_init.volume.identify import Kind, has_digest, identify, looks_like

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (b"", Kind.EMPTY, "empty (0 bytes)"),
        (b"\0" * 10, Kind.ZEROS, "only NUL bytes (10 bytes), as a crash can leave"),
        (HTML, Kind.HTML, "an HTML page, such as an error page or a captive portal's login page (63 bytes)"),
        (b"\xef\xbb\xbf\r\n <HTML lang=en>", Kind.HTML, None),
        (b"<?xml version='1.0'?><!DOCTYPE x><html>", Kind.HTML, None),
        (b"<!-- moved --><html>", Kind.HTML, None),
        (b"<script>location='/login'</script>", Kind.HTML, None),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code>", Kind.XML, None),
        (b'{"error": "not found"}', Kind.JSON, "a JSON error message (22 bytes)"),
        (b'{\n  "error": {\n    "code": 404\n  }\n}', Kind.JSON, None),
        (b' {"message":"no"}', Kind.JSON, None),
        (gzip.compress(CONTENT), Kind.COMPRESSED, None),
        (b"PK\x03\x04", Kind.COMPRESSED, None),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n", Kind.GIT_LFS, None),
        (CONTENT.replace(b"\n", b"\r\n"), Kind.CRLF, "the right text with CRLF line ends, from a copy in text mode"),
        (CONTENT.replace(b"\n", b"\r\n") + b"x", Kind.TOO_LONG, None),
        (b"\xef\xbb\xbf" + CONTENT, Kind.BOM, "the right text after a byte order mark"),
        (CONTENT[:-2] + b"3\n", Kind.WRONG_BYTES, "wrong bytes (21 bytes, the right length)"),
        (CONTENT * 2, Kind.TOO_LONG, "too long (42 bytes of 21)"),
        (CONTENT[:7], Kind.CUT_AT_LINE, "cut at the end of a line (7 bytes of 21)"),
        (CONTENT[:8], Kind.TRUNCATED, "truncated (8 bytes of 21)"),
    ],
)
def test_wrong_bytes_are_named(content: bytes, kind: Kind, text: str | None) -> None:
    found = identify(content, TINY, len(content))
    assert found.kind is kind
    assert text is None or found.text == text


def test_the_bytes_of_another_vocabulary_are_named_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VOCABULARIES", (TINY, OTHER))
    found = identify(OTHER_CONTENT, TINY, len(OTHER_CONTENT))
    assert found == (Kind.OTHER_VOCABULARY, "the bytes of another vocabulary, other.tiktoken", OTHER)
    assert identify(b"x" * len(OTHER_CONTENT), TINY, len(OTHER_CONTENT)).kind is Kind.TRUNCATED


def test_a_private_vocabulary_of_unknown_size_is_compared_by_its_digest_alone() -> None:
    private = vocabulary(size=None, max_size=1000)
    assert identify(CONTENT * 2, private, 42) == (Kind.WRONG_BYTES, "wrong bytes (42 bytes)", None)


def test_a_file_that_was_not_read_whole_is_named_after_its_length() -> None:
    assert identify(b"IQ== 0\n", TINY, 5 << 30).text == "too long (5,368,709,120 bytes of 21)"


def test_a_vocabulary_is_not_mistaken_for_a_page_or_an_error_message() -> None:
    for right in (CONTENT, b"#version: 0.2\nG t\n", b'{"!": 0, "code": 1}', b"IQ== 0\n"):
        assert looks_like(right) is None


@given(st.binary(max_size=60), st.integers(0, 3))
@example(b"\xef\xbb\xbf", 0)
def test_any_bytes_are_named_in_one_line(data: bytes, more: int) -> None:
    found = identify(data, TINY, len(data) + more)
    assert found.text.isprintable()
    assert (found.kind is Kind.EMPTY) == (not data)


def test_only_the_digest_identifies_a_vocabulary() -> None:
    assert has_digest(CONTENT, TINY)
    assert not has_digest(CONTENT, OTHER)
