"""Listener on loopback with one thread for each connection. All threads end with the test."""

from __future__ import annotations

import select
import socket
import threading
from typing import Self

PATIENCE = 30.0
"""Time limit in seconds for a peer that neither reads nor goes away. No test waits that long."""


class Listener:
    """Listener that ``with Listener() as listener`` starts and stops. A subclass handles connections in `serve`."""

    host = "127.0.0.1"
    port = 0
    """0 means any free port, which is known after the start."""

    def __enter__(self) -> Self:
        assert self.host.startswith("127."), "test traffic stays on loopback"
        self._listener = socket.create_server((self.host, self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._stopping, self._stop = socket.socketpair()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()
        self._stopping.close()

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        return f"{self.host}:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        """Handle one connection, and close it. ``_stopping`` becomes readable when the listener stops."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            ready = select.select([self._listener, self._stopping], [], [])[0]
            if self._stopping in ready:
                return
            connection, _ = self._listener.accept()
            connection.settimeout(PATIENCE)
            thread = threading.Thread(target=self.serve, args=(connection,))
            self._threads.append(thread)
            thread.start()
