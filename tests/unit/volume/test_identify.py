from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, vocabulary
from tiktoken_cache_init import catalogue
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.volume.identify import Identity, Kind, holds, identify, looks_like

LONG = b"IQ== 0\n\0" * (1 << 20)
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def named(content: bytes, wanted: Vocabulary = TINY, known: Sequence[Vocabulary] = (TINY, OTHER)) -> Identity:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        assert isinstance(file, FileIO)
        return identify(file, wanted, known)


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
        (b"<?xml version='1.0'?><Error>", Kind.XML, "an XML document, such as a storage service's error (28 bytes)"),
        (b'{"error": "not found"}', Kind.JSON, "a JSON error message (22 bytes)"),
        (b'{\n  "error": {\n    "code": 404\n  }\n}', Kind.JSON, None),
        (b' {"message":"no"}', Kind.JSON, None),
        (gzip.compress(CONTENT, mtime=0), Kind.COMPRESSED, None),
        (b"PK\x03\x04", Kind.COMPRESSED, "a compressed file that was not unpacked (4 bytes)"),
        (b"version https://git-lfs\n", Kind.GIT_LFS, "a Git LFS pointer, not the file itself (24 bytes)"),
        (CONTENT.replace(b"\n", b"\r\n"), Kind.CRLF, "the right text with CRLF line ends, from a copy in text mode"),
        (CONTENT.replace(b"\n", b"\r\n") + b"x", Kind.TOO_LONG, None),
        (CONTENT + b"\r", Kind.TOO_LONG, None),
        (b"\xef\xbb\xbf" + CONTENT, Kind.BOM, "the right text after a byte order mark"),
        (b"\xef\xbb\xbf" + CONTENT.replace(b"\n", b"\r\n"), Kind.BOM, None),
        (OTHER_CONTENT, Kind.OTHER_VOCABULARY, "the bytes of another vocabulary, other.tiktoken"),
        (b"x" * len(OTHER_CONTENT), Kind.TRUNCATED, None),
        (CONTENT[:-2] + b"3\n", Kind.WRONG_BYTES, "wrong bytes (21 bytes, the right length)"),
        (CONTENT * 2, Kind.TOO_LONG, "too long (42 bytes of 21)"),
        (CONTENT[:7], Kind.CUT_AT_LINE, "cut at the end of a line (7 bytes of 21)"),
        (CONTENT[:8], Kind.TRUNCATED, "truncated (8 bytes of 21)"),
    ],
)
def test_wrong_bytes_are_named(content: bytes, kind: Kind, text: str | None) -> None:
    found = named(content)
    assert found.kind is kind
    assert text is None or found.text == text
    assert found.other == (OTHER if kind is Kind.OTHER_VOCABULARY else None)


def test_a_long_file_is_identified_by_its_beginning_or_its_digest() -> None:
    long = vocabulary(LONG, "long.tiktoken")
    assert named(LONG).text == "too long (8,388,608 bytes of 21)"
    assert named(LONG, known=(long,)).other == long
    assert named(CONTENT.replace(b"\n", b"\r\n") + LONG).kind is Kind.TOO_LONG


def test_a_private_vocabulary_of_unknown_size_is_compared_by_its_digest_alone() -> None:
    private = vocabulary(size=None)
    assert named(CONTENT * 2, private) == (Kind.WRONG_BYTES, "wrong bytes (42 bytes)", None)


def test_a_vocabulary_is_not_mistaken_for_a_page_or_an_error_message() -> None:
    for right in (CONTENT, b"#version: 0.2\nG t\n", b'{"!": 0, "code": 1}', b"IQ== 0\n"):
        assert looks_like(right) is None


def test_a_file_of_another_length_is_not_hashed(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume / "file").write_bytes(CONTENT + b"x")
    monkeypatch.delattr(hashlib, "file_digest")
    with (volume / "file").open("rb", buffering=0) as file:
        assert not holds(file, TINY)
        monkeypatch.setattr(catalogue, "PRIVATE_LIMIT", len(CONTENT))
        assert not holds(file, vocabulary(size=None))
    monkeypatch.undo()
