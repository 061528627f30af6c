"""Web server on loopback that misbehaves as a test scripts it, and records each request and the bytes that it sent.

It writes to the sockets itself, so a test controls resets, stalls, slow bytes, cut bodies and wrong headers. A test
scripts behaviours by path and by request::

    server = Server()
    server.offer("/encodings/cl100k_base.tiktoken", content)
    server.script("/encodings/cl100k_base.tiktoken", reset(after=1_000_000), reply(503), serve())

The first request for that path gets the first behaviour, and so on; the last one is repeated. A path that is offered
but not scripted is served, and any other path gives 404. Times are in seconds and sizes in bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import http
import select
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .listener import PATIENCE, Listener

CHUNK = 16 * 1024
HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in to the guest network</title></head><body>Welcome</body></html>\n"
_KNOWN = frozenset(http.HTTPStatus)


class HangUp(Exception):
    """End of a connection, because the behaviour closes it, or because the client or the server stops."""


@dataclass
class Request:
    """One request and its progress. ``sent`` counts the bytes of the answer's body on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    started: float
    ended: float | None = None
    sent: int = 0

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def first_byte(self) -> int | None:
        """Start of the requested range, or None without a range."""
        value = self.headers.get("range")
        return int(value.removeprefix("bytes=").partition("-")[0]) if value else None


