"""Forward proxies on loopback: HTTP (CONNECT and absolute targets, with or without credentials) and SOCKS5.

Each connects only to loopback. It finds names in a table that the test gives, so a request that reaches a server came
through the proxy. ``targets`` records each requested ``host:port``.
"""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .listener import PATIENCE, Listener

Address = tuple[str, int]


@dataclass
class Proxy(Listener):
    """HTTP proxy. It requires ``credentials`` (``user:password``) if they are set. With ``broken`` it answers 502."""

    hosts: Mapping[str, Address] = field(default_factory=dict)
    """``host:port`` -> its real address. Any other target must be a loopback address."""
    credentials: str | None = None
    broken: bool = False
    tls: ssl.SSLContext | None = None
    """TLS context, if clients reach the proxy by TLS."""
    targets: list[str] = field(default_factory=list)
    refused: int = 0
    """Number of requests without the right credentials."""

    def serve(self, client: socket.socket) -> None:
        """Forward the request of one connection."""
        with contextlib.suppress(OSError), client:
            self._handle(self.tls.wrap_socket(client, server_side=True) if self.tls else client)

    def _handle(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = client.recv(65536)
            if not received:
                return
            head += received
        first, *lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, version = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if self.credentials is not None:
            wanted = "Basic " + base64.b64encode(self.credentials.encode()).decode()
            if headers.get("proxy-authorization") != wanted:
                self.refused += 1
                self._answer(client, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="guest"')
                return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        self.targets.append(f"{parts.hostname}:{parts.port or 80}")
        if self.broken:
            self._answer(client, "502 Bad Gateway")
            return
        with self._connect(self.targets[-1]) as upstream:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
                request = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
                upstream.sendall("\r\n".join(request).encode("latin-1"))
            self._relay(client, upstream)

    def _answer(self, client: socket.socket, status: str, *headers: str) -> None:
        body = "<html>the proxy refuses</html>"
        head = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body]
        client.sendall("\r\n".join(head).encode())

    def _connect(self, target: str) -> socket.socket:
        host, _, port = target.rpartition(":")
        address = self.hosts.get(target, (host, int(port)))
        if not address[0].startswith("127."):
            raise OSError(f"{target} is not on loopback")
        return socket.create_connection(address, PATIENCE)

    def _relay(self, client: socket.socket, upstream: socket.socket) -> None:
        other = {client: upstream, upstream: client}
        while True:
            ready = select.select([client, upstream, self._stopping], [], [], PATIENCE)[0]
            if not ready or self._stopping in ready:
                return
            for end in (end for end in ready if end in other):
                received = end.recv(65536)
                if not received:
                    return
                other[end].sendall(received)


class SocksProxy(Proxy):
    """SOCKS5 proxy (RFC 1928) that supports CONNECT without credentials, to IPv4 addresses and names."""

    def _handle(self, client: socket.socket) -> None:
        _, methods = client.recv(2)
        client.recv(methods)
        client.sendall(b"\x05\x00")
        kind = client.recv(4)[3]
        host = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
        port = int.from_bytes(client.recv(2), "big")
        self.targets.append(f"{host}:{port}")
        with self._connect(self.targets[-1]) as upstream:
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            self._relay(client, upstream)
