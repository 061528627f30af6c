"""Search for the right bytes under other names: published names, a browser's ``(1)``, a subdirectory, swapped names.

Best effort: unreadable files are skipped, links are not followed, and only files of the right length, or with the right
name if the length is not known, are read. The
number of entries and of levels is limited. Temporary files of killed runs are included, because one of them may hold
the only copy of a vocabulary.
"""

import itertools
import os
import stat
from collections.abc import Iterable, Iterator

from ..catalogue import VOCABULARIES, Vocabulary
from .inspect import holds
from .staging import PREFIX

_MAX_ENTRIES = 20_000
_MAX_LEVELS = 4


def find(directory: str, wanted: Iterable[Vocabulary], levels: int = _MAX_LEVELS) -> dict[Vocabulary, str]:
    """Return vocabulary -> path of a file with its bytes, for each wanted one that is in the directory or below it."""
    missing = set(wanted)
    found: dict[Vocabulary, str] = {}
    if missing:
        for path in itertools.chain(_likely_files(directory, missing), _files(directory, levels)):
            for vocabulary in _held(path, missing):
                found[vocabulary] = path
                missing.discard(vocabulary)
            if not missing:
                break
    return found


def _held(path: str, wanted: set[Vocabulary]) -> list[Vocabulary]:
    try:
        status = os.lstat(path)
        candidates = [vocabulary for vocabulary in wanted if _may_hold(path, status.st_size, vocabulary)]
        if not candidates or not stat.S_ISREG(status.st_mode):
            return []
        with open(path, "rb", buffering=0) as file:
            return [vocabulary for vocabulary in candidates if holds(file, vocabulary)]
    except OSError:
        return []


def _may_hold(path: str, size: int, vocabulary: Vocabulary) -> bool:
    if vocabulary.size is not None:
        return size == vocabulary.size
    # If the size is not known, only the name tells whether the file is worth reading.
    name = os.path.basename(path)
    return name in (vocabulary.cache_key, vocabulary.published_name) or name.startswith(PREFIX)


def _likely_files(directory: str, wanted: Iterable[Vocabulary]) -> Iterator[str]:
    """Yield the most likely paths. They come first, so that the limit of entries does not exclude them."""
    for vocabulary in dict.fromkeys((*VOCABULARIES, *wanted)):
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
