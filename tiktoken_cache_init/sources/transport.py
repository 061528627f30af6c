"""The HTTP client of a run, and the watch over each of its transfers: how long to connect, how slow is too slow.

All failures of httpx and below end as `RouteFailed`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from .. import __version__
from ..catalogue import Vocabulary
from ..errors import BadSetting
from ..run import Run, start
from ..settings import Settings
from ..staging import StagedFile
from . import RouteFailed
from .failures import blamed
from .proxies import address_of, proxies_of, unproxied
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
        self._validators: dict[StagedFile, tuple[str, str]] = {}
        proxies = proxies_of(os.environ)
        self._proxies = {address_of(proxy) for proxy in proxies.values()}
        # The C library's own limits for a dead name server (5 s twice for each) would hold up the next mirror.
        os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:2")
        self._client = _client(settings, proxies)

    def get(self, url: str, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Append what is missing of the file at ``url``, or start it again where the server gives no part of it.

        Raises:
            NotThere: the server has something else under this URL, or nothing.
            RouteFailed: anything else that went wrong on the way.
            VolumeError: the staged file cannot be written.
        """
        transfer = Transfer(self._client, url, vocabulary, staged, self._validators, self._proxies)
        # In a thread of its own, because a name look-up or a server that drips headers cannot be interrupted, only left.
        start(transfer.run)
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
                raise _given_up(f"no connection within {waited:.0f} s", transfer)
            elif connected and waited > settings.stall_timeout:
                if transfer.moved - moved < settings.min_speed * settings.stall_timeout:
                    raise _given_up(f"stalled: {transfer.moved - moved:,} bytes in {waited:.0f} s", transfer)
                since, moved = time.monotonic(), transfer.moved


def _given_up(reason: str, transfer: Transfer) -> RouteFailed:
    return blamed(RouteFailed(reason, passing=True), transfer.culprit)


def _client(settings: Settings, proxies: Mapping[str, httpx.Proxy]) -> httpx.Client:
    timeout = httpx.Timeout(settings.stall_timeout, connect=settings.connect_timeout)
    headers = {
        "User-Agent": f"tiktoken-cache-init/{__version__}",
        "Accept": "*/*",
        # A compressed body could not be resumed, and has no length to hold against the catalogue's.
        "Accept-Encoding": "identity",
    }
    # A mirror is no place to be recognised at, and the image holds nothing that could keep a cookie.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    context = trust(settings.ca, os.environ)
    asked = [*settings.mirrors, *(vocabulary.url for vocabulary in settings.vocabularies)]
    mounts: dict[str, httpx.BaseTransport | None] = dict.fromkeys(unproxied(os.environ, asked))
    for scheme, proxy in proxies.items():
        if proxy.url.scheme == "https":
            proxy.ssl_context = context
        try:
            mounts[f"{scheme}://"] = httpx.HTTPTransport(verify=context, proxy=proxy, trust_env=False)
        except ImportError as error:  # httpx without its extra for SOCKS
            raise BadSetting(f"the proxy {address_of(proxy)} cannot be used: {error}") from error
    return httpx.Client(
        verify=context, timeout=timeout, headers=headers, cookies=no_cookies, mounts=mounts, trust_env=False
    )
