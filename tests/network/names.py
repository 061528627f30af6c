"""A name server on loopback that knows no name, or never answers, and sockets that nothing will ever answer from."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

ADDRESS = f"127.77.{os.getpid() % 250}.53"
"""A loopback address of this test run's own, because several may run at once."""


@contextlib.contextmanager
def name_server(answers: bool) -> Iterator[socket.socket]:
    """Run a name server at ``ADDRESS``: it says of each name that it does not exist, or says nothing at all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((ADDRESS, 53))
        thread = threading.Thread(target=_deny, args=(listener,))
        if answers:
            thread.start()
        yield listener
        if answers:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"", (ADDRESS, 53))
            thread.join()


def _deny(listener: socket.socket) -> None:
    while query := listener.recvfrom(512):
        packet, asker = query
        if not packet:
            return
        # The question again, with the bits of an answer and the code for "no such name" (RFC 1035, 4.1.1).
        listener.sendto(packet[:2] + b"\x81\x83" + packet[4:6] + bytes(6) + packet[12:], asker)


def resolver(directory: Path) -> Path:
    """Return a resolv.conf that asks ``ADDRESS``, with the patience that is every resolver's default."""
    path = directory / "resolv.conf"
    path.write_text(f"nameserver {ADDRESS}\n")
    return path


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Hold a port of 127.0.0.1 that refuses every connection; holding it keeps anyone else from opening it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """Hold a port of 127.0.0.1 where a connection is neither made nor refused, as behind a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Linux queues backlog + 1 connections and drops what comes after.
        for _ in range(2):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
