"""One GET over a bad network into a staged file: resumed, bounded, watched, and every failure in a few plain words.

The bytes come from whoever answers, so nothing of what a server says is believed: not the length, not the range, not the
type. All failures of httpx and below end here, as `RouteFailed`.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx

from .. import __version__
from ..catalogue import Vocabulary
from ..diagnosis import looks_like
from ..errors import BadSetting, InitError
from ..redaction import shown
from ..run import Closed, DeadlinePassed, Run
from ..settings import Settings, url_problem
from ..staging import StagedFile, TooLong
from . import NotThere, RouteFailed, too_long

_MOST_REDIRECTS = 5
# Bytes seen before a body is taken for a file and not for a page.
_SNIFFED = 512
# A host may have so many addresses before one that answers, each of which may take the whole time-out.
_MOST_ADDRESSES = 4
# Seconds between two looks at a transfer.
_WATCH_EVERY = 0.1

_PORTAL_ADVICE = "check that no proxy or login page stands between"
_PROXY_ADVICE = "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
_STATUS_ADVICE = {
    401: "put the credentials into the mirror's URL",
    407: "put the proxy's credentials into its URL, as in http://USER:PASSWORD@HOST:PORT",
    511: _PORTAL_ADVICE,
}


class _RangeUnusable(Exception):
    """The server's answer to a Range request does not go on where we are."""


class _Revoked(Exception):
    """Whoever waited for this transfer has given it up."""


class Transport:
    """The HTTP client that all transfers of a run share."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings
        self._run = run
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._proxies = proxies_of(os.environ)
        self._validators: dict[StagedFile, tuple[str, str]] = {}

    def get(self, url: str, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Append what is missing of the file at ``url``, or start it again where the server gives no part of it.

        Raises:
            NotThere: the server has something else under this URL, or nothing.
            RouteFailed: anything else that went wrong on the way.
            VolumeError: the staged file cannot be written.
        """
        transfer = _Transfer(self._shared_client(), url, vocabulary, staged, self._validators, self._proxies)
        # In a thread of its own, because a name look-up or a server that drips headers cannot be interrupted, only left.
        threading.Thread(target=transfer.run, daemon=True).start()
        try:
            self._watch(transfer)
        finally:
            transfer.revoke()
        if transfer.error:
            raise transfer.error

    def _watch(self, transfer: _Transfer) -> None:
        settings = self._settings
        since, moved, connected = time.monotonic(), 0, False
        while not transfer.done.wait(min(_WATCH_EVERY, settings.stall_timeout / 4)):
            self._run.check()
            waited = time.monotonic() - since
            if transfer.connected and not connected:
                since, connected = time.monotonic(), True
            elif not connected and waited > _MOST_ADDRESSES * settings.connect_timeout:
                raise RouteFailed(f"no connection within {waited:.0f} s", passing=True)
            elif connected and waited > settings.stall_timeout:
                if transfer.moved - moved < settings.min_speed * settings.stall_timeout:
                    raise RouteFailed(f"stalled: {transfer.moved - moved:,} bytes in {waited:.0f} s", passing=True)
                since, moved = time.monotonic(), transfer.moved

    def _shared_client(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                # The C library's own limits for a dead name server (5 s twice for each) would hold up the next mirror.
                os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:2")
                for variable in ("NO_PROXY", "no_proxy"):
                    if variable in os.environ:
                        os.environ[variable] = unproxied(os.environ[variable], _asked(self._settings))
                self._client = _client(self._settings)
            return self._client


def proxies_of(environment: Mapping[str, str]) -> set[str]:
    """Return HOST:PORT of each proxy that the environment names.

    Raises:
        BadSetting: a proxy's URL leads nowhere; httpx would blame whatever is asked for through it.
    """
    found: set[str] = set()
    for variable, value in environment.items():
        if value and variable.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            url = value if "://" in value else f"http://{value}"
            problem = url_problem(url)
            if not problem and not url.lower().startswith(("http://", "https://", "socks5://", "socks5h://")):
                problem = "is no proxy that can be used: write http://, https://, socks5:// or socks5h://"
            if problem:
                raise BadSetting(f"{variable}: '{shown(url)}' {problem}")
            try:
                parsed = httpx.URL(url)
                found.add(f"{parsed.host}:{parsed.port or {'https': 443, 'http': 80}.get(parsed.scheme, 1080)}")
            except Exception as error:  # its parser lets errors of idna through
                raise BadSetting(f"{variable}: '{shown(url)}' is no URL") from error
    return found


def _asked(settings: Settings) -> list[str]:
    """Return the URLs whose hosts a run may ask."""
    return [*settings.mirrors, *(vocabulary.url for vocabulary in settings.vocabularies)]


def unproxied(text: str, urls: Sequence[str]) -> str:
    """Return the value of NO_PROXY as httpx can read it: no spaces, and networks replaced by the hosts within them.

    httpx fails at an IPv6 network or a bracket, and passes over an IPv4 network; clusters set both.
    """
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in urls if "://" in url)
    entries: list[str] = []
    for word in text.replace(",", " ").split():
        entry = word.strip("[]") if word.endswith("]") else word
        if "/" not in entry:
            if entry.count(":") != 1 or _is_number(entry.partition(":")[2]):
                entries.append(entry)
            continue
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue
        entries += [host for host in hosts if _is_within(host, network)]
    return ",".join(entries)


