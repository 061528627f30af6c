"""The baked vocabularies: local files under their cache keys."""

import contextlib
import os
import stat
from collections.abc import Sequence

from .. import place
from ..catalogue import Vocabulary
from ..errors import LIMITS
from ..volume.identify import is_copy
from ..volume.staging import StagedFile, TooLongError
from . import Delivery, SourceError, wrong_bytes


class Baked:
    """Directory with vocabularies that were put there when the image or the wheel was built."""

    def supply(self, deliveries: Sequence[Delivery]) -> None:
        """Copy the baked vocabularies. For the errors, see `Source.supply`."""
        for delivery in deliveries:
            with delivery.attempt("baked"):
                copy(delivery.staged, _path(delivery.vocabulary), "it is not baked in")


def _path(vocabulary: Vocabulary) -> str:
    """Return the path of the vocabulary, or of a file with its bytes, which was baked under another URL."""
    path = os.path.join(place.BAKED_DIR, vocabulary.cache_key)
    with contextlib.suppress(OSError):
        for entry in () if os.path.lexists(path) else os.scandir(place.BAKED_DIR):
            if is_copy(entry.path, vocabulary, follow=True):
                return entry.path
    return path


def copy(staged: StagedFile, path: str, absent: str) -> None:
    """Copy a file into a temporary file.

    Args:
        staged: the temporary file.
        path: the file to copy.
        absent: reason of the failure, if the file does not exist.

    Raises:
        SourceError: the file cannot be read, or does not have the right bytes.
        VolumeError: the temporary file cannot be written.
    """
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
        raise SourceError(f"cannot read {path}: {error.strerror}", advice=LIMITS.get(error.errno or 0, "")) from error
    except TooLongError:
        raise SourceError(f"{path} has more than {staged.vocabulary.max_size:,} bytes") from None
    if not staged.is_right:
        raise wrong_bytes(staged)
