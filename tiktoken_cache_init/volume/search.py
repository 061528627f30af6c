"""Search for the right bytes under other names: published names, a browser's ``(1)``, a subdirectory, swapped names.

Best effort: unreadable files are skipped, links are not followed, and the number of entries and of levels is limited.
Only files of the right length are read; if the length is not known, only files with the name of a vocabulary. Temporary
files of killed runs are included, because one of them may hold the only copy of a vocabulary.
"""

import itertools
import os
from collections.abc import Iterable, Iterator

from ..catalogue import VOCABULARIES, Vocabulary
from .identify import is_copy
from .staging import PREFIX

_MAX_ENTRIES = 20_000
_MAX_LEVELS = 4


def find(directory: str, wanted: Iterable[Vocabulary], levels: int = _MAX_LEVELS) -> dict[Vocabulary, str]:
    """Return vocabulary -> path of a file with its bytes, for each wanted one that is in the directory or below it."""
    missing = set(wanted)
    found: dict[Vocabulary, str] = {}
    names = dict.fromkeys(name for each in (*VOCABULARIES, *missing) for name in (each.cache_key, each.published_name))
    # The most likely paths come first, so that the limit of entries does not exclude them.
    likely = (os.path.join(directory, name) for name in names)
    for path in itertools.chain(likely, _files(directory, levels)):
        if not missing:
            break
        name = os.path.basename(path)
        for vocabulary in _held(path, missing, named=name in names or name.startswith(PREFIX)):
            found[vocabulary] = path
            missing.discard(vocabulary)
    return found


def _held(path: str, wanted: set[Vocabulary], *, named: bool) -> list[Vocabulary]:
    """Return which vocabularies a file holds. If it is not named like one, those of unknown size are not looked for."""
    try:
        size = os.lstat(path).st_size
    except OSError:
        return []
    return [each for each in wanted if (each.size == size or (each.size is None and named)) and is_copy(path, each)]


def _files(directory: str, levels: int) -> Iterator[str]:
    top = directory.rstrip("/").count("/")
    left = _MAX_ENTRIES
    for parent, directories, names in os.walk(directory):
        yield from (os.path.join(parent, name) for name in sorted(names)[:left])
        left -= len(names) + len(directories)
        if left <= 0:
            return
        if parent.rstrip("/").count("/") - top >= levels - 1:
            directories.clear()
