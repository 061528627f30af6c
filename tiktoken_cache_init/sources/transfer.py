"""One GET into a staged file: asked for from where the file ends, bounded, and told when it is not wanted any more.

The bytes come from whoever answers, so nothing of what a server says is believed: not the length, not the range, not the
type.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from ..catalogue import Vocabulary
from ..recognition import looks_like
from ..run import Closed, DeadlinePassed
from ..staging import StagedFile, TooLong
from . import NotThere, RouteFailed, too_long
from .failures import PORTAL_ADVICE, failure_of, refusal
from .headers import content_range, is_number
from .proxies import address

_MOST_REDIRECTS = 5
# Events of httpcore's: a tunnel stands, by CONNECT or by SOCKS; or an answer to what was asked through a proxy has begun.
_BEYOND_PROXY = (
    "proxy.start_tls.started",
    "socks.setup_socks5_connection.complete",
    "http11.receive_response_headers.complete",
)
# Bytes seen before a body is taken for a file and not for a page.
_SNIFFED = 512


class _RangeUnusable(Exception):
    """The server's answer to a Range request does not go on where we are."""


class _Revoked(Exception):
    """Whoever waited for this transfer has given it up."""


class Transfer:
    """One attempt, on its own thread. Whoever waits may revoke it: then it writes no byte more."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        vocabulary: Vocabulary,
        staged: StagedFile,
        validators: dict[StagedFile, tuple[str, str]],
        proxies: set[str],
    ) -> None:
        self.done = threading.Event()
        self.connected = False
        self.moved = 0
        """Bytes of the body received so far."""
        self.error: BaseException | None = None
        self._client = client
        self._url = url
        self._vocabulary = vocabulary
        self._staged = staged
        self._validators = validators
        self._proxies = proxies
        self._proxy = ""
        """HOST:PORT of the proxy that was connected to, if one was."""
        self._beyond_proxy = False
        """Whether the proxy has done its part, so that what fails now is the fault of whoever is asked through it."""
        self._revoked = False
        self._lock = threading.Lock()

    def revoke(self) -> None:
        """Have the transfer write no byte more."""
        with self._lock:
            self._revoked = True

    @property
    def culprit(self) -> str:
        """HOST:PORT of the proxy, if it is the one that is waited for; else empty."""
        return "" if self._beyond_proxy else self._proxy

    def run(self) -> None:
        """Make the attempt, and keep its failure for whoever waits."""
        try:
            try:
                self._request(self._staged.position)
            except _RangeUnusable:
                self._request(0)
        except _Revoked:
            pass
        except (RouteFailed, Closed, DeadlinePassed) as error:
            self.error = error
        except Exception as error:
            # What a proxy itself refuses is its own, whatever else went well.
            self.error = failure_of(error, self._proxy if isinstance(error, httpx.ProxyError) else self.culprit)
        finally:
            self.done.set()

    def _request(self, start: int) -> None:
        headers = {}
        if start:
            headers["Range"] = f"bytes={start}-"
            url, validator = self._validators.get(self._staged, ("", ""))
            if url == self._url:
                headers["If-Range"] = validator
        request = self._client.build_request("GET", self._url, headers=headers, extensions={"trace": self._trace})
        for hop in range(_MOST_REDIRECTS + 1):
            # One by one, because httpx would read the whole body of each redirect, however long.
            response = self._client.send(request, stream=True)
            try:
                self.connected = True
                if response.next_request is None:
                    self._receive(response, start, redirected=hop > 0)
                    return
                request = response.next_request
            finally:
                response.close()
            with self._lock:
                self._check_revoked()
        raise NotThere(f"redirected more than {_MOST_REDIRECTS} times")

    def _trace(self, event: str, details: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.started"):
            peer = address(details["host"], details["port"])
            self._proxy = peer if peer in self._proxies else ""
            self._beyond_proxy = False
        if event in _BEYOND_PROXY:
            self._beyond_proxy = True
        if event.endswith("send_request_headers.started"):
            self.connected = True

    def _receive(self, response: httpx.Response, start: int, *, redirected: bool) -> None:
        if response.status_code == 206:
            self._check_range(response, start)
        elif response.status_code == 416 and start:
            raise _RangeUnusable
        elif response.status_code != 200:
            raise refusal(response)
        chunks = self._decoded(response)
        begun = start and response.status_code == 206
        if not begun:
            head, chunks = _peek(chunks)
            # What a private vocabulary looks like only its digest knows.
            if self._vocabulary.size is not None and (found := looks_like(head)):
                where = f"redirected to {response.url.netloc.decode()}, which " if redirected else ""
                raise NotThere(f"{where}answered with {found[1]}", advice=PORTAL_ADVICE)
            self._check_length(response)
            self._restart()
        self._keep_validator(response)
        for chunk in chunks:
            self._write(chunk)
        self._check_end(response)

    def _check_range(self, response: httpx.Response, start: int) -> None:
        first, total = content_range(response.headers.get("Content-Range", ""))
        size = self._vocabulary.size
        if first != start or (size is not None and total not in (None, size)) or "Content-Encoding" in response.headers:
            if start:
                raise _RangeUnusable
            raise NotThere("answered with a part of a file that was not asked for")

    def _check_length(self, response: httpx.Response) -> None:
        size = self._vocabulary.size
        length = response.headers.get("Content-Length", "")
        if not is_number(length) or "Content-Encoding" in response.headers or response.status_code != 200:
            return
        if size is not None and int(length) != size:
            raise NotThere(f"has a file of {int(length):,} bytes there, where {size:,} are right")
        if int(length) > self._vocabulary.limit:
            raise too_long(self._vocabulary)

    def _check_end(self, response: httpx.Response) -> None:
        size = self._vocabulary.size
        if size is not None and self._staged.position < size:
            raise RouteFailed(f"the body ended after {self._staged.position:,} of {size:,} bytes", passing=True)
        framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        if size is None and not framed and not self._staged.is_right():
            raise RouteFailed("the connection closed, and what came is not the whole file", passing=True)

    def _decoded(self, response: httpx.Response) -> Iterator[bytes]:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding in ("", "identity"):
            return self._raw(response)
        if coding in ("gzip", "x-gzip", "deflate"):
            return self._inflated(response)
        raise RouteFailed(f"compressed as '{coding}', though asked not to be")

    def _raw(self, response: httpx.Response) -> Iterator[bytes]:
        for chunk in response.iter_raw():
            self.moved += len(chunk)
            yield chunk

    def _inflated(self, response: httpx.Response) -> Iterator[bytes]:
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        left = self._vocabulary.limit + 1
        for chunk in self._raw(response):
            packed = chunk
            while packed and left > 0:
                # Bounded at every step, because a few bytes can unpack to gigabytes.
                try:
                    data = inflater.decompress(packed, min(left, 1 << 16))
                except zlib.error:
                    raise RouteFailed("its body is not compressed as its header says") from None
                packed = inflater.unconsumed_tail
                left -= len(data)
                yield data

    def _keep_validator(self, response: httpx.Response) -> None:
        tag = response.headers.get("ETag", "")
        # A weak tag does not promise the same bytes.
        validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
        with self._lock:
            self._check_revoked()
            if validator and "Content-Encoding" not in response.headers:
                self._validators[self._staged] = (self._url, validator)
            else:
                self._validators.pop(self._staged, None)

    def _restart(self) -> None:
        with self._lock:
            self._check_revoked()
            self._staged.restart()

    def _write(self, chunk: bytes) -> None:
        with self._lock:
            self._check_revoked()
            try:
                self._staged.write(chunk)
            except TooLong:
                self._staged.restart()
                raise too_long(self._vocabulary) from None

    def _check_revoked(self) -> None:
        if self._revoked:
            raise _Revoked


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a body, and the whole body again."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _SNIFFED:
            break

    def whole() -> Iterator[bytes]:
        yield head
        yield from chunks

    return head, whole()
