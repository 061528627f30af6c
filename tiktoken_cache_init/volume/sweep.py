"""Removal of the temporary files of killed runs."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterable

from ..catalogue import VOCABULARIES, Vocabulary
from .identify import holds, is_copy, open_carefully
from .staging import PREFIX

_STALE_AFTER = 3600.0
"""Seconds after which a temporary file counts as abandoned, if the file system has no locks."""


def sweep(directory: str, wanted: Iterable[Vocabulary]) -> None:
    """Remove the temporary files of killed runs, except one copy of each vocabulary that has no final name.

    Best effort: a file that cannot be removed is left for the next run.

    Args:
        directory: the directory.
        wanted: vocabularies that this run wants. Those of the catalogue are spared too: another run may want them.
    """
    missing = {*VOCABULARIES, *wanted}
    with contextlib.suppress(OSError):
        # In the same order in every run, so that two runs do not spare different copies.
        for name in sorted(os.listdir(directory)):
            if name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    missing -= _remove_if_dead(directory, name, missing)


def _remove_if_dead(directory: str, name: str, missing: set[Vocabulary]) -> set[Vocabulary]:
    """Remove a temporary file if its run has ended. If it holds missing vocabularies, return these instead."""
    path = os.path.join(directory, name)
    # NFS needs a file that is open for writing.
    with open_carefully(path, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK or time.time() - os.fstat(file.fileno()).st_mtime < _STALE_AFTER:
                return set()
        held = {each for each in missing if holds(file, each) and not _has_final_name(directory, each)}
        if not held:
            os.unlink(path)
        return held


def _has_final_name(directory: str, vocabulary: Vocabulary) -> bool:
    """Return whether the directory holds a vocabulary under its cache key or its published name."""
    names = (vocabulary.cache_key, vocabulary.published_name)
    return any(is_copy(os.path.join(directory, name), vocabulary) for name in names)
