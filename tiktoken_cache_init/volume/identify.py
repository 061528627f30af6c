"""Identification of wrong bytes: an empty file, a web page, a truncated file, another vocabulary.

To recognise another kind, add a `Kind` and a line to `looks_like` or `identify`.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from ..catalogue import VOCABULARIES, Vocabulary
from ..values import EXTRA_LIMIT

_PIECE = 1 << 20
_PEEK = 2048
_BOM = b"\xef\xbb\xbf"
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
    start = data[:_PEEK].removeprefix(_BOM).lstrip().lower()
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


def pieces(fd: int) -> Iterator[bytes]:
    """Yield the bytes of an open file in pieces, at most `EXTRA_LIMIT` of them."""
    offset = 0
    while offset < EXTRA_LIMIT and (piece := os.pread(fd, _PIECE, offset)):
        yield piece
        offset += len(piece)


def identify(
    content: Iterable[bytes], length: int, vocabulary: Vocabulary, known: Iterable[Vocabulary] = VOCABULARIES
) -> Identity:
    """Identify the bytes of a file that should hold ``vocabulary``.

    Args:
        content: the result of `pieces` for the file.
        length: size of the whole file in bytes.
        vocabulary: the vocabulary that should be there.
        known: the other vocabularies that may be there instead.
    """
    head, last, only_nul, whole, unix = b"", b"", True, hashlib.sha256(), hashlib.sha256()
    carriage_return = b""
    for piece in content:
        whole.update(piece)
        # The bytes without a byte order mark and with LF line ends. The two bytes of a line end may be in two pieces.
        text = carriage_return + (piece if head else piece.removeprefix(_BOM))
        carriage_return = text[-1:] if text.endswith(b"\r") else b""
        unix.update(text.removesuffix(b"\r").replace(b"\r\n", b"\n"))
        head, last, only_nul = head or piece[:_PEEK], piece[-1:], only_nul and not piece.strip(b"\0")
    unix.update(carriage_return)
    size = f"{length:,} bytes"
    wanted = f" of {vocabulary.size:,}" if vocabulary.size else ""
    if not head:
        return Identity(Kind.EMPTY, "empty (0 bytes)")
    digest = whole.hexdigest()
    for other in known:
        if other.sha256 == digest != vocabulary.sha256:
            return Identity(Kind.OTHER_VOCABULARY, f"the bytes of another vocabulary, {other.published_name}", other)
    if found := looks_like(head):
        return Identity(found.kind, f"{found.text} ({size})")
    if only_nul:
        return Identity(Kind.ZEROS, f"only NUL bytes ({size}), as a crash can leave")
    if unix.hexdigest() == vocabulary.sha256 != digest:
        if head.startswith(_BOM):
            return Identity(Kind.BOM, "the right text after a byte order mark")
        return Identity(Kind.CRLF, "the right text with CRLF line ends, from a copy in text mode")
    if vocabulary.size is None or length == vocabulary.size:
        return Identity(Kind.WRONG_BYTES, f"wrong bytes ({size}{', the right length' if vocabulary.size else ''})")
    if length > vocabulary.size:
        return Identity(Kind.TOO_LONG, f"too long ({size}{wanted})")
    if last == b"\n":
        return Identity(Kind.CUT_AT_LINE, f"cut at the end of a line ({size}{wanted})")
    return Identity(Kind.TRUNCATED, f"truncated ({size}{wanted})")