def _is_within(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False


def _client(settings: Settings) -> httpx.Client:
    timeout = httpx.Timeout(settings.stall_timeout, connect=settings.connect_timeout)
    headers = {
        "User-Agent": f"tiktoken-cache-init/{__version__}",
        "Accept": "*/*",
        # A compressed body could not be resumed, and has no length to hold against the catalogue's.
        "Accept-Encoding": "identity",
    }
    # A mirror is no place to be recognised at, and the image holds nothing that could keep a cookie.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    try:
        verify = trust(settings.ca, os.environ)
        return httpx.Client(verify=verify, timeout=timeout, headers=headers, cookies=no_cookies)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise BadSetting(f"a proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used: {error}") from error


def trust(extra: str, environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the authorities to trust: those of SSL_CERT_FILE or SSL_CERT_DIR if set, else the system's; and ``extra``.

    Raises:
        BadSetting: a bundle cannot be read.
    """
    file, folder = environment.get("SSL_CERT_FILE") or None, environment.get("SSL_CERT_DIR") or None
    try:
        # Given a file or a folder, it loads no other authorities.
        context = ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        raise _unreadable("SSL_CERT_FILE", str(file), error) from error
    # Python 3.13 refuses what proxies that break TLS commonly issue: authorities without a key identifier and the like.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not file and not folder and not _system_has_authorities(context):
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    if extra:
        try:
            context.load_verify_locations(cafile=extra)
        except OSError as error:
            raise _unreadable("TIKTOKEN_INIT_CA", extra, error) from error
    return context


def _system_has_authorities(context: ssl.SSLContext) -> bool:
    # An interpreter that was not built for this system looks in places that do not exist.
    folder = ssl.get_default_verify_paths().capath
    return bool(context.get_ca_certs() or (folder and os.path.isdir(folder) and os.listdir(folder)))


def _unreadable(variable: str, path: str, error: OSError) -> BadSetting:
    # An SSLError is an OSError too: the file is there, and OpenSSL finds nothing in it.
    if isinstance(error, ssl.SSLError):
        return BadSetting(f"{variable}: {path} holds no certificate in PEM form")
    return BadSetting(f"{variable}: cannot read {path}: {error.strerror}")


class _Transfer:
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
        self._revoked = False
        self._lock = threading.Lock()

    def revoke(self) -> None:
        """Have the transfer write no byte more."""
        with self._lock:
            self._revoked = True

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
            self.error = failure_of(error, self._proxy)
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
            peer = f"{details['host']}:{details['port']}"
            self._proxy = peer if peer in self._proxies else ""
        if event.endswith("send_request_headers.started"):
            self.connected = True

    def _receive(self, response: httpx.Response, start: int, *, redirected: bool) -> None:
        if response.status_code == 206:
            self._check_range(response, start)
        elif response.status_code == 416 and start:
            raise _RangeUnusable
        elif response.status_code != 200:
            raise _refusal(response)
        chunks = self._decoded(response)
        begun = start and response.status_code == 206
        if not begun:
            head, chunks = _peek(chunks)
            # What a private vocabulary looks like only its digest knows.
            if self._vocabulary.size is not None and (found := looks_like(head)):
                where = f"redirected to {response.url.netloc.decode()}, which " if redirected else ""
                raise NotThere(f"{where}answered with {found[1]}", advice=_PORTAL_ADVICE)
            self._check_length(response)
            self._restart()
        self._keep_validator(response)
        for chunk in chunks:
            self._write(chunk)
        self._check_end(response)

    def _check_range(self, response: httpx.Response, start: int) -> None:
        first, total = _content_range(response.headers.get("Content-Range", ""))
        size = self._vocabulary.size
        if first != start or (size is not None and total not in (None, size)) or "Content-Encoding" in response.headers:
            if start:
                raise _RangeUnusable
            raise NotThere("answered with a part of a file that was not asked for")

    def _check_length(self, response: httpx.Response) -> None:
        size = self._vocabulary.size
        length = response.headers.get("Content-Length", "")
        if not _is_number(length) or "Content-Encoding" in response.headers or response.status_code != 200:
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


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Return (first byte, whole length), with None for what is not said, from ``bytes 5-9/10``."""
    unit, _, rest = text.strip().partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0].strip()
    if unit.lower() != "bytes" or not _is_number(first):
        return None, None
    return int(first), int(total) if _is_number(total.strip()) else None


def _is_number(text: str) -> bool:
    # Other scripts have digits too, which int() does not take.
    return text.isascii() and text.isdigit()


def _refusal(response: httpx.Response) -> RouteFailed:
    code = response.status_code
    said = f"{code} {response.reason_phrase}".strip()
    advice = _STATUS_ADVICE.get(code, "")
    if code in (403, 404, 410) or 300 <= code < 400:
        return NotThere(said, advice=advice)
    if code == 407:
        said = f"the proxy answered {said}"
    wait = _retry_after(response)
    if wait is not None:
        said += f", and asks to be left alone for {wait:.0f} s"
    passing = code in (408, 425, 429) or (code >= 500 and code not in (501, 505, 511))
    if code == 511:
        said += ": a captive portal wants a login"
    return RouteFailed(said, passing=passing, wait=wait, advice=advice)


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "").strip()
    if _is_number(text):
        return float(text[:9])
    try:
        return max(0.0, _http_date(text).timestamp() - time.time())
    except ValueError:
        return None


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _http_date(text: str) -> datetime:
    """Read a date as servers write it: ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110, section 5.6.7, IMF-fixdate).

    Not with `email.utils`, which brings 200 kB of byte-code for electronic mail into the image.

    Raises:
        ValueError: it is something else.
    """
    _, day, month, year, clock, _ = text.split(" ")
    hour, minute, second = clock.split(":")
    # There is one second for which a minute has 61.
    whole = min(int(second), 59)
    return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), whole, tzinfo=UTC)


