"""Identification of the bytes of a file: the vocabulary, another one, an empty file, a web page, a truncated file.

To recognise another kind, add a `Kind` and a line to `looks_like` or `identify`.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable
from enum import StrEnum
from io import FileIO
from typing import NamedTuple

from ..catalogue import VOCABULARIES, Vocabulary

_MAX_READ = 4 << 20
"""Maximum number of bytes to read of a wrong file. Every published vocabulary is shorter, also with CRLF line ends."""
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


def holds(file: FileIO, vocabulary: Vocabulary) -> bool:
    """Return whether an open file has the bytes of the vocabulary. A file of another length is not read."""
    size = os.fstat(file.fileno()).st_size
    if size > vocabulary.max_size or vocabulary.size not in (None, size):
        return False
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest() == vocabulary.sha256


def open_carefully(path: str, mode: str = "rb", *, follow: bool = False) -> FileIO:
    """Open a file. This does not wait for the writer of a FIFO, and refuses a link unless ``follow`` is set.

    Raises:
        OSError: the file cannot be opened.
    """
    extra = os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    return FileIO(path, mode, opener=lambda name, flags: os.open(name, flags | extra))


def is_copy(path: str, vocabulary: Vocabulary, *, follow: bool = False) -> bool:
    """Return whether a path, or with ``follow`` a link, leads to a file with these bytes that this user can read."""
    with contextlib.suppress(OSError), open_carefully(path, follow=follow) as file:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and holds(file, vocabulary)
    return False


def identify(file: FileIO, vocabulary: Vocabulary, known: Iterable[Vocabulary] = VOCABULARIES) -> Identity:
    """Identify the bytes of a file that should hold ``vocabulary``, and does not.

    Args:
        file: the open file.
        vocabulary: the vocabulary that should be there.
        known: the other vocabularies that may be there instead.

    Raises:
        OSError: the file cannot be read.
    """
    length = os.fstat(file.fileno()).st_size
    data = os.pread(file.fileno(), _MAX_READ, 0)
    size = f"{length:,} bytes"
    wanted = f" of {vocabulary.size:,}" if vocabulary.size else ""
    if not data:
        return Identity(Kind.EMPTY, "empty (0 bytes)")
    for other in known:
        if other.sha256 != vocabulary.sha256 and holds(file, other):
            return Identity(Kind.OTHER_VOCABULARY, f"the bytes of another vocabulary, {other.published_name}", other)
    if found := looks_like(data):
        return Identity(found.kind, f"{found.text} ({size})")
    if not data.strip(b"\0"):
        return Identity(Kind.ZEROS, f"only NUL bytes ({size}), as a crash can leave")
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n")
    if text != data and hashlib.sha256(text).hexdigest() == vocabulary.sha256:
        if data.startswith(_BOM):
            return Identity(Kind.BOM, "the right text after a byte order mark")
        return Identity(Kind.CRLF, "the right text with CRLF line ends, from a copy in text mode")
    if vocabulary.size is None or length == vocabulary.size:
        return Identity(Kind.WRONG_BYTES, f"wrong bytes ({size}{', the right length' if vocabulary.size else ''})")
    if length > vocabulary.size:
        return Identity(Kind.TOO_LONG, f"too long ({size}{wanted})")
    if data.endswith(b"\n"):
        return Identity(Kind.CUT_AT_LINE, f"cut at the end of a line ({size}{wanted})")
    return Identity(Kind.TRUNCATED, f"truncated ({size}{wanted})")
