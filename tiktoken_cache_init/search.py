"""Finding the right bytes under other names: published names, a browser's `` (1)``, a folder too deep, names swapped.

Bounded, because a volume may hold anything: only regular files whose length is a wanted vocabulary's are read, no link is
followed, and the walk ends after so many entries and levels. What a killed run has left counts too: when it was putting
swapped names right, its temporary file may be the last copy.
"""

from __future__ import annotations

import itertools
import os
import stat

from . import catalogue
from .catalogue import Vocabulary
from .content import holds_under

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_ENTRIES = 20_000
_MOST_LEVELS = 4


def find(folder: str, wanted: Iterable[Vocabulary], levels: int = _MOST_LEVELS) -> dict[Vocabulary, str]:
    """Return, for each wanted vocabulary that is somewhere below the folder, the path of a file with its bytes.

    What cannot be read is passed over: this is a search for luck, and the sources come after it.
    """
    missing = {vocabulary for vocabulary in wanted if vocabulary.size is not None}
    found: dict[Vocabulary, str] = {}
    if not missing:
        return found
    for path, size in itertools.chain(_likely_files(folder), _files(folder, levels)):
        for vocabulary in [candidate for candidate in missing if candidate.size == size]:
            if _file_holds(path, vocabulary):
                found[vocabulary] = path
                missing.discard(vocabulary)
        if not missing:
            break
    return found


def _file_holds(path: str, vocabulary: Vocabulary) -> bool:
    try:
        return holds_under(path, vocabulary)
    except OSError:
        return False


def _likely_files(folder: str) -> Iterator[tuple[str, int]]:
    """Yield the names that mistakes leave, so that no crowd of other files can hide them from the bounded walk."""
    for vocabulary in catalogue.VOCABULARIES:
        for name in (vocabulary.cache_key, vocabulary.published_name):
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size


def _files(folder: str, levels: int) -> Iterator[tuple[str, int]]:
    """Yield (path, length) of the regular files below the folder, nearest levels first."""
    level = [folder]
    entries = 0
    for _ in range(levels):
        deeper: list[str] = []
        for place in level:
            try:
                # Listed at once, so that files made meanwhile cannot prolong the walk.
                with os.scandir(place) as scan:
                    listing = sorted(scan, key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in listing:
                entries += 1
                if entries > _MOST_ENTRIES:
                    return
                try:
                    if entry.is_dir(follow_symlinks=False):
                        deeper.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        yield entry.path, entry.stat(follow_symlinks=False).st_size
                except OSError:
                    continue
        level = deeper
