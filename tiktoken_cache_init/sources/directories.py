"""Mirrors that are directories. They come before other mirrors, because they need no HTTP client."""

import itertools
import os
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, urlsplit

from .. import catalogue
from ..catalogue import Vocabulary
from ..redact import redacted
from ..volume import search
from . import Delivery, SourceError
from .baked import copy


class Directories:
    """Mirrors that are local directories: paths, or ``file://`` URLs."""

    def __init__(self, mirrors: Sequence[str]) -> None:
        self._directories = [(mirror, path) for mirror in mirrors if (path := directory_of(mirror)) is not None]

    def supply(self, deliveries: Sequence[Delivery]) -> None:
        """Copy each vocabulary from the first directory that holds it. For the errors, see `Source.supply`."""
        for mirror, directory in self._directories:
            for delivery in deliveries:
                if not delivery.complete:
                    with delivery.attempt(redacted(mirror)):
                        _copy_from(directory, delivery)


def directory_of(mirror: str) -> str | None:
    """Return the path of a mirror that is a directory, or None for an HTTP mirror."""
    if "://" not in mirror:
        return mirror
    parts = urlsplit(mirror)
    return unquote(parts.path) if parts.scheme.lower() == "file" else None


def names_at_mirror(vocabulary: Vocabulary) -> list[str]:
    """Return the possible paths below the base of a mirror: the origin's path, the published name, the cache key."""
    names = [(each.path.lstrip("/"), each.published_name, each.cache_key) for each in catalogue.same_bytes(vocabulary)]
    return list(dict.fromkeys(itertools.chain(*names)))


def _copy_from(directory: str, delivery: Delivery) -> None:
    vocabulary = delivery.vocabulary
    if not os.path.isdir(directory):
        raise SourceError(f"there is no directory {directory}", advice=f"mount the directory at {directory}")
    failure = SourceError(f"{directory} holds no {vocabulary.published_name} and no {vocabulary.cache_key}")
    for path in _candidates(directory, vocabulary):
        try:
            copy(delivery.staged, path, f"{path} is a link to a file that does not exist")
        except SourceError as error:
            failure = error
        else:
            return
    raise failure


def _candidates(directory: str, vocabulary: Vocabulary) -> Iterator[str]:
    for name in names_at_mirror(vocabulary):
        path = os.path.join(directory, name)
        if os.path.lexists(path):
            yield path
    yield from search.find(directory, [vocabulary]).values()