class Exchange:
    """Request and connection on which a behaviour answers."""

    def __init__(self, connection: socket.socket, stopping: socket.socket, request: Request, content: bytes | None):
        self.connection = connection
        self.request = request
        self.content = content
        """Content that is offered at the path, or None."""
        self._stopping = stopping

    def write(self, data: bytes) -> None:
        """Send bytes that do not count as body."""
        self.connection.sendall(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a status line and headers."""
        phrase = http.HTTPStatus(status).phrase if status in _KNOWN else "Unheard Of"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def body(self, data: bytes, rate: float | None = None, chunked: bool = False) -> None:
        """Send part of a body, at ``rate`` bytes a second if it is given."""
        began = time.monotonic()
        for offset in range(0, len(data), CHUNK):
            piece = data[offset : offset + CHUNK]
            self.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            self.request.sent += len(piece)
            if rate is not None:
                self.pause(began + (offset + len(piece)) / rate - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Wait, but hang up if the client goes away or the server stops."""
        if select.select([self.connection, self._stopping], [], [], max(0.0, seconds))[0]:
            raise HangUp

    def arrived(self) -> None:
        """Wait until the client's kernel has everything that was sent, so that a reset loses none of it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            waiting = struct.unpack("i", fcntl.ioctl(self.connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
            if not waiting:
                return
            time.sleep(0.001)


Behaviour = Callable[[Exchange], None]


# Endings, which run after the good part of an answer.


def reset_now(exchange: Exchange) -> None:
    """Send a TCP reset."""
    exchange.arrived()
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise HangUp


def close_now(exchange: Exchange) -> None:
    """Close the connection without an error, even if bytes are missing."""
    raise HangUp


def silent(exchange: Exchange) -> None:
    """Keep the connection open and send nothing more, until the client leaves."""
    while True:
        exchange.pause(PATIENCE)


def dripping(interval: float = 1.0) -> Behaviour:
    """Send one byte, then one more each ``interval`` seconds."""

    def ending(exchange: Exchange) -> None:
        while True:
            exchange.body(b"x")
            exchange.pause(interval)

    return ending


def endless(exchange: Exchange) -> None:
    """Send bytes until the client leaves, slowly enough to count the bytes that it reads."""
    while True:
        exchange.body(b"IQ== 0\n" * 2048, rate=4_000_000)


# Behaviours.


def serve(
    content: bytes | None = None,
    *,
    status: int = 200,
    ranges: Literal["honoured", "ignored", "refused", "wrong", "unasked"] = "honoured",
    length: int | Literal["right", "absent", "chunked"] = "right",
    rate: float | None = None,
    headers: Mapping[str, str] | None = None,
    after: int | None = None,
    then: Behaviour | None = None,
) -> Behaviour:
    """Serve ``content``, or what the path offers, in the way that the arguments define.

    Args:
        content: the whole body, before any range is taken.
        status: of a whole answer.
        ranges: ``ignored`` answers a range with 200, ``refused`` with 416, ``wrong`` with another range. ``unasked``
            answers a request without a range with the second half.
        length: the declared length of the body. A number is sent unchanged; ``absent`` ends the body by closing.
        rate: bytes a second, on this connection.
        headers: added to the headers of the answer, or replacing them.
        after: bytes of the body that are sent before ``then`` runs. None means all of them.
        then: an ending. Without one, the connection stays open for the next request.
    """

    def behaviour(exchange: Exchange) -> None:
        whole = content if content is not None else exchange.content
        assert whole is not None, f"nothing is offered at {exchange.request.path}"
        said = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        code, part = status, whole
        first = exchange.request.first_byte
        if ranges == "unasked" and first is None:
            first = len(whole) // 2
        if first is not None and ranges == "refused":
            exchange.head(416, {"Content-Range": f"bytes */{len(whole)}", "Content-Length": "0"})
            return
        if first is not None and ranges != "ignored":
            first = max(0, first - 1000) if ranges == "wrong" else first
            code, part = 206, whole[first:]
            said["Content-Range"] = f"bytes {first}-{len(whole) - 1}/{len(whole)}"
        if length == "chunked":
            said["Transfer-Encoding"] = "chunked"
        elif length == "absent":
            said["Connection"] = "close"
        else:
            said["Content-Length"] = str(len(part) if length == "right" else length)
        exchange.head(code, said | dict(headers or {}))
        exchange.body(part if after is None else part[:after], rate, chunked=length == "chunked")
        if then is not None:
            then(exchange)
        elif length == "chunked":
            exchange.write(b"0\r\n\r\n")
        elif length != "right":
            close_now(exchange)

    return behaviour


def reset(after: int | None = None) -> Behaviour:
    """Reset the connection after a number of bytes of the body, or before the headers if no number is given."""
    return reset_now if after is None else serve(after=after, then=reset_now)


def reply(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer with a status, a small body and headers, whose names are given with underscores."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}

    def behaviour(exchange: Exchange) -> None:
        without_body = status in (204, 304)
        exchange.head(status, named if without_body else {"Content-Length": str(len(body))} | named)
        exchange.body(body)

    return behaviour


def redirect(location: str, status: int = 301) -> Behaviour:
    """Answer with a redirect."""
    return reply(status, b"<html>moved</html>", location=location)


def page(status: int = 200) -> Behaviour:
    """Answer with an HTML page, as a captive portal does."""
    return reply(status, HTML, content_type="text/html; charset=utf-8")


def compressed(content: bytes) -> Behaviour:
    """Send a body compressed with gzip, which the client did not request."""
    return reply(200, gzip.compress(content, 6), content_encoding="gzip", content_type="application/octet-stream")


def dripped_head(interval: float) -> Behaviour:
    """Send a status line and headers one byte each ``interval`` seconds, without end."""

    def behaviour(exchange: Exchange) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 4096:
            exchange.write(bytes([byte]))
            exchange.pause(interval)

    return behaviour


def endless_head(exchange: Exchange) -> None:
    """Send headers until the client leaves."""
    exchange.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
        exchange.write(line)
        exchange.request.sent += len(line)
        exchange.pause(0.0005)


def endless_hints(exchange: Exchange) -> None:
    """Send interim answers without end, and never the final one."""
    while True:
        exchange.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        exchange.pause(0.05)


def raw(data: bytes) -> Behaviour:
    """Send exactly these bytes, then close."""

    def behaviour(exchange: Exchange) -> None:
        exchange.write(data)
        raise HangUp

    return behaviour


@dataclass
class Server(Listener):
    """Web server that ``with Server(...) as server`` starts and stops.

    With ``context`` it uses TLS. Tests that need a fixed address on loopback set ``host`` and ``port``.
    """

    context: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _offered: dict[str, bytes] = field(default_factory=dict)
    _scripts: dict[str, list[Behaviour]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """URL for the setting of mirrors."""
        return f"{'https' if self.context else 'http'}://{self.authority}"

    @property
    def moved(self) -> int:
        """Bytes of all bodies that were sent."""
        return sum(request.sent for request in self.requests)

    def offer(self, path: str, content: bytes) -> None:
        """Serve ``content`` at ``path``."""
        self._offered[path] = content

    def script(self, path: str, *behaviours: Behaviour) -> None:
        """Answer the requests for ``path`` with these, in turn. The last one is repeated."""
        self._scripts[path] = list(behaviours)

    def asked(self, path: str) -> list[Request]:
        """Return the requests for ``path``, in order."""
        return [request for request in self.requests if request.path == path]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it did not hold in time.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the condition did not hold in time; requests so far: {self.requests}")
            time.sleep(0.005)

    def serve(self, plain: socket.socket) -> None:
        """Answer the requests of one connection as their scripts say."""
        with self._lock:
            self.connections += 1
        connection = plain
        # In many tests the client closes the connection. For the server that is no error.
        with contextlib.suppress(HangUp, OSError):
            if self.context is not None:
                connection = self.context.wrap_socket(plain, server_side=True)
            for request in self._requests(connection):
                with self._lock:
                    self.requests.append(request)
                    behaviour = self._next(request.path)
                exchange = Exchange(connection, self._stopping, request, self._offered.get(request.path))
                try:
                    behaviour(exchange)
                finally:
                    request.ended = time.monotonic()
        connection.close()

    def _next(self, path: str) -> Behaviour:
        script = self._scripts.get(path)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        return serve() if path in self._offered else reply(404, b"no such file\n")

    def _requests(self, connection: socket.socket) -> Iterator[Request]:
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                ready = select.select([connection, self._stopping], [], [], PATIENCE)[0]
                if connection not in ready:
                    return
                received = connection.recv(65536)
                if not received:
                    return
                pending += received
                if not pending[:1].isalpha():
                    # A web server answers a TLS client on its plain port in this way.
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    return
            head, _, pending = pending.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ", 2)
            pairs = (line.partition(":") for line in lines)
            yield Request(method, target, {name.lower(): value.strip() for name, _, value in pairs}, time.monotonic())
