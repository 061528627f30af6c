"""The HTTP client of a run, and the watch over each of its transfers: how long to connect, how slow is too slow.

All failures of httpx and below end as `RouteFailed`.
"""

from __future__ import annotations

import os
import threading
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from .. import __version__
from ..catalogue import Vocabulary
from ..errors import BadSetting
from ..run import Run
from ..settings import Settings
from ..staging import StagedFile
from . import RouteFailed
from .proxies import proxies_of, unproxied
from .transfer import Transfer
from .trust import trust

# A host may have so many addresses before one that answers, each of which may take the whole time-out.
_MOST_ADDRESSES = 4
# Seconds between two looks at a transfer.
_WATCH_EVERY = 0.1


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
        transfer = Transfer(self._shared_client(), url, vocabulary, staged, self._validators, self._proxies)
        # In a thread of its own, because a name look-up or a server that drips headers cannot be interrupted, only left.
        threading.Thread(target=transfer.run, daemon=True).start()
        try:
            self._watch(transfer)
        finally:
            transfer.revoke()
        if transfer.error:
            raise transfer.error

    def _watch(self, transfer: Transfer) -> None:
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


class _Client(httpx.Client):
    """Trusts the same authorities at a proxy that is itself reached by TLS, where httpx would take its own choice.

    Its constructor has no parameter for that, but calls this method for each proxy of the environment.
    """

    def _init_proxy_transport(self, proxy: httpx.Proxy, *arguments: Any, **named: Any) -> httpx.BaseTransport:
        if proxy.url.scheme == "https":
            proxy.ssl_context = named["verify"]
        return super()._init_proxy_transport(proxy, *arguments, **named)


def _asked(settings: Settings) -> list[str]:
    """Return the URLs whose hosts a run may ask."""
    return [*settings.mirrors, *(vocabulary.url for vocabulary in settings.vocabularies)]


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
        return _Client(verify=verify, timeout=timeout, headers=headers, cookies=no_cookies)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise BadSetting(f"a proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used: {error}") from error