def failure_of(error: Exception, proxy: str = "") -> Exception:
    """Turn what httpx and the layers below raise into a `RouteFailed` in plain words; leave our own errors alone.

    ``proxy`` is the one that was connected to, if one was: if there is no connection then, it is the one to blame.
    """
    if isinstance(error, InitError):
        return error
    if isinstance(error, httpx.ProxyError):
        return _proxy_failure(error, proxy)
    failure = _plain(error)
    # TLS through a tunnel is the far side's.
    if proxy and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and not _is_tls(error):
        return RouteFailed(f"the proxy {proxy}: {failure}", passing=failure.passing, advice=_PROXY_ADVICE)
    return failure


def _is_tls(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in _causes(error))


def _plain(error: Exception) -> RouteFailed:
    if isinstance(error, httpx.UnsupportedProtocol):
        return NotThere("redirected to something that is not http(s)")
    if isinstance(error, httpx.ConnectTimeout):
        return RouteFailed("no connection in time", passing=True)
    if isinstance(error, httpx.TimeoutException):
        return RouteFailed("stalled: no bytes in time", passing=True)
    if isinstance(error, httpx.InvalidURL | UnicodeError):
        return RouteFailed("its host name is not a valid one: check its spelling")
    for cause in _causes(error):
        if found := _system_failure(cause):
            return found
    if "Receive buffer too long" in str(error):
        return RouteFailed("its headers do not end")
    if isinstance(error, httpx.TransportError):
        return RouteFailed(f"the connection broke: {error}", passing=True)
    return RouteFailed(f"{type(error).__name__}: {error}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_CERTIFICATE_ADVICE = "if a proxy breaks TLS here, give its authority's certificate: TIKTOKEN_INIT_CA=FILE"


def _system_failure(error: BaseException) -> RouteFailed | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        # The names of OpenSSL's verification errors are in its x509_vfy.h.
        if error.verify_code == 10:
            return RouteFailed("its certificate has expired", advice="check this machine's clock")
        if error.verify_code in (62, 64):
            return RouteFailed(f"its certificate is for another host ({error.verify_message})")
        return RouteFailed(f"its certificate is not trusted ({error.verify_message})", advice=_CERTIFICATE_ADVICE)
    if isinstance(error, ssl.SSLError):
        return RouteFailed(f"TLS failed ({error.reason or error})", passing=True)
    if isinstance(error, socket.gaierror):
        return RouteFailed(f"its name cannot be resolved ({error.strerror})", passing=True)
    if isinstance(error, OSError) and error.errno is not None:
        return RouteFailed(os.strerror(error.errno).lower(), passing=True)
    return None


def _proxy_failure(error: httpx.ProxyError, proxy: str) -> RouteFailed:
    said = str(error)
    code = said.partition(" ")[0]
    status = int(code) if code.isdigit() else 0
    return RouteFailed(
        f"the proxy {proxy} {'answered' if status else 'failed:'} {said}",
        passing=status in (0, 408, 425, 429) or status >= 500,
        advice=_STATUS_ADVICE.get(status, _PROXY_ADVICE),
    )
