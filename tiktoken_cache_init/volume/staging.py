"""Atomic install: a file gets its final name only when it is complete, checked and synced.

The order: make a temporary file in the directory, write, check the digest, set mode and owner, fsync, rename. Then the
caller syncs the directory. Only this module renames a file to its final name.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat

from ..catalogue import Vocabulary
from ..errors import NOT_SUPPORTED, ModesError, OwnerError, storage_errors
from .identify import Identity, identify

PREFIX = ".tiktoken-cache-init-"
"""Prefix of the names of temporary files."""

CHUNK_SIZE = 1 << 20
"""Bytes to read at once."""


class TooLongError(Exception):
    """More bytes arrived than the vocabulary can have."""


class StagedFile:
    """Temporary file in the directory that receives a vocabulary. Its lock shows that the writer is running.

    Every method raises `VolumeError` if the storage fails, or does not keep the mode.
    """

    def __init__(self, directory: str, vocabulary: Vocabulary, needed: int) -> None:
        self.vocabulary = vocabulary
        self.position = 0
        """Number of bytes written so far."""
        self.path = os.path.join(directory, f"{PREFIX}{os.urandom(8).hex()}")
        self.kept = False
        """Whether `discard` leaves the file for the next run, which finds it by its digest."""
        self._directory = directory
        self._needed = needed
        self._fd = -1
        self._digest = hashlib.sha256()

    def create(self, mode: int) -> None:
        """Make the temporary file, with its final mode: some storage refuses to change modes, also to root."""
        with storage_errors("write in", self._directory, self._needed):
            # Another run's sweep may remove the file before it is locked.
            while not os.path.lexists(self.path):
                self._close()
                umask = os.umask(0)
                try:
                    self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o600)
                finally:
                    os.umask(umask)
                # Some network file systems have no locks. There, `sweep` checks the age of the file.
                with contextlib.suppress(OSError):
                    fcntl.flock(self._fd, fcntl.LOCK_EX)

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            TooLongError: the vocabulary cannot be that long; nothing is written.
        """
        if self.position + len(data) > self.vocabulary.max_size:
            raise TooLongError
        view = memoryview(data)
        with storage_errors("write in", self._directory, self._needed):
            while view:
                count = os.write(self._fd, view)
                # In this order, a signal between the two lines leaves a wrong digest, so the file is not installed.
                self.position += count
                self._digest.update(view[:count])
                view = view[count:]

    def copy_from(self, other: "StagedFile") -> None:
        """Append the bytes of another temporary file."""
        with storage_errors("read", other.path):
            while chunk := os.pread(other._fd, CHUNK_SIZE, self.position):
                self.write(chunk)

    def restart(self) -> None:
        """Discard the bytes written so far."""
        with storage_errors("write in", self._directory):
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self.position = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes written so far, in hex."""
        return self._digest.hexdigest()

    @property
    def is_right(self) -> bool:
        """Whether the bytes written so far are the whole vocabulary."""
        return self.digest == self.vocabulary.sha256 and self.vocabulary.size in (None, self.position)

    def identity(self) -> Identity:
        """Identify the bytes written so far, if they are wrong."""
        with storage_errors("read", self.path), open(self._fd, "rb", buffering=0, closefd=False) as file:
            return identify(file, self.vocabulary)

    def head(self) -> bytes:
        """Return the first bytes that were written."""
        with storage_errors("read", self.path):
            return os.pread(self._fd, CHUNK_SIZE, 0)

    def finish(self, mode: int, owner: tuple[int, int] | None) -> None:
        """Set mode and owner, and sync the file. After this, only the rename is left to do."""
        if not self.is_right:
            raise AssertionError("only a file with the right digest may be installed")
        with storage_errors("write in", self._directory, self._needed):
            self._set_mode(mode)
            if owner:
                try:
                    os.fchown(self._fd, *owner)
                except OSError as error:
                    raise OwnerError(owner, error) from error
            _fsync(self._fd)

    def install(self, path: str) -> None:
        """Rename the file to its final path. An empty directory with this path is removed.

        Docker makes such a directory for the bind mount of a file that does not exist. If the rename fails, the old file is
        unchanged.
        """
        with storage_errors("install", path, self._needed):
            try:
                os.rename(self.path, path)
            except IsADirectoryError:
                # Another run may remove it, or install a file.
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.rmdir(path)
                os.rename(self.path, path)

    def discard(self) -> None:
        """Close the temporary file, and remove it unless it is kept."""
        # Close it first: network file systems rename an open file instead of removing it.
        self._close()
        if not self.kept:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(fd)

    def _set_mode(self, mode: int) -> None:
        # SMB and vfat have one mode for all files, and refuse or ignore the call. So check the resulting mode.
        refused = None
        try:
            os.fchmod(self._fd, mode)
        except OSError as error:
            refused = error
        found = stat.S_IMODE(os.fstat(self._fd).st_mode)
        if mode & ~found:
            if refused and refused.errno not in (errno.EPERM, *NOT_SUPPORTED):
                raise refused
            raise ModesError(self._directory, found, mode)


def repair_permissions(path: str, mode: int, owner: tuple[int, int] | None) -> None:
    """Add the missing permission bits of a file and set its owner. Best effort: the kernel may refuse it."""
    with contextlib.suppress(OSError):
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | mode)
        if owner:
            os.chown(path, *owner)


def sync(directory: str) -> None:
    """Sync the directory, so that the renames survive a power failure.

    Raises:
        VolumeError: the storage fails.
    """
    with storage_errors("sync", directory):
        fd = os.open(directory, os.O_RDONLY)
        try:
            _fsync(fd)
        finally:
            os.close(fd)


def _fsync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
