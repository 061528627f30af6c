"""Files of this machine, as routes: what is baked in, a folder that stands in for the origin, the volume itself."""

from __future__ import annotations

import os
import stat

from ..catalogue import Vocabulary
from ..staging import StagedFile, TooLong
from . import RouteFailed, too_long


class LocalFile:
    """A route to one file on this machine."""

    def __init__(self, label: str, path: str, absent: str) -> None:
        self.label = label
        self.strikes = 0
        self._path = path
        self._absent = absent

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Copy the file."""
        try:
            # Non-blocking, so that a FIFO in a folder that somebody handed in cannot hang the run.
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise RouteFailed(f"{self._path} is not a regular file")
                # Not before: what another route has brought is not thrown away for a file that is not there.
                staged.restart()
                staged.copy(fd)
            finally:
                os.close(fd)
        except (FileNotFoundError, NotADirectoryError):
            raise RouteFailed(self._absent) from None
        except OSError as error:
            raise RouteFailed(f"cannot read {self._path}: {error.strerror}") from error
        except TooLong:
            raise too_long(vocabulary) from None
