"""The vocabularies that came with the image, under their cache keys in one folder."""

from __future__ import annotations

import os

from ..catalogue import Vocabulary
from . import Route
from .local import LocalFile


class Baked:
    """The source `baked`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def routes(self, vocabulary: Vocabulary) -> list[Route]:
        """Return the one file that can be it."""
        path = os.path.join(self._folder, vocabulary.cache_key)
        return [LocalFile("baked", path, f"{self._folder} does not hold it")]
