"""Sources that copy files of this machine: the volume itself, the baked vocabularies, and mirrors that are directories."""

import itertools
import os
from collections.abc import Sequence

from .. import place
from ..catalogue import Vocabulary, same_bytes
from ..errors import LIMITS
from ..redact import redacted
from ..volume import search
from ..volume.identify import open_carefully
from ..volume.staging import CHUNK_SIZE, StagedFile, TooLongError
from . import Delivery, SourceError, wrong_bytes


def from_volume(directory: str, deliveries: Sequence[Delivery]) -> None:
    """Copy vocabularies that the volume itself holds under other names. For the errors, see `Source`."""
    found = search.find(directory, [delivery.vocabulary for delivery in deliveries])
    for delivery in deliveries:
        if path := found.get(delivery.vocabulary):
            with delivery.attempt(f"{os.path.relpath(path, directory)} in the volume"):
                copy(delivery.staged, path)


def from_baked(deliveries: Sequence[Delivery]) -> None:
    """Copy vocabularies that were baked into the image or the wheel. For the errors, see `Source`."""
    for delivery in deliveries:
        with delivery.attempt("baked"):
            copy(delivery.staged, _baked_path(delivery.vocabulary))


def from_directories(mirrors: Sequence[str], deliveries: Sequence[Delivery]) -> None:
    """Copy each vocabulary from the first mirror that is a directory and holds it. For the errors, see `Source`."""
    for mirror in mirrors:
        directory = directory_of(mirror)
        if directory is None:
            continue
        missing = [delivery for delivery in deliveries if not delivery.staged.is_right]
        found = search.find(directory, [delivery.vocabulary for delivery in missing])
        for delivery in missing:
            with delivery.attempt(redacted(mirror)):
                copy(delivery.staged, found.get(delivery.vocabulary) or _named(directory, delivery.vocabulary))


def directory_of(mirror: str) -> str | None:
    """Return the path of a mirror that is a directory, or None for an HTTP mirror."""
    if "://" not in mirror:
        return mirror
    # A fill from baked files has no mirror, and importing this would slow down its start.
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(mirror)
    return unquote(parts.path) if parts.scheme == "file" else None


def names_at_mirror(vocabulary: Vocabulary) -> list[str]:
    """Return the possible paths below the base of a mirror: the origin's path, the published name, the cache key."""
    names = [(each.path.lstrip("/"), each.published_name, each.cache_key) for each in same_bytes(vocabulary)]
    return list(dict.fromkeys(itertools.chain(*names)))


def copy(staged: StagedFile, path: str) -> None:
    """Copy a file into a temporary file.

    Raises:
        SourceError: the file cannot be read, or does not have the right bytes.
        VolumeError: the temporary file cannot be written.
    """
    try:
        with open_carefully(path, follow=True) as file:
            staged.restart()
            while chunk := file.read(CHUNK_SIZE):
                staged.write(chunk)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}", advice=LIMITS.get(error.errno or 0, "")) from error
    except TooLongError:
        raise SourceError(f"{path} has more than {staged.vocabulary.max_size:,} bytes") from None
    if not staged.is_right:
        raise wrong_bytes(staged)


def _baked_path(vocabulary: Vocabulary) -> str:
    """Return the path of the vocabulary, or of a file with its bytes, which was baked under another URL."""
    path = os.path.join(place.BAKED_DIR, vocabulary.cache_key)
    if os.path.lexists(path):
        return path
    if found := search.find(place.BAKED_DIR, [vocabulary]):
        return found[vocabulary]
    raise SourceError("it is not baked in")


def _named(directory: str, vocabulary: Vocabulary) -> str:
    """Return the path of a file with a name of the vocabulary. It may be a link, or hold wrong bytes."""
    if not os.path.isdir(directory):
        raise SourceError(f"there is no directory {directory}", advice=f"mount the directory at {directory}")
    for name in names_at_mirror(vocabulary):
        path = os.path.join(directory, name)
        if os.path.lexists(path):
            return path
    raise SourceError(f"{directory} holds no {vocabulary.published_name} and no {vocabulary.cache_key}")
