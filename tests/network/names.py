"""Name server on loopback that knows no name or never answers, and ports that refuse or ignore connections."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.machine import needs

ADDRESS = f"127.77.{os.getpid() % 250}.53"
"""Loopback address of this test run, because several may run at once."""


@contextlib.contextmanager
def name_server(answers: bool) -> Iterator[socket.socket]:
    """Run a name server at ``ADDRESS`` that answers that a name does not exist, or never answers."""
    needs("root")
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
        # The answer repeats the question, with the code for "no such name" (RFC 1035, 4.1.1).
        listener.sendto(packet[:2] + b"\x81\x83" + packet[4:6] + bytes(6) + packet[12:], asker)


def resolver(directory: Path) -> dict[str, Path]:
    """Return the file of a run that asks the name server at ``ADDRESS``, with the default time-outs."""
    path = directory / "resolv.conf"
    path.write_text(f"nameserver {ADDRESS}\n")
    return {"/etc/resolv.conf": path}


def hosts(directory: Path, name: str, address: str) -> dict[str, Path]:
    """Return the file of a run that knows this name."""
    path = directory / "hosts"
    path.write_text(f"{address} {name}\n")
    return {"/etc/hosts": path}


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Reserve a port of 127.0.0.1 that refuses every connection. No other program can open it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """Reserve a port of 127.0.0.1 that neither accepts nor refuses a connection, like a firewall that drops packets."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Linux queues backlog + 1 connections and drops all others.
        for _ in range(2):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
