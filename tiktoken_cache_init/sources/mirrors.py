"""What may stand in for the origin, and under which names a vocabulary may lie there.

A mirror has the origin's paths (``BASE/encodings/cl100k_base.tiktoken``), or is flat, with published names or cache keys
right under its base. The digest decides what is right, so a mirror need not be trusted, nor reached by TLS.
"""

from __future__ import annotations

import os

from ..catalogue import Vocabulary
from ..redaction import shown
from ..staging import StagedFile
from . import RouteFailed
from .local import LocalFile


def names_below(vocabulary: Vocabulary) -> list[str]:
    """Return the paths below a mirror's base under which the vocabulary may lie, the likeliest first."""
    return list(dict.fromkeys((vocabulary.path.lstrip("/"), vocabulary.published_name, vocabulary.cache_key)))


def urls_at(base: str, vocabulary: Vocabulary) -> list[str]:
    """Return the URLs under which the vocabulary may lie at a mirror. A query in the base stays at the end."""
    head, question, query = base.partition("?")
    return [f"{head.rstrip('/')}/{name}{question}{query}" for name in names_below(vocabulary)]


def folder_of(mirror: str) -> str | None:
    """Return the folder that a mirror is, or None if it is reached by HTTP."""
    if "://" not in mirror:
        return mirror
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(mirror)
    return unquote(parts.path) if parts.scheme.lower() == "file" else None


class FolderMirror:
    """A route to a folder: a USB stick, a network share, a folder handed in."""

    def __init__(self, mirror: str, folder: str) -> None:
        self.label = shown(mirror)
        self.strikes = 0
        self._folder = folder

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Copy the file from where mirrors have it; failing that, from wherever below the folder its bytes are."""
        if not os.path.isdir(self._folder):
            raise RouteFailed(f"there is no folder {self._folder}", advice=f"mount the folder at {self._folder}")
        failures: list[RouteFailed] = []
        seen = False
        for name in names_below(vocabulary):
            path = os.path.join(self._folder, name)
            if os.path.lexists(path):
                try:
                    LocalFile(self.label, path, f"{path} is a link that leads nowhere").deliver(vocabulary, staged)
                    seen = True
                except RouteFailed as failure:
                    failures.append(failure)
                    continue
                if staged.is_right():
                    return
        from .. import search

        found = search.find(self._folder, [vocabulary]).get(vocabulary)
        if found:
            LocalFile(self.label, found, "it went away").deliver(vocabulary, staged)
        elif failures:
            raise failures[0]
        elif not seen:
            raise RouteFailed(f"{self._folder} holds no {vocabulary.published_name} and no {vocabulary.cache_key}")
