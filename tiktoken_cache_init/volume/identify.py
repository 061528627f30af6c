"""Identification of wrong bytes: an empty file, a web page, a truncated file, another vocabulary.

To recognise another kind, add a `Kind` and a line to `looks_like` or `identify`.
"""

import hashlib
from enum import StrEnum
from typing import NamedTuple

from ..catalogue import VOCABULARIES, Vocabulary

MAX_READ = 8 << 20
"""Maximum number of bytes to read from a wrong file."""

_PEEK = 2048
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"BZh")
_JSON_ERRORS = (b'{"error', b'{"message', b'{"code', b'{"detail', b'{"status', b'{"success')


class Kind(StrEnum):
    """Kind of wrong bytes."""

    EMPTY = "empty"
    HTML = "html"
    XML = "xml"
    JSON = "json"
    COMPRESSED = "compressed"
    GIT_LFS = "git-lfs"
    ZEROS = "zeros"
    OTHER_VOCABULARY = "other-vocabulary"
    CRLF = "crlf"
    BOM = "bom"
    WRONG_BYTES = "wrong-bytes"
    TOO_LONG = "too-long"
    CUT_AT_LINE = "cut-at-line"
    TRUNCATED = "truncated"


class Identity(NamedTuple):
    """Kind of wrong bytes, for programs and for people."""

    kind: Kind
    text: str
    other: Vocabulary | None = None
    """The vocabulary that was found, for `Kind.OTHER_VOCABULARY`."""


def looks_like(data: bytes) -> Identity | None:
    """Recognise a page, an error, an archive or a pointer by its first bytes. Return None for anything else."""
    start = data[:_PEEK].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script", b"<body")) or (
        start.startswith((b"<?xml", b"<!--", b"<meta")) and b"<html" in start
    ):
        return Identity(Kind.HTML, "an HTML page, such as an error page or a captive portal's login page")
    if start.startswith(b"<"):
        return Identity(Kind.XML, "an XML document, such as a storage service's error")
    if b"".join(start.split()).startswith(_JSON_ERRORS):
        return Identity(Kind.JSON, "a JSON error message")
    if data.startswith(_COMPRESSED):
        return Identity(Kind.COMPRESSED, "a compressed file that was not unpacked")
    if start.startswith(b"version https://git-lfs"):
        return Identity(Kind.GIT_LFS, "a Git LFS pointer, not the file itself")
    return None


def identify(data: bytes, vocabulary: Vocabulary, length: int) -> Identity:
    """Identify the bytes of a file that should hold ``vocabulary``.

    Args:
        data: the file, or its first `MAX_READ` bytes.
        vocabulary: the vocabulary that should be there.
        length: size of the whole file in bytes.
    """
    size = f"{length:,} bytes"
    wanted = f" of {vocabulary.size:,}" if vocabulary.size else ""
    if not data:
        return Identity(Kind.EMPTY, "empty (0 bytes)")
    for other in VOCABULARIES:
        if other.size == len(data) and other != vocabulary and has_digest(data, other):
            return Identity(Kind.OTHER_VOCABULARY, f"the bytes of another vocabulary, {other.published_name}", other)
    if found := looks_like(data):
        return Identity(found.kind, f"{found.text} ({size})")
    if not data.strip(b"\0"):
        return Identity(Kind.ZEROS, f"only NUL bytes ({size}), as a crash can leave")
    if b"\r\n" in data and has_digest(data.replace(b"\r\n", b"\n"), vocabulary):
        return Identity(Kind.CRLF, "the right text with CRLF line ends, from a copy in text mode")
    if data.startswith(b"\xef\xbb\xbf") and has_digest(data[3:], vocabulary):
        return Identity(Kind.BOM, "the right text after a byte order mark")
    if vocabulary.size is None or length == vocabulary.size:
        return Identity(Kind.WRONG_BYTES, f"wrong bytes ({size}{', the right length' if vocabulary.size else ''})")
    if length > vocabulary.size:
        return Identity(Kind.TOO_LONG, f"too long ({size}{wanted})")
    if data.endswith(b"\n"):
        return Identity(Kind.CUT_AT_LINE, f"cut at the end of a line ({size}{wanted})")
    return Identity(Kind.TRUNCATED, f"truncated ({size}{wanted})")


def has_digest(data: bytes, vocabulary: Vocabulary) -> bool:
    """Return whether the bytes have the digest of the vocabulary."""
    return hashlib.sha256(data).hexdigest() == vocabulary.sha256
