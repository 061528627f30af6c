"""What wrong bytes are, and what a gateway would do with them.

The gateways read a vocabulary with tiktoken-go, which checks neither length nor digest (``loadTiktokenBpe`` of v0.1.7): it
splits the text at line feeds, skips empty lines, and takes each line as base64, a space, and a rank. Whatever parses is
used. So an empty or a cut file starts the gateway and makes it count wrong, and only what does not parse stops it.
"""

from __future__ import annotations

import binascii
import hashlib

from . import catalogue
from .catalogue import Vocabulary
from .light import NamedTuple

COUNTS_RIGHT = "counts-right"
COUNTS_WRONG = "counts-wrong"
DIES = "dies"
NOT_READ = "not-read"
"""No gateway loads this vocabulary when it starts."""

FIFO = "FIFO"
SOCKET = "socket"
DEVICE = "device"

_PEEK = 2048
# Go's int is one of 64 bits wherever the gateways run.
_MOST_INT = (1 << 63) - 1
_MOST_DIGITS = 19

# What the gateways load when they start, and the model that the message names if they cannot (New-API to v0.8.2.0 and
# one-api, ``InitTokenEncoders``).
LOADED_AT_START = {"cl100k_base.tiktoken": "gpt-3.5-turbo", "o200k_base.tiktoken": "gpt-4o"}


class Prognosis(NamedTuple):
    """What a gateway does that finds a file in some state."""

    outcome: str
    """`COUNTS_RIGHT`, `COUNTS_WRONG`, `DIES` (it exits, or never starts) or `NOT_READ`."""
    text: str
    """The same for people, with the message that a dying gateway prints."""


_COUNTS_RIGHT = Prognosis(COUNTS_RIGHT, "the gateway starts and counts right all the same")


class Diagnosis(NamedTuple):
    """What a file that is not right looks like."""

    kind: str
    """A stable word: empty, html, xml, json, compressed, git-lfs, zeros, other-vocabulary, crlf, bom, wrong-bytes, too-long,
    cut-at-line or truncated."""
    text: str
    """The same for people."""
    prognosis: Prognosis
    other: Vocabulary | None = None
    """The vocabulary whose right bytes these are, if they are another's."""


def diagnose(data: bytes, vocabulary: Vocabulary, size: int | None = None) -> Diagnosis:
    """Say what ``data`` is, which stands where ``vocabulary`` should and is not it.

    ``data`` may be no more than the beginning of a file; then ``size`` is the length of the whole.
    """
    size = len(data) if size is None else size
    # Of a file that was not read to its end, the last line is not judged, unless it is all there is.
    whole = data if size == len(data) else data[: data.rfind(b"\n") + 1] or data
    complaint = parsing_error(whole)
    if complaint or vocabulary.published_name not in LOADED_AT_START:
        prognosis = death(vocabulary, complaint)
    else:
        prognosis = Prognosis(COUNTS_WRONG, "the gateway starts and COUNTS WRONG")
    for other in catalogue.VOCABULARIES:
        if other.size == len(data) and other != vocabulary and _digest_is(data, other):
            text = f"the bytes of another vocabulary, {other.published_name}"
            return Diagnosis("other-vocabulary", text, prognosis, other)
    kind, text = recognise(data, vocabulary, size)
    if prognosis.outcome == COUNTS_WRONG and size == len(data) and _is_right_but_for_its_end(data, vocabulary):
        # Readers skip empty lines, and need no line end after the last.
        return Diagnosis(kind, f"the right text with another end ({size:,} bytes)", _COUNTS_RIGHT)
    return Diagnosis(kind, text, prognosis)


def _is_right_but_for_its_end(data: bytes, vocabulary: Vocabulary) -> bool:
    text = data.rstrip(b"\n")
    return any(len(text + end) == vocabulary.size and _digest_is(text + end, vocabulary) for end in (b"", b"\n"))


def death(vocabulary: Vocabulary, complaint: str, unless: str = "") -> Prognosis:
    """Say how a reader fails that cannot use the file for the reason given, which may not hold for every one."""
    model = LOADED_AT_START.get(vocabulary.published_name)
    if model is None:
        return Prognosis(NOT_READ, "its readers try to download it again, which fails without a network")
    # A panic comes before there is an error to wrap.
    words = complaint if complaint.startswith("panic: ") else f"failed to get {model} token encoder: {complaint}"
    return Prognosis(DIES, f"the gateway dies{f' unless {unless}' if unless else ''}: {words}")


def of_special(vocabulary: Vocabulary, name: str, kind: str) -> Prognosis:
    """Say what comes of reading what is no file: a `FIFO`, a `SOCKET` or a `DEVICE`."""
    at_start = vocabulary.published_name in LOADED_AT_START
    if kind == FIFO:
        who = "the gateway never starts: it" if at_start else "whoever reads it"
        return Prognosis(DIES if at_start else NOT_READ, f"{who} waits for bytes from the FIFO")
    if kind == DEVICE and at_start:
        text = "the gateway reads the device: it COUNTS WRONG if that is empty, and never starts if it has no end"
        return Prognosis(COUNTS_WRONG, text)
    return death(vocabulary, f"open .../{name}: no such device or address")


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
    if b"\r\n" in data and _digest_is(data.replace(b"\r\n", b"\n"), vocabulary):
        return "crlf", "the right text with CRLF line ends, as a text-mode copy makes"
    if data.startswith(b"\xef\xbb\xbf") and _digest_is(data[3:], vocabulary):
        return "bom", "the right text behind a byte order mark"
    if vocabulary.size is None or length == vocabulary.size:
        return "wrong-bytes", f"wrong bytes ({size}{', the right length' if vocabulary.size else ''})"
    if length > vocabulary.size:
        return "too-long", f"too long ({size}{wanted})"
    if data.endswith(b"\n"):
        return "cut-at-line", f"cut at a line's end ({size}{wanted})"
    return "truncated", f"truncated ({size}{wanted})"


def _digest_is(data: bytes, vocabulary: Vocabulary) -> bool:
    return hashlib.sha256(data).hexdigest() == vocabulary.sha256


def parsing_error(data: bytes) -> str:
    """Return the error that tiktoken-go v0.1.7 gives when it parses these bytes, or an empty text if it takes them."""
    ranks: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        if not line:
            continue
        token, space, rank = line.partition(b" ")
        try:
            decoded = binascii.a2b_base64(token, strict_mode=True)
        except binascii.Error:
            return "illegal base64 data at input byte ..."
        if not space:
            return "panic: runtime error: index out of range [1] with length 1"
        digits = rank.partition(b" ")[0]
        number = digits[1:] if digits[:1] in (b"-", b"+") else digits
        shown_digits = ascii(digits[:24].decode("latin-1"))[1:-1]
        if not number.isdigit():
            return f'strconv.Atoi: parsing "{shown_digits}": invalid syntax'
        number = number.lstrip(b"0") or b"0"
        if len(number) > _MOST_DIGITS or int(number) > _MOST_INT:
            return f'strconv.Atoi: parsing "{shown_digits}": value out of range'
        ranks[decoded] = -int(number) if digits.startswith(b"-") else int(number)
    # A file that is cut within a rank gives that rank twice.
    return "" if len(set(ranks.values())) == len(ranks) else "encoder and decoder map sizes are different"
