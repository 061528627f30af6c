"""HTTP server on loopback that answers as a test scripts it, and records each request and the bytes that it sent.

A test scripts the answers by path and by request::

    with Server() as server:
        server.offer("/encodings/cl100k_base.tiktoken", content)
        server.script("/encodings/cl100k_base.tiktoken", serve(upto=1000, then=reset), refuse_with(503), serve())

The first request for that path gets the first answer, and so on; the last one is repeated. A path without a script gets
`Server.otherwise`, which serves what is offered. Times are in seconds and sizes in bytes.
"""

from __future__ import annotations

import fcntl
import gzip
import http
import os
import socket
import ssl
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Literal

from tiktoken_cache_init import interrupts

CHUNK = 16 * 1024
PATIENCE = 30.0
"""Time limit for a peer that neither reads nor goes away. No test waits that long."""
HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in to the guest network</title></head><body>Welcome</body></html>\n"


class Listener(ThreadingTCPServer):
    """Listener on loopback with one thread for each connection, which ``with Listener(...)`` or `close` ends."""

    allow_reuse_address = True
    block_on_close = False
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        handler: type[BaseRequestHandler],
        context: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Start to listen, with TLS if there is a context. Port 0 means any free port."""
        assert address.startswith("127."), "test traffic stays on loopback"
        super().__init__((address, port), handler)
        self.connections = 0
        self.port: int = self.server_address[1]
        self.host = f"{address}:{self.port}"
        """Address and port, as in a URL."""
        self._context = context
        # If a thread of the server received a signal, it would interrupt a fill in this process while that blocks signals.
        with interrupts.blocked():
            threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        """URL of the root."""
        return f"{'https' if self._context else 'http'}://{self.host}"

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer on one connection."""
        self.connections += 1
        if self._context is None:
            super().finish_request(request, client_address)
            return
        with self._context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that a client closes its connection, which is no error in many tests."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Request:
    """Request, and the connection on which an answer is written."""

    def __init__(self, handler: BaseHTTPRequestHandler, content: bytes | None) -> None:
        self.handler = handler
        self.target = handler.path
        self.path = handler.path.partition("?")[0]
        """The target without its query."""
        self.headers = handler.headers
        self.content = content
        """Content that is offered at the path, or None."""
        self.started = time.monotonic()
        self.ended: float | None = None
        self.sent = 0
        """Bytes of the answer's body on the wire."""

    @property
    def first_byte(self) -> int | None:
        """Start of the requested range, or None without a range."""
        value = self.headers.get("Range")
        return int(value.removeprefix("bytes=").partition("-")[0]) if value else None

    def write(self, data: bytes) -> None:
        """Send bytes that do not count as body."""
        self.handler.wfile.write(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a status line and headers."""
        known = status in set(http.HTTPStatus)
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase if known else 'Unheard Of'}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def body(self, data: bytes, rate: float = 0.0, chunked: bool = False) -> None:
        """Send part of a body, at ``rate`` bytes a second if it is given."""
        began = time.monotonic()
        for offset in range(0, len(data), CHUNK):
            piece = data[offset : offset + CHUNK]
            self.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            self.sent += len(piece)
            if rate:
                time.sleep(max(0.0, began + (offset + len(piece)) / rate - time.monotonic()))


Answer = Callable[[Request], None]


# Endings, which may follow the good part of an answer.


def reset(request: Request) -> None:
    """Reset the connection, after the client's kernel has everything that was sent."""
    connection = request.handler.connection
    end = time.monotonic() + PATIENCE
    while any(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))) and time.monotonic() < end:
        time.sleep(0.001)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.handler.close_connection = True
    # The files of the handler would keep the socket open.
    os.close(connection.detach())


def close(request: Request) -> None:
    """Close the connection without an error, even if bytes are missing."""
    request.handler.close_connection = True


def silent(request: Request) -> None:
    """Keep the connection open and send nothing more, until the client leaves."""
    request.handler.rfile.read(1)
    close(request)


def endless(piece: bytes, rate: float) -> Answer:
    """Send a piece of a body again and again until the client leaves, at a rate in bytes a second."""

    def ending(request: Request) -> None:
        while True:
            request.body(piece, rate)

    return ending


# Answers.


