"""A tar of plain files that belong to root and have no time: ustar headers, and a pax record for what does not fit in one.

The standard library's `tarfile` does this too, and much else: its byte-code is a hundred kilobytes of an image that a cluster
pulls onto each of its nodes. The bytes here are those of its ``PAX_FORMAT``. The format is POSIX's (``pax``, "ustar
Interchange Format").
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

_BLOCK = 512
_RECORD = 20 * _BLOCK
"""Bytes that a tape took at a time; an archive is a multiple of it."""
_LONGEST_NAME = 100
_LARGEST_SIZE = 8**11 - 1
_FILE = b"0"
_PAX = b"x"


class Writer:
    """Writes one archive."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written = 0

    def add(self, name: str, size: int, mode: int, content: Iterable[bytes]) -> None:
        """Append a file; ``content`` has ``size`` bytes."""
        self._write(_headers(name, size, mode))
        for part in content:
            self._write(part)
        self._write(bytes(-size % _BLOCK))

    def close(self) -> None:
        """Append what ends an archive: two empty blocks, and as many more as fill a record."""
        self._write(bytes(2 * _BLOCK))
        self._write(bytes(-self._written % _RECORD))

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._written += len(data)


def _headers(name: str, size: int, mode: int) -> bytes:
    records = b""
    if len(name) > _LONGEST_NAME or not name.isascii():
        records += _pax_record(b"path", os.fsencode(name))
    if size > _LARGEST_SIZE:
        records += _pax_record(b"size", b"%d" % size)
        size = 0
    header = _header(name, size, mode, _FILE)
    if not records:
        return header
    return _header("././@PaxHeader", len(records), 0, _PAX) + records + bytes(-len(records) % _BLOCK) + header


def _header(name: str, size: int, mode: int, kind: bytes) -> bytes:
    start = name.encode("ascii", "replace")[:_LONGEST_NAME].ljust(_LONGEST_NAME, b"\0")
    owner = b"%07o\0%07o\0" % (0, 0)
    start += b"%07o\0%b%011o\0%011o\0" % (mode, owner, size, 0)
    end = (kind + bytes(100) + b"ustar\x0000").ljust(_BLOCK - len(start) - 8, b"\0")
    # The sum is made with spaces in its own place.
    return start + b"%06o\0 " % (sum(start) + sum(end) + 8 * ord(" ")) + end


def _pax_record(keyword: bytes, value: bytes) -> bytes:
    """Return a record, which begins with its own length: the digits of that length count too."""
    rest = b" %b=%b\n" % (keyword, value)
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d%b" % (length, rest)
