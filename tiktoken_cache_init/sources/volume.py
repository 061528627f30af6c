"""The volume itself as a source: it may hold the right bytes under another name."""

import os
from collections.abc import Sequence

from ..volume import search
from . import Delivery
from .baked import copy


class Volume:
    """Files in the directory, or below it, under other names."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def supply(self, deliveries: Sequence[Delivery]) -> None:
        """Copy the vocabularies that the directory holds. For the errors, see `Source.supply`."""
        found = search.find(self._directory, [delivery.vocabulary for delivery in deliveries])
        for delivery in deliveries:
            if path := found.get(delivery.vocabulary):
                with delivery.attempt(f"{os.path.relpath(path, self._directory)} in the volume"):
                    copy(delivery.staged, path, "it was removed")
