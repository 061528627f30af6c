"""Search for the right bytes under other names: published names, a browser's ``(1)``, a subdirectory, swapped names.

Best effort: unreadable files are skipped, links are not followed, and only files of the right length are read. The
number of entries and of levels is limited. Temporary files of killed runs are included, because one of them may hold
the only copy of a vocabulary.
"""

import itertools
import os
import stat
from collections.abc import Iterable, Iterator

from ..catalogue import VOCABULARIES, Vocabulary
from .inspect import holds

_MAX_ENTRIES = 20_000
_MAX_LEVELS = 4


def find(directory: str, wanted: Iterable[Vocabulary], levels: int = _MAX_LEVELS) -> dict[Vocabulary, str]:
    """Return vocabulary -> path of a file with its bytes, for each wanted one that is in the directory or below it."""
    missing = {vocabulary for vocabulary in wanted if vocabulary.size is not None}
    found: dict[Vocabulary, str] = {}
    if missing:
        for path in itertools.chain(_likely_files(directory), _files(directory, levels)):
            for vocabulary in _held(path, missing):
                found[vocabulary] = path
                missing.discard(vocabulary)
            if not missing:
                break
    return found


def _held(path: str, wanted: set[Vocabulary]) -> list[Vocabulary]:
    try:
        status = os.lstat(path)
        candidates = [vocabulary for vocabulary in wanted if vocabulary.size == status.st_size]
        if not candidates or not stat.S_ISREG(status.st_mode):
            return []
        with open(path, "rb", buffering=0) as file:
            return [vocabulary for vocabulary in candidates if holds(file, vocabulary)]
    except OSError:
        return []


def _likely_files(directory: str) -> Iterator[str]:
    """Yield the most likely paths. They come first, so that the limit of entries does not exclude them."""
    for vocabulary in VOCABULARIES:
        for name in (vocabulary.cache_key, vocabulary.published_name):
            yield os.path.join(directory, name)


def _files(directory: str, levels: int) -> Iterator[str]:
    top = directory.rstrip("/").count("/")
    left = _MAX_ENTRIES
    for place, directories, names in os.walk(directory):
        yield from (os.path.join(place, name) for name in sorted(names)[:left])
        left -= len(names) + len(directories)
        if left <= 0:
            return
        if place.rstrip("/").count("/") - top >= levels - 1:
            directories.clear()