def give(
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    length: bool | int | Literal["chunked"] = True,
    upto: int | None = None,
    rate: float = 0.0,
    then: Answer | None = None,
) -> Answer:
    """Answer with exactly this body, whatever range is requested.

    Args:
        body: the whole body.
        status: its status.
        headers: more headers, or other values of the usual ones.
        length: the declared length: True is the right one. False declares none, and the end of the connection ends the body.
        upto: bytes of the body that are sent. None means all of them.
        rate: bytes a second.
        then: an ending. Without one, the connection is closed if the client cannot know that the body is complete.
    """

    def answer(request: Request) -> None:
        usual = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        if length == "chunked":
            usual["Transfer-Encoding"] = "chunked"
        elif length is False:
            usual["Connection"] = "close"
        else:
            usual["Content-Length"] = str(len(body) if length is True else length)
        request.head(status, usual | dict(headers or {}))
        request.body(body[:upto], rate, chunked=length == "chunked")
        if then is not None:
            then(request)
        elif length == "chunked" and upto is None:
            request.write(b"0\r\n\r\n")
        elif length is not True or upto is not None:
            close(request)

    return answer


def serve(
    content: bytes | None = None,
    *,
    ranges: Literal["honoured", "ignored", "refused", "wrong", "unasked"] = "honoured",
    headers: Mapping[str, str] | None = None,
    **how: Any,
) -> Answer:
    """Serve ``content``, or what the path offers, from the first requested byte on. Answer 404 if it offers nothing.

    Args:
        content: the whole body, before any range is taken.
        ranges: ``ignored`` answers a range with 200, ``refused`` with 416, ``wrong`` with another range. ``unasked``
            answers a request without a range with the second half.
        headers: those of `give`.
        how: the other arguments of `give`.
    """

    def answer(request: Request) -> None:
        whole = content if content is not None else request.content
        first = request.first_byte
        if whole and ranges == "unasked" and first is None:
            first = len(whole) // 2
        if whole is None:
            refuse_with(404)(request)
        elif first is None or ranges == "ignored":
            give(whole, headers=headers, **how)(request)
        elif ranges == "refused":
            give(b"", 416, {"Content-Range": f"bytes */{len(whole)}"})(request)
        else:
            first = max(0, first - 1000) if ranges == "wrong" else first
            content_range = {"Content-Range": f"bytes {first}-{len(whole) - 1}/{len(whole)}"}
            give(whole[first:], 206, content_range | dict(headers or {}), **how)(request)

    return answer


def refuse_with(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a status, a small body and headers, whose names are given with underscores."""
    return give(body, status, {name.replace("_", "-").title(): value for name, value in headers.items()})


def redirect(location: str, status: int = 302) -> Answer:
    """Answer with a redirect."""
    return refuse_with(status, b"<html>moved</html>", location=location)


def page(status: int = 200) -> Answer:
    """Answer with an HTML page, as a captive portal does."""
    return refuse_with(status, HTML, content_type="text/html; charset=utf-8")


def compressed(content: bytes) -> Answer:
    """Send a body compressed with gzip, which the client did not request."""
    return give(gzip.compress(content), headers={"Content-Encoding": "gzip"})


def raw(data: bytes, then: Answer = close) -> Answer:
    """Send exactly these bytes in place of an answer."""

    def answer(request: Request) -> None:
        request.write(data)
        then(request)

    return answer


def endless_head(start: bytes, piece: bytes, interval: float) -> Answer:
    """Send the start of an answer, and then a piece at each interval, until the client leaves."""

    def answer(request: Request) -> None:
        request.write(start)
        while True:
            request.write(piece)
            request.sent += len(piece)
            time.sleep(interval)

    return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    server: Server

    def do_GET(self) -> None:
        self.server.answer(self)

    do_CONNECT = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Server(Listener):
    """HTTP server that ``with Server(...)`` or `close` stops. With a context it uses TLS."""

    def __init__(self, context: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: list[Request] = []
        self.otherwise: Answer = serve()
        """Answer for a path without a script."""
        self._offered: dict[str, bytes] = {}
        self._scripts: dict[str, list[Answer]] = {}
        super().__init__(_Handler, context, address, port)

    @property
    def moved(self) -> int:
        """Bytes of all bodies that were sent."""
        return sum(request.sent for request in self.requests)

    @property
    def paths(self) -> list[str]:
        """Requested paths, in order."""
        return [request.path for request in self.requests]

    def offer(self, path: str, content: bytes) -> None:
        """Serve ``content`` at ``path``."""
        self._offered[path] = content

    def script(self, path: str, *answers: Answer) -> None:
        """Answer the requests for ``path`` with these, in turn. The last one is repeated."""
        self._scripts[path] = list(answers)

    def asked(self, path: str) -> list[Request]:
        """Return the requests for ``path``, in order."""
        return [request for request in self.requests if request.path == path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request as its script says."""
        request = Request(handler, self._offered.get(handler.path.partition("?")[0]))
        self.requests.append(request)
        answers = self._scripts.get(request.path) or [self.otherwise]
        try:
            (answers.pop(0) if len(answers) > 1 else answers[0])(request)
        finally:
            request.ended = time.monotonic()
