"""Small HTTP server on the loopback interface, with answers that a test scripts."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Request(NamedTuple):
    """Request to the server."""

    path: str
    headers: dict[str, str]
    answer: BaseHTTPRequestHandler
    """Handler that writes the answer."""


Answer = Callable[[Request], None]


class Server:
    """Server on a free port. The answers for a path are used in order, and the last one is repeated."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, list[Answer]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            do_CONNECT = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        class Threads(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """Print nothing."""

        self._server = Threads(("127.0.0.1", 0), Handler)
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if context else "http"
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{scheme}://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def script(self, path: str, *answers: Answer) -> None:
        """Set the answers for a path."""
        self._answers[path] = list(answers)

    @property
    def paths(self) -> list[str]:
        """Requested paths, in order."""
        return [request.path for request in self.requests]

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler.path, dict(handler.headers.items()), handler)
        self.requests.append(request)
        answers = self._answers.get(handler.path) or [refuse_with(404)]
        (answers.pop(0) if len(answers) > 1 else answers[0])(request)


def give(
    body: bytes,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    upto: int | None = None,
    length: bool = True,
) -> Answer:
    """Answer with a body, and close the connection after ``upto`` bytes of it."""

    def answer(request: Request) -> None:
        handler = request.answer
        handler.send_response(status)
        if length:
            handler.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[:upto])
        if upto is not None or not length:
            handler.close_connection = True

    return answer


def continue_with(body: bytes, *, upto: int | None = None) -> Answer:
    """Answer a request for a range correctly."""

    def answer(request: Request) -> None:
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        content_range = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        rest = give(body[start:], 206, content_range, upto=upto) if start else give(body, upto=upto)
        rest(request)

    return answer


def refuse_with(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with an error."""
    return give(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def redirect(location: str) -> Answer:
    """Answer with a redirect."""
    return give(b"", 302, {"Location": location})


def reset(request: Request) -> None:
    """Reset the connection without an answer."""
    request.answer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The files of the handler would keep the socket open.
    os.close(request.answer.connection.detach())


def silent(request: Request) -> None:
    """Accept the request and never answer."""
    request.answer.rfile.read(1)
