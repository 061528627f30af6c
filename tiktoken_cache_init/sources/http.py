"""Download from the mirrors and the origin: one HTTP client, one task for each file."""

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
from ..redact import shown
from ..settings import Settings, url_problem
from . import Delivery, SourceError, Watch, wrong_bytes
from .download import NotThereError, download
from .local import names_at_mirror

_MAX_ATTEMPTS = 5
"""Attempts without progress before a place is given up."""
_MIN_PROGRESS = 1 << 16
"""Bytes that count as progress: an attempt that brings them costs no retry."""
_FIRST_WAIT = 0.5
"""Seconds before a place is tried again; doubled each time."""
_MAX_WAIT = 30.0
_WATCH_EVERY = 0.25
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


class _Route:
    """One mirror or the origin, for one vocabulary."""

    def __init__(self, label: str, urls: Sequence[str]) -> None:
        self.label = label
        self.urls = urls
        self.failures = 0
        self.due = 0.0
        """When to try it again, in the time of `time.monotonic`."""


def fetch(deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:
    """Download what is wanted from the mirrors and the origin. The arguments and errors are those of `sources.supply`."""
    routes = {delivery: _routes(delivery.vocabulary, settings) for delivery in deliveries}
    _run(_fetch_all(routes, settings, end, watch))


def _routes(vocabulary: Vocabulary, settings: Settings) -> list[_Route]:
    routes = []
    for mirror in settings.mirrors:
        if mirror.lower().startswith(("http://", "https://")):
            base, question, query = mirror.partition("?")
            names = names_at_mirror(vocabulary)
            routes.append(_Route(shown(mirror), [f"{base.rstrip('/')}/{name}{question}{query}" for name in names]))
    if settings.origin:
        host = "/".join(vocabulary.url.split("/")[:3])
        routes.append(_Route(f"{'origin' if host == ORIGIN else 'its own URL'} {shown(host)}", [vocabulary.url]))
    return routes


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end. Unlike `asyncio.run`, do not wait for threads: a name look-up may hang in one."""
    loop = asyncio.new_event_loop()
    handlers = {each: signal.getsignal(each) for each in _SIGNALS}
    for each, handler in handlers.items():
        # Called by the loop itself, what a handler raises ends the loop and not a task in the middle of its work.
        if callable(handler):
            loop.add_signal_handler(each, handler, each, None)
    try:
        loop.run_until_complete(main)
    finally:
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
        # Otherwise Python warns on stderr of bodies that were not read to their end.
        loop.run_until_complete(loop.shutdown_asyncgens())
        # Closing the loop resets the handlers. A signal must not arrive in between.
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
    """Try the routes until one supplies the file. A route that needs no wait comes before those that do."""
    furthest = 0
    while routes:
        route = min(routes, key=lambda candidate: candidate.due)
        await asyncio.sleep(route.due - time.monotonic())
        delivery.label = route.label
        try:
            await _attempt(client, route, delivery, timeout)
        except SourceError as error:
            delivery.failed(error)
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
        # The wrong bytes may be from another place, so this one gets a chance to supply all of them.
        staged.restart()
        await _deliver(client, route, delivery, timeout)
    if not staged.is_right:
        error = wrong_bytes(staged)
        staged.restart()
        raise error


async def _deliver(client: httpx.AsyncClient, route: _Route, delivery: Delivery, timeout: float) -> None:
    """Download the first of the route's URLs that the server has."""
    refusals: list[NotThereError] = []
    for url in route.urls:
        try:
            await download(client, url, delivery.staged, timeout)
        except NotThereError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _backoff(failures: int) -> float:
    # With jitter: init containers that failed together must not come back together.
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
                raise SettingError(f"{name.upper()}_PROXY: '{shown(url)}' {problem}: write http://HOST:PORT")
    trust, credentials = _trust(settings.ca), _netrc()
    try:
        # asyncio.timeout bounds each transfer as a whole, so httpx needs no time-outs.
        return httpx.AsyncClient(verify=trust, headers=headers, auth=credentials, timeout=httpx.Timeout(None))
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # The text of the error may hold credentials.
        raise SettingError(
            "a proxy cannot be used: correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, and write only hosts and domains in NO_PROXY"
        ) from error


def _trust(extra: str) -> ssl.SSLContext:
    """Return the usual certificate authorities, and those that the settings and other tools' variables add."""
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if directory and not any(os.path.isdir(each) for each in directory.split(os.pathsep)):
        raise SettingError(f"SSL_CERT_DIR: there is no directory {directory}: correct or unset it")
    # OpenSSL reads both variables, and ignores a file that does not exist.
    context = ssl.create_default_context()
    # Python 3.13 refuses what corporate proxies commonly issue: authorities without a key identifier.
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
    # An interpreter that was not built for this system looks in places that do not exist.
    directory = ssl.get_default_verify_paths().capath
    with contextlib.suppress(OSError):
        return bool(context.get_ca_certs() or (directory and os.listdir(directory)))
    return False


def _netrc() -> httpx.Auth | None:
    """Return the credentials of the netrc file, which `download` uses for URLs that hold none of their own."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    # A bind mount of a file that does not exist makes a directory.
    with contextlib.suppress(OSError):
        try:
            return httpx.NetRCAuth(path)
        except (netrc.NetrcParseError, UnicodeDecodeError) as error:
            raise SettingError(f"{path} is not a netrc file: correct it, or set NETRC to another one") from error
    return None
