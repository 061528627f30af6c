"""HTTP server on loopback that answers as a test scripts it, and records each request and the bytes that it sent.

A test scripts the answers by path and by request::

    with Server() as server:
        server.offer("/encodings/cl100k_base.tiktoken", content)
        server.script("/encodings/cl100k_base.tiktoken", serve(upto=1000, then=reset), page(503), serve())

The first request for that path gets the first answer, and so on; the last one is repeated. A path without a script gets
`Server.otherwise`, which serves what is offered. Times are in seconds and sizes in bytes.
"""

from __future__ import annotations

import fcntl
import gzip
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
        self.sent = 0
        """Bytes of the answer's body on the wire."""

    @property
    def first_byte(self) -> int | None:
        """Start of the requested range, or None without a range."""
        value = self.headers.get("Range")
        return int(value.removeprefix("bytes=").partition("-")[0]) if value else None

    def write(self, data: bytes) -> None:
        """Send bytes that are not counted."""
        self.handler.wfile.write(data)

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


def endless(request: Request) -> None:
    """Send more of a body until the client leaves, slowly enough to count the bytes that the client reads."""
    while True:
        request.body(b"IQ== 0\n" * 2048, rate=4_000_000)


# Answers.


def give(
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    length: bool | Literal["chunked"] = True,
    upto: int | None = None,
    rate: float = 0.0,
    then: Answer | None = None,
) -> Answer:
    """Answer with exactly this body, whatever range is requested.

    Args:
        body: the whole body.
        status: its status.
        headers: more headers.
        length: whether the length is declared. Without it, the end of the connection or the last chunk ends the body.
        upto: bytes of the body that are sent. None means all of them.
        rate: bytes a second.
        then: an ending in place of the usual one.
    """

    def answer(request: Request) -> None:
        framing = {"Content-Length": str(len(body))} if length else {"Connection": "close"}
        if length == "chunked":
            framing = {"Transfer-Encoding": "chunked"}
        request.handler.send_response_only(status)
        for header in (framing | dict(headers or {})).items():
            request.handler.send_header(*header)
        request.handler.end_headers()
        request.body(body[:upto], rate, chunked=length == "chunked")
        if then is not None:
            then(request)
        elif length == "chunked":
            request.write(b"0\r\n\r\n")
        elif not length:
            close(request)

    return answer


def serve(
    content: bytes | None = None, *, ranges: Literal["honoured", "ignored", "refused"] = "honoured", **how: Any
) -> Answer:
    """Serve ``content``, or what the path offers, from the first requested byte on. Answer 404 if it offers nothing.

    Args:
        content: the whole body, before any range is taken.
        ranges: ``ignored`` answers a range with 200, ``refused`` with 416.
        how: the other arguments of `give`.
    """

    def answer(request: Request) -> None:
        whole = content if content is not None else request.content
        first = request.first_byte
        if whole is None:
            give(b"", 404)(request)
        elif first is None or ranges == "ignored":
            give(whole, **how)(request)
        elif ranges == "refused":
            give(b"", 416)(request)
        else:
            content_range = {"Content-Range": f"bytes {first}-{len(whole) - 1}/{len(whole)}"}
            give(whole[first:], 206, content_range, **how)(request)

    return answer


def redirect(location: str) -> Answer:
    """Answer with a redirect."""
    return give(b"<html>moved</html>", 302, {"Location": location})


def page(status: int = 200) -> Answer:
    """Answer with an HTML page, as a captive portal does."""
    return give(HTML, status)


def compressed(content: bytes) -> Answer:
    """Send a body compressed with gzip, which the client did not request."""
    return give(gzip.compress(content), headers={"Content-Encoding": "gzip"})


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
        (answers.pop(0) if len(answers) > 1 else answers[0])(request)
