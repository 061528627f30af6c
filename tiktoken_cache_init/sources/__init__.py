"""Where bytes come from.

A source offers routes; a route is one place that may hold a vocabulary, and one way to get it from there. It writes what
it gets into a `StagedFile` and is never trusted: the digest decides. To add a source, add its name to
`tiktoken_cache_init.settings.SOURCES`, a module here with a class that has a `routes` method, and its line in `_source`.
"""

from __future__ import annotations

from ..errors import BadSetting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..catalogue import Vocabulary
    from ..run import Run
    from ..settings import Settings
    from ..staging import StagedFile
else:
    Protocol = object


class RouteFailed(Exception):
    """A delivery did not work; the text says why, in a few words, without naming the route."""

    def __init__(self, reason: str, *, passing: bool = False, wait: float | None = None, advice: str = "") -> None:
        super().__init__(reason)
        self.passing = passing
        """Whether trying again later can help."""
        self.wait = wait
        """Seconds that the other side asked to be left alone, or None."""
        self.advice = advice
        """What the operator can do about this very failure, or empty."""


def too_long(vocabulary: Vocabulary) -> NotThere:
    """Return the failure of a place that has more bytes than the vocabulary can have."""
    private = vocabulary.size is None
    advice = "if it really is that long, raise TIKTOKEN_INIT_EXTRA_LIMIT (--extra-limit)" if private else ""
    return NotThere(f"has more than the {vocabulary.limit:,} bytes that it can have", advice=advice)


class NotThere(RouteFailed):
    """A server answered, and what it has under this name is not the file: another name may be better."""


class Route(Protocol):
    """One place to get a vocabulary from."""

    label: str
    """What the report calls it; safe to print."""
    strikes: int
    """Failures here so far, over all files: a route that failed for one file is not the first choice for the next."""

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Append the bytes that are still missing from ``staged``, or start it again.

        Returning promises nothing about the bytes. What was written before a failure may stay: the next delivery goes on
        from there.

        Raises:
            RouteFailed: this place cannot supply it, now or at all.
            VolumeError: the staged file cannot be written.
        """


class Source(Protocol):
    """Knows the routes to a vocabulary."""

    def routes(self, vocabulary: Vocabulary) -> list[Route]:
        """Return the routes to try, in order."""


def sources_of(settings: Settings, run: Run) -> list[Source]:
    """Return the sources that the settings name, in order. Modules are loaded only for those.

    Raises:
        BadSetting: an image was built without the source, as the offline one is without `fetch`.
    """
    return [_source(name, settings, run) for name in settings.sources]


def _source(name: str, settings: Settings, run: Run) -> Source:
    try:
        if name == "baked":
            from .baked import Baked

            return Baked(settings.baked_dir)
        if name == "fetch":
            from .fetch import Fetch

            return Fetch(settings, run)
        from .wheel import Wheel

        return Wheel(settings, run)
    except ImportError as error:
        raise BadSetting(
            f"the source '{name}' is not part of this image or installation (no {error.name}): "
            "leave it out of TIKTOKEN_INIT_SOURCES, or use the default image"
        ) from error
