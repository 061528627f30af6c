"""The mirrors and the origin, in the order in which they are tried.

The HTTP client takes longer to load than a volume takes to fill from the image, so it is loaded for the first transfer.
"""

from __future__ import annotations

import threading

from .. import catalogue
from ..catalogue import Vocabulary
from ..redaction import shown
from ..run import Run
from ..settings import Settings
from ..staging import StagedFile
from . import NotThere, Route, RouteFailed
from .mirrors import FolderMirror, folder_of, urls_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .transport import Transport


class Fetch:
    """The source `fetch`."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings
        self._run = run
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._mirrors = [self._mirror(mirror) for mirror in settings.mirrors]
        self._origins: dict[str, Route] = {}

    def _mirror(self, mirror: str) -> Route:
        folder = folder_of(mirror)
        return HttpMirror(mirror, self) if folder is None else FolderMirror(mirror, folder)

    def routes(self, vocabulary: Vocabulary) -> list[Route]:
        """Return the mirrors, then the place where the vocabulary was published."""
        if not self._settings.origin:
            return list(self._mirrors)
        host = "/".join(vocabulary.url.split("/")[:3])
        label = "origin" if host == catalogue.ORIGIN else "its own URL"
        with self._lock:
            origin = self._origins.setdefault(host, HttpOrigin(f"{label} {shown(host)}", self))
        return [*self._mirrors, origin]

    def get(self, url: str, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Transfer one URL, as `Transport.get` does."""
        with self._lock:
            if self._transport is None:
                try:
                    from .transport import Transport
                except ImportError as error:
                    raise RouteFailed(
                        f"there is no HTTP client here ({error.name} is not installed)",
                        advice="install what requirements/runtime.txt names, as 'make fill' does",
                    ) from error

                self._transport = Transport(self._settings, self._run)
        self._transport.get(url, vocabulary, staged)


class HttpOrigin:
    """A route to the URL under which a vocabulary was published."""

    def __init__(self, label: str, source: Fetch) -> None:
        self.label = label
        self.strikes = 0
        self._source = source

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Fetch the URL itself."""
        self._source.get(vocabulary.url, vocabulary, staged)


class HttpMirror:
    """A route to a mirror that is reached by HTTP."""

    def __init__(self, base: str, source: Fetch) -> None:
        self.label = shown(base)
        self.strikes = 0
        self._base = base
        self._source = source
        # The kind of name that worked last: a mirror lays all its files out in one way.
        self._likeliest = 0

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Fetch the file under the first of its names that the mirror answers to."""
        urls = urls_at(self._base, vocabulary)
        order = sorted(range(len(urls)), key=lambda index: index != self._likeliest)
        refusals: list[NotThere] = []
        for index in order:
            try:
                self._source.get(urls[index], vocabulary, staged)
            except NotThere as failure:
                refusals.append(failure)
            else:
                self._likeliest = index
                return
        # Each name was refused, and there is always one. What is said of the likeliest tells the most.
        raise refusals[0]
