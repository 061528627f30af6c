"""Downloads from the mirrors and the origin, with one HTTP client and one task for each file."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from ..catalogue import ORIGIN, Vocabulary, same_bytes
from ..redact import redacted
from ..settings import Settings
from . import Delivery, SourceError, Watch
from .client import make_client
from .failures import CannotResumeError, NotFoundError, TooSlowError
from .files import directory_of, names_at_mirror
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
_MAX_TRANSFERS = 8
"""Transfers at the same time. The others wait, so that no connection has to wait in httpx, which would look like a stall."""
_WATCH_EVERY = 0.25
"""Seconds between two calls of the progress callback."""


@dataclass
class _Route:
    """Mirror or origin, for one vocabulary."""

    label: str
    urls: list[str]
    """URLs at which the file may be. Those that do not have it are removed."""
    refusal: NotFoundError | None = None
    """Failure of the first URL that was removed."""
    failures: int = 0
    due: float = 0.0
    """Time of the next attempt, as `time.monotonic` counts."""
    needed: float = 0.0
    """Seconds that the rest of the file would take, if the route was too slow."""


class Fetch:
    """HTTP mirrors, then the origin.

    A route that is too slow is left for the next one. The first call of `supply` leaves it for the sources behind, too. The
    second call continues the fastest one.
    """

    def __init__(self, settings: Settings, end: float, watch: Watch) -> None:
        self._settings = settings
        self._end = end
        self._watch = watch
        self._routes: dict[Delivery, list[_Route]] = {}
        self._sources_behind = 1 if "fetch" in settings.sources[:-1] else 0

    def supply(self, deliveries: Sequence[Delivery]) -> None:
        """Download the vocabularies. For the errors, see `Source`."""
        if self._routes:
            self._sources_behind = 0
        for delivery in deliveries:
            self._routes.setdefault(delivery, _routes(delivery.vocabulary, self._settings))
        if any(self._routes[delivery] for delivery in deliveries):
            run(lambda: self._fetch_all(deliveries))

    async def _fetch_all(self, deliveries: Sequence[Delivery]) -> None:
        proxies, slots = Proxies(), asyncio.Semaphore(_MAX_TRANSFERS)
        for delivery in deliveries:
            delivery.warnings += [
                f"NO_PROXY: '{part}' is no host, domain or network: correct it" for part in proxies.unusable
            ]
        async with make_client(self._settings, proxies) as client:
            ticker = asyncio.create_task(self._tick(deliveries))
            try:
                async with asyncio.TaskGroup() as group:
                    for delivery in deliveries:
                        group.create_task(self._fetch(client, slots, delivery))
            except ExceptionGroup as group_of_errors:
                raise group_of_errors.exceptions[0] from None
            finally:
                ticker.cancel()

    async def _tick(self, deliveries: Sequence[Delivery]) -> None:
        while True:
            self._watch(deliveries)
            await asyncio.sleep(_WATCH_EVERY)

    async def _fetch(self, client: httpx.AsyncClient, slots: asyncio.Semaphore, delivery: Delivery) -> None:
        """Try the routes until one supplies the file. The route with the earliest due time is next, a slow one last."""
        staged, routes = delivery.staged, self._routes[delivery]
        furthest = staged.position
        while routes:
            route = min(routes, key=lambda route: (route.needed, route.due))
            if route.needed and self._sources_behind:
                return
            await asyncio.sleep(route.due - time.monotonic())
            delivery.label = route.label
            try:
                async with slots:
                    await transfer(client, route.urls[0], staged, *self._limits(route, len(routes)))
            except CannotResumeError:
                staged.restart()
            except NotFoundError as error:
                route.refusal = route.refusal or error
                del route.urls[0]
                if not route.urls:
                    delivery.record_failure(route.refusal)
                    routes.remove(route)
            except TooSlowError as error:
                delivery.record_failure(error)
                route.needed = error.needed
            except SourceError as error:
                delivery.record_failure(error)
                progress = staged.position - furthest
                furthest = max(furthest, staged.position)
                route.failures = 0 if progress >= _MIN_PROGRESS else route.failures + 1
                route.due = time.monotonic() + max(error.wait, _backoff(route.failures))
                if not error.transient or route.failures == _MAX_ATTEMPTS or route.due >= self._end:
                    routes.remove(route)
            else:
                return

    def _limits(self, route: _Route, routes: int) -> tuple[float, float]:
        """Return the time-out in seconds of an attempt, and the time by which it must end. The last resort has all the time."""
        timeout, choices = self._settings.timeout, routes + self._sources_behind
        left = self._end - time.monotonic()
        # After the end, the signal of the deadline is on its way.
        if route.needed or choices == 1 or left <= 0:
            return timeout, math.inf
        return min(timeout, left / choices), self._end


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


def _backoff(failures: int) -> float:
    # The random factor keeps many init containers from retrying at the same moment.
    return min(_MAX_WAIT, _FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.5) if failures else 0.0
