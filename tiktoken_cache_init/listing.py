"""The list command: the wanted encodings and their files."""

from typing import NamedTuple

from .catalogue import Vocabulary
from .settings import Settings


class Listed(NamedTuple):
    """Encoding, or the private vocabularies, with their files."""

    encoding: str
    models: tuple[str, ...]
    vocabularies: tuple[Vocabulary, ...]


def listing(settings: Settings) -> list[Listed]:
    """Return the encodings, then the private vocabularies if there are any."""
    rows = [Listed(known.name, tuple(known.models.split(", ")), known.vocabularies) for known in settings.encodings]
    return [*rows, Listed("(private)", (), settings.extra)] if settings.extra else rows
