"""A server that reads what a TLS client offers and goes away."""

from __future__ import annotations

import contextlib
import socket

from .listener import Listener

COMPRESS_CERTIFICATE = 27
"""The extension of RFC 8879, by its number in IANA's registry."""


class Greeted(Listener):
    """Keeps the numbers of the extensions in each ClientHello (RFC 8446, section 4.1.2)."""

    def __init__(self) -> None:
        self.offered: list[set[int]] = []

    def serve(self, connection: socket.socket) -> None:
        """Read one."""
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            record = stream.read(5)
            hello = stream.read(int.from_bytes(record[3:], "big"))
            self.offered.append(_extensions(hello))


def _extensions(hello: bytes) -> set[int]:
    rest = hello[4 + 2 + 32 :]
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        rest = rest[width + int.from_bytes(rest[:width], "big") :]
    rest = rest[2:]
    found = set()
    while rest:
        found.add(int.from_bytes(rest[:2], "big"))
        rest = rest[4 + int.from_bytes(rest[2:4], "big") :]
    return found
