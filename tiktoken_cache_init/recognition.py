"""What wrong bytes look like."""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .catalogue import Vocabulary

_PEEK = 2048
"""Bytes."""


def looks_like(data: bytes) -> tuple[str, str] | None:
    """Recognise what servers send in place of a file, from its beginning: (kind, text), or None."""
    start = data[:_PEEK].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script", b"<body")) or (
        start.startswith((b"<?xml", b"<!--", b"<meta")) and b"<html" in start
    ):
        return "html", "an HTML page, as an error page or a captive portal sends"
    if start.startswith(b"<"):
        return "xml", "an XML document, as a storage service's error is"
    if b"".join(start.split()).startswith(
        (b'{"error', b'{"message', b'{"code', b'{"detail', b'{"status', b'{"success')
    ):
        return "json", "a JSON error message"
    if data.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"BZh")):
        return "compressed", "a compressed file: it must be unpacked first"
    if start.startswith(b"version https://git-lfs"):
        return "git-lfs", "a Git LFS pointer, not the file itself"
    return None


def recognise(data: bytes, vocabulary: Vocabulary, length: int) -> tuple[str, str]:
    """Return what wrong bytes look like, (kind, text), from the beginning of a file of that length."""
    size = f"{length:,} bytes"
    wanted = f" of {vocabulary.size:,}" if vocabulary.size else ""
    if not data:
        return "empty", "empty (0 bytes)"
    if found := looks_like(data):
        return found[0], f"{found[1]} ({size})"
    if not data.strip(b"\0"):
        begins = "nothing but" if length == len(data) else "something that begins with"
        return "zeros", f"{begins} zero bytes ({size}), as a crash can leave"
    if b"\r\n" in data and digest_is(data.replace(b"\r\n", b"\n"), vocabulary):
        return "crlf", "the right text with CRLF line ends, as a text-mode copy makes"
    if data.startswith(b"\xef\xbb\xbf") and digest_is(data[3:], vocabulary):
        return "bom", "the right text behind a byte order mark"
    if vocabulary.size is None or length == vocabulary.size:
        return "wrong-bytes", f"wrong bytes ({size}{', the right length' if vocabulary.size else ''})"
    if length > vocabulary.size:
        return "too-long", f"too long ({size}{wanted})"
    if data.endswith(b"\n"):
        return "cut-at-line", f"cut at a line's end ({size}{wanted})"
    return "truncated", f"truncated ({size}{wanted})"


def digest_is(data: bytes, vocabulary: Vocabulary) -> bool:
    """Say whether bytes are the vocabulary's."""
    return hashlib.sha256(data).hexdigest() == vocabulary.sha256
