"""Proxies on loopback: HTTP (CONNECT and absolute targets, with or without credentials), and SOCKS5.

A proxy connects to one server, whatever name a client asks for. No machine can resolve the names that the tests use, so a
request that reaches the server came through the proxy.
"""

from __future__ import annotations

import base64
import select
import socket
import ssl
from socketserver import BaseRequestHandler
from urllib.parse import urlsplit

from tests.server import PATIENCE, Listener, Request, Server, close, give


def relay(client: socket.socket, behind: Listener, start: bytes = b"") -> None:
    """Connect to the server behind the proxy, and pass bytes on in both directions until one end closes."""
    with socket.create_connection(("127.0.0.1", behind.port), PATIENCE) as server:
        server.sendall(start)
        other = {client: server, server: client}
        while ready := select.select([client, server], [], [], PATIENCE)[0]:
            for end in ready:
                received = end.recv(65536)
                if not received:
                    return
                other[end].sendall(received)


class Proxy(Server):
    """HTTP proxy. It requires credentials (``user:password``) if they are set, and TLS if there is a context."""

    def __init__(self, behind: Server, credentials: str | None = None, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.otherwise = self._forward
        self._behind = behind
        self._credentials = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()

    def _forward(self, request: Request) -> None:
        if self._credentials and request.headers.get("Proxy-Authorization") != self._credentials:
            give(b"", 407, {"Proxy-Authenticate": 'Basic realm="guest"'})(request)
            return
        start = b""
        if request.handler.command == "CONNECT":
            request.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            kept = [f"{name}: {value}" for name, value in request.headers.items() if name != "Connection"]
            lines = [f"GET {urlsplit(request.target).path} HTTP/1.1", *kept, "Connection: close", "", ""]
            start = "\r\n".join(lines).encode("latin-1")
        relay(request.handler.connection, self._behind, start)
        close(request)


class SocksProxy(Listener):
    """SOCKS5 proxy (RFC 1928) that supports CONNECT without credentials, to IPv4 addresses and names."""

    def __init__(self, behind: Server) -> None:
        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                client: socket.socket = self.request
                _, methods = client.recv(2)
                client.recv(methods)
                client.sendall(b"\x05\x00")
                kind = client.recv(4)[3]
                client.recv((4 if kind == 1 else client.recv(1)[0]) + 2)
                client.sendall(b"\x05\x00\x00\x01" + bytes(6))
                relay(client, behind)

        super().__init__(Handler)


class Answering(Listener):
    """Listener that gives the same answer to anything and closes."""

    def __init__(self, says: bytes) -> None:
        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65536)
                self.request.sendall(says)

        super().__init__(Handler)
