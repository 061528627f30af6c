"""Downloads from the mirrors and the origin, with one HTTP client and one task for each file."""

import asyncio
import random
import time
from collections.abc import Sequence

import httpx

from ..catalogue import ORIGIN, Vocabulary, same_bytes
from ..errors import DeadlinePassed
from ..redact import redacted
from ..settings import Settings
from . import Delivery, SourceError, Watch
from .client import make_client
from .directories import directory_of, names_at_mirror
from .failures import CannotResumeError, NotFoundError
from .loop import run
from .proxies import Proxies
from .transfer import transfer

_MAX_ATTEMPTS = 5
"""Attempts without progress before a route is given up."""
_MIN_PROGRESS = 1 << 16
"""Bytes that count as progress. An attempt with progress resets the count of failures."""
_FIRST_WAIT = 0.5
"""Seconds before the first retry; doubled for each further retry."""
_MAX_WAIT = 30.0
_WATCH_EVERY = 0.25
"""Seconds between two calls of the progress callback."""


class _Route:
    """Mirror or origin, for one vocabulary."""

    def __init__(self, label: str, urls: Sequence[str]) -> None:
        self.label = label
        self.urls = list(urls)
        """URLs at which the file may be. Those that do not have it are removed."""
        self.refusal: NotFoundError | None = None
        """Failure of the first URL that was removed."""
        self.failures = 0
        self.due = 0.0
        """Time of the next attempt, as `time.monotonic` counts."""


class Fetch:
    """HTTP mirrors, then the origin."""

    def __init__(self, settings: Settings, end: float, watch: Watch) -> None:
        self._settings = settings
        self._end = end
        self._watch = watch

    def supply(self, deliveries: Sequence[Delivery]) -> None:
        """Download the vocabularies. For the errors, see `Source.supply`."""
        routes = {delivery: _routes(delivery.vocabulary, self._settings) for delivery in deliveries}
        if any(routes.values()):
            try:
                run(_fetch_all(routes, self._settings, self._end, self._watch))
            except DeadlinePassed:
                for delivery in deliveries:
                    delivery.record_deadline()
                raise


def _routes(vocabulary: Vocabulary, settings: Settings) -> list[_Route]:
    routes = []
    for mirror in settings.mirrors:
        if directory_of(mirror) is None:
            base, question, query = mirror.partition("?")
            names = names_at_mirror(vocabulary)
            routes.append(_Route(redacted(mirror), [f"{base.rstrip('/')}/{name}{question}{query}" for name in names]))
    for url in [each.url for each in same_bytes(vocabulary)] if settings.origin else []:
        is_published = url.startswith(f"{ORIGIN}/")
        routes.append(_Route(f"origin {ORIGIN}" if is_published else f"its own URL {redacted(url)}", [url]))
    return routes


async def _fetch_all(routes: dict[Delivery, list[_Route]], settings: Settings, end: float, watch: Watch) -> None:
    proxies = Proxies()
    for delivery in routes:
        delivery.warnings += [
            f"NO_PROXY: '{part}' is no host, domain or network: correct it" for part in proxies.unusable
        ]
    async with make_client(settings, proxies) as client:
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
    staged = delivery.staged
    furthest = 0
    while routes:
        route = min(routes, key=lambda candidate: candidate.due)
        await asyncio.sleep(route.due - time.monotonic())
        delivery.label = route.label
        try:
            await transfer(client, route.urls[0], staged, timeout)
        except CannotResumeError:
            staged.restart()
        except NotFoundError as error:
            route.refusal = route.refusal or error
            del route.urls[0]
            if not route.urls:
                delivery.record_failure(route.refusal)
                routes.remove(route)
        except SourceError as error:
            delivery.record_failure(error)
            progress = staged.position - furthest
            furthest = max(furthest, staged.position)
            route.failures = 0 if progress >= _MIN_PROGRESS else route.failures + 1
            route.due = time.monotonic() + max(error.wait, _backoff(route.failures))
            if not error.transient or route.failures == _MAX_ATTEMPTS or route.due >= end:
                routes.remove(route)
        else:
            return


def _backoff(failures: int) -> float:
    # The random factor keeps many init containers from retrying at the same moment.
    return min(_MAX_WAIT, _FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.5) if failures else 0.0
