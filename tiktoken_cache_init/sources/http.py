"""Downloads from the mirrors and the origin, with one HTTP client and one task for each file."""

import asyncio
import contextlib
import netrc
import os
import random
import signal
import ssl
import time
import urllib.request
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx

from .. import __version__
from ..catalogue import ORIGIN, Vocabulary
from ..errors import SettingError
from ..redact import redacted
from ..settings import Settings, url_problem
from . import Delivery, SourceError, Watch, wrong_bytes
from .download import NotFoundError, download
from .local import names_at_mirror

_MAX_ATTEMPTS = 5
"""Attempts without progress before a route is given up."""
_MIN_PROGRESS = 1 << 16
"""Bytes that count as progress. An attempt with progress resets the count of failures."""
_FIRST_WAIT = 0.5
"""Seconds before the first retry; doubled for each further retry."""
_MAX_WAIT = 30.0
_WATCH_EVERY = 0.25
"""Seconds between two calls of the progress callback."""
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


class _Route:
    """Mirror or origin, for one vocabulary."""

    def __init__(self, label: str, urls: Sequence[str]) -> None:
        self.label = label
        self.urls = urls
        self.failures = 0
        self.due = 0.0
        """Time of the next attempt, as `time.monotonic` counts."""


def fetch(deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:
    """Download the vocabularies from the mirrors and the origin. For arguments and errors, see `sources.supply`."""
    routes = {delivery: _routes(delivery.vocabulary, settings) for delivery in deliveries}
    _run(_fetch_all(routes, settings, end, watch))


def _routes(vocabulary: Vocabulary, settings: Settings) -> list[_Route]:
    routes = []
    for mirror in settings.mirrors:
        if mirror.lower().startswith(("http://", "https://")):
            base, question, query = mirror.partition("?")
            names = names_at_mirror(vocabulary)
            routes.append(_Route(redacted(mirror), [f"{base.rstrip('/')}/{name}{question}{query}" for name in names]))
    if settings.origin:
        host = "/".join(vocabulary.url.split("/")[:3])
        routes.append(_Route(f"{'origin' if host == ORIGIN else 'its own URL'} {redacted(host)}", [vocabulary.url]))
    return routes


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine. Unlike `asyncio.run`, do not wait for threads, because a name look-up may hang in one."""
    loop = asyncio.new_event_loop()
    handlers = {each: signal.getsignal(each) for each in _SIGNALS}
    for each, handler in handlers.items():
        # The loop calls the handler, so that its exception ends the loop and does not interrupt a task.
        if callable(handler):
            loop.add_signal_handler(each, handler, each, None)
    try:
        loop.run_until_complete(main)
    finally:
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
        # Otherwise Python prints warnings about bodies that were not read completely.
        loop.run_until_complete(loop.shutdown_asyncgens())
        # On Python 3.11, this can start tasks.
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
        # Closing the loop resets the handlers. No signal may arrive before they are set again.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        loop.close()
        for each, handler in handlers.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _fetch_all(routes: dict[Delivery, list[_Route]], settings: Settings, end: float, watch: Watch) -> None:
    async with _client(settings) as client:
        ticker = asyncio.create_task(_tick(watch, list(routes)))
        try:
            async with asyncio.TaskGroup() as group:
                for delivery, places in routes.items():
                    group.create_task(_fetch(client, delivery, places, settings.timeout, end))
        except ExceptionGroup as group_of_errors:
            raise group_of_errors.exceptions[0] from None
        finally:
            ticker.cancel()


async def _tick(watch: Watch, deliveries: Sequence[Delivery]) -> None:
    while True:
        watch(deliveries)
        await asyncio.sleep(_WATCH_EVERY)


async def _fetch(
    client: httpx.AsyncClient, delivery: Delivery, routes: list[_Route], timeout: float, end: float
) -> None:
    """Try the routes until one supplies the file. The route with the earliest due time is next."""
    furthest = 0
    while routes:
        route = min(routes, key=lambda candidate: candidate.due)
        await asyncio.sleep(route.due - time.monotonic())
        delivery.label = route.label
        try:
            await _attempt(client, route, delivery, timeout)
        except SourceError as error:
            delivery.record_failure(error)
            progress = delivery.staged.position - furthest
            furthest = max(furthest, delivery.staged.position)
            route.failures = 0 if progress >= _MIN_PROGRESS else route.failures + 1
            route.due = time.monotonic() + max(error.wait, _backoff(route.failures))
            if not error.transient or route.failures == _MAX_ATTEMPTS or route.due >= end:
                routes.remove(route)
        else:
            return


async def _attempt(client: httpx.AsyncClient, route: _Route, delivery: Delivery, timeout: float) -> None:
    staged = delivery.staged
    resumed = staged.position > 0
    await _deliver(client, route, delivery, timeout)
    if resumed and not staged.is_right:
        # The first bytes may be from another route. So download the whole file from this one.
        staged.restart()
        await _deliver(client, route, delivery, timeout)
    if not staged.is_right:
        error = wrong_bytes(staged)
        staged.restart()
        raise error


async def _deliver(client: httpx.AsyncClient, route: _Route, delivery: Delivery, timeout: float) -> None:
    """Download the file from the first URL of the route that has it."""
    refusals: list[NotFoundError] = []
    for url in route.urls:
        try:
            await download(client, url, delivery.staged, timeout)
        except NotFoundError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _backoff(failures: int) -> float:
    # The random factor keeps many init containers from retrying at the same moment.
    return min(_MAX_WAIT, _FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.5) if failures else 0.0


def _client(settings: Settings) -> httpx.AsyncClient:
    headers = {
        "User-Agent": f"tiktoken-cache-init/{__version__}",
        # A compressed body cannot be resumed.
        "Accept-Encoding": "identity",
    }
    for name, url in urllib.request.getproxies().items():
        if name in ("http", "https", "all"):
            whole = url if "://" in url else f"http://{url}"
            problem = url_problem(whole)
            if not problem and whole.partition("://")[0].lower() not in _PROXY_SCHEMES:
                problem = "is not the URL of a proxy"
            if problem:
                raise SettingError(f"{name.upper()}_PROXY: '{redacted(url)}' {problem}: write http://HOST:PORT")
    trust, credentials = _trust(settings.ca), _netrc()
    try:
        # asyncio.timeout bounds each transfer as a whole, so httpx needs no time-outs.
        return httpx.AsyncClient(verify=trust, headers=headers, auth=credentials, timeout=httpx.Timeout(None))
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # The text of the error may contain credentials, so it is not printed.
        raise SettingError(
            "a proxy cannot be used: correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, and write only hosts and domains in NO_PROXY"
        ) from error


def _trust(extra: str) -> ssl.SSLContext:
    """Return a TLS context with the authorities of the system, of the settings and of the environment."""
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if directory and not any(os.path.isdir(each) for each in directory.split(os.pathsep)):
        raise SettingError(f"SSL_CERT_DIR: there is no directory {directory}: correct or unset it")
    # OpenSSL reads both variables itself, but ignores a file that does not exist.
    context = ssl.create_default_context()
    # Corporate proxies often use authorities without a key identifier, which Python 3.13 refuses.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not file and not directory and not _has_authorities(context):
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    added = {
        "SSL_CERT_FILE": file,
        "REQUESTS_CA_BUNDLE": os.environ.get("REQUESTS_CA_BUNDLE"),
        "CURL_CA_BUNDLE": os.environ.get("CURL_CA_BUNDLE"),
        "TIKTOKEN_INIT_CA": extra,
    }
    for variable, path in added.items():
        if path:
            try:
                is_directory = os.path.isdir(path)
                context.load_verify_locations(None if is_directory else path, path if is_directory else None)
            except ssl.SSLError as error:
                raise SettingError(f"{variable}: {path} holds no certificate in PEM form: give a PEM file") from error
            except OSError as error:
                raise SettingError(
                    f"{variable}: cannot read {path}: {error.strerror}: mount it, or unset it"
                ) from error
    return context


def _has_authorities(context: ssl.SSLContext) -> bool:
    # An interpreter that was built for another system uses paths that do not exist here.
    directory = ssl.get_default_verify_paths().capath
    with contextlib.suppress(OSError):
        return bool(context.cert_store_stats()["x509_ca"] or (directory and os.listdir(directory)))
    return False


def _netrc() -> httpx.Auth | None:
    """Return the credentials of the netrc file. `download` uses them for a URL without credentials."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    # The path may be a directory, because a bind mount of a missing file makes one.
    with contextlib.suppress(OSError):
        try:
            return httpx.NetRCAuth(path)
        except (netrc.NetrcParseError, UnicodeDecodeError) as error:
            raise SettingError(f"{path} is not a netrc file: correct it, or set NETRC to another one") from error
    return None
