"""Copies of local files: the baked vocabularies, and mirrors that are directories."""

import os
import stat
from collections.abc import Iterator, Sequence

from ..catalogue import Vocabulary
from ..settings import Settings
from ..volume import search
from ..volume.staging import TooLongError
from . import Delivery, SourceError, Watch, wrong_bytes


def supply(deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:  # noqa: ARG001
    """Copy the baked vocabularies. For the arguments, see `sources.supply`."""
    for delivery in deliveries:
        path = os.path.join(settings.baked_dir, delivery.vocabulary.cache_key)
        copy(delivery, path, "baked", f"{settings.baked_dir} does not hold it")


def copy(delivery: Delivery, path: str, label: str, absent: str) -> None:
    """Copy a file into a delivery, or record the failure.

    Args:
        delivery: the delivery to fill.
        path: the file to copy.
        label: name of the place for the report.
        absent: reason of the failure, if the file does not exist.

    Raises:
        VolumeError: the temporary file cannot be written.
    """
    delivery.label = label
    try:
        _copy(delivery, path, absent)
    except SourceError as error:
        delivery.record_failure(error)


def copy_from_directory(delivery: Delivery, mirror: str, directory: str) -> None:
    """Copy a vocabulary from a directory: from the paths that mirrors use, or from any file with its bytes.

    Raises:
        VolumeError: the temporary file cannot be written.
    """
    delivery.label = mirror
    vocabulary = delivery.vocabulary
    if not os.path.isdir(directory):
        advice = f"mount the directory at {directory}"
        delivery.record_failure(SourceError(f"there is no directory {directory}", advice=advice))
        return
    failure = SourceError(f"{directory} holds no {vocabulary.published_name} and no {vocabulary.cache_key}")
    for path in _candidates(directory, vocabulary):
        try:
            _copy(delivery, path, f"{path} is a link to a file that does not exist")
        except SourceError as error:
            failure = error
        else:
            return
    delivery.record_failure(failure)


def _candidates(directory: str, vocabulary: Vocabulary) -> Iterator[str]:
    for name in names_at_mirror(vocabulary):
        path = os.path.join(directory, name)
        if os.path.lexists(path):
            yield path
    yield from search.find(directory, [vocabulary]).values()


def names_at_mirror(vocabulary: Vocabulary) -> list[str]:
    """Return the possible paths below the base of a mirror: the origin's path, the published name, the cache key."""
    return list(dict.fromkeys((vocabulary.path.lstrip("/"), vocabulary.published_name, vocabulary.cache_key)))


def _copy(delivery: Delivery, path: str, absent: str) -> None:
    staged = delivery.staged
    try:
        # The file is opened without blocking, because it may be a FIFO.
        with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceError(f"{path} is not a regular file")
            staged.restart()
            staged.copy(file)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(absent) from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except TooLongError:
        raise SourceError(f"{path} has more than {staged.vocabulary.max_size:,} bytes") from None
    if not staged.is_right:
        raise wrong_bytes(staged)
