"""The mirrors and the origin, in the order in which they are tried."""

from __future__ import annotations

from .. import catalogue
from ..catalogue import Vocabulary
from ..redaction import shown
from ..run import Run
from ..settings import Settings
from ..staging import StagedFile
from . import Route, RouteFailed
from .mirrors import FolderMirror, folder_of, urls_at
from .transport import NotThere, Transport


class Fetch:
    """The source `fetch`."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._origin = settings.origin
        self._transport = Transport(settings, run)
        self._mirrors: list[Route] = []
        for mirror in settings.mirrors:
            folder = folder_of(mirror)
            route: Route = FolderMirror(mirror, folder) if folder else HttpMirror(mirror, self._transport)
            self._mirrors.append(route)
        self._origins: dict[str, Route] = {}

    def routes(self, vocabulary: Vocabulary) -> list[Route]:
        """Return the mirrors, then the place where the vocabulary was published."""
        if not self._origin:
            return list(self._mirrors)
        host = "/".join(vocabulary.url.split("/")[:3])
        if host not in self._origins:
            label = "origin" if host == catalogue.ORIGIN else "its own URL"
            self._origins[host] = HttpOrigin(f"{label} {shown(host)}", self._transport)
        return [*self._mirrors, self._origins[host]]


class HttpOrigin:
    """A route to the URL under which a vocabulary was published."""

    def __init__(self, label: str, transport: Transport) -> None:
        self.label = label
        self.strikes = 0
        self._transport = transport

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Fetch the URL itself."""
        self._transport.get(vocabulary.url, vocabulary, staged)


class HttpMirror:
    """A route to a mirror that is reached by HTTP."""

    def __init__(self, base: str, transport: Transport) -> None:
        self.label = shown(base)
        self.strikes = 0
        self._base = base
        self._transport = transport
        # The kind of name that worked last: a mirror lays all its files out in one way.
        self._likeliest = 0

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Fetch the file under the first of its names that the mirror answers to."""
        urls = urls_at(self._base, vocabulary)
        order = sorted(range(len(urls)), key=lambda index: index != self._likeliest)
        refusal: RouteFailed | None = None
        for index in order:
            try:
                self._transport.get(urls[index], vocabulary, staged)
            except NotThere as failure:
                refusal = refusal or failure
                continue
            self._likeliest = index
            return
        if refusal:
            raise refusal
