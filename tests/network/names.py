"""Name server on loopback that never answers, hosts files, and a port that refuses connections."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.machine import needs

ADDRESS = f"127.77.{os.getpid() % 250}.53"
"""Loopback address of this test run, because several may run at once."""


@contextlib.contextmanager
def silent_name_server() -> Iterator[socket.socket]:
    """Open a name server at ``ADDRESS`` that never answers, and return its socket."""
    needs("root")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((ADDRESS, 53))
        listener.settimeout(30)
        yield listener


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
