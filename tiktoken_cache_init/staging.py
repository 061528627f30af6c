"""Atomic install: bytes become a file under its final name whole, checked and synced, or not at all.

The order is: exclusive creation in the same folder, write, check of what was written, mode and owner, fsync, rename,
fsync of the folder. Nothing else in this program gives bytes a final name, but for `reuse.keep_what_is_anothers`, which gives
a file that is whole and right the name that it belongs under.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import threading

from .access import lift_acl
from .catalogue import Vocabulary
from .content import CHUNK, MOST_DIAGNOSED
from .errors import VolumeError
from .explanations import explain, explain_owner
from .leftovers import LAST_COPY, temporary_name
from .light import suppress
from .run import Closed, Run
from .settings import Settings
from .volume import Volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .findings import Target

_MOST_RENAMES = 1000

# File systems that offer no such call at all, as opposed to a disk that fails.
_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


class TooLong(Exception):
    """More bytes came than the vocabulary can have."""


class Stage:
    """Where one run's unfinished files live: in the volume itself, since a rename cannot cross file systems."""

    def __init__(self, volume: Volume, settings: Settings, run: Run) -> None:
        self.volume = volume
        self.mode = settings.mode
        self.owner = settings.owner
        self.run = run
        self.needed = 0
        """Bytes that this run is about to write, for the message when the disk is full."""
        self.lock = threading.Lock()
        self._open: set[StagedFile] = set()
        run.at_end(self.discard_all)

    def new(self, vocabulary: Vocabulary) -> StagedFile:
        """Begin a file.

        Raises:
            VolumeError: the volume does not take it.
            Closed: the run is ending.
        """
        staged = StagedFile(self, vocabulary)
        with self.lock:
            # Under the lock, so that the run cannot end between the making of the file and the note of it.
            if self.run.closed:
                raise Closed
            staged.create(temporary_name())
            self.remember(staged)
        return staged

    def link(self, target: Target) -> bool:
        """Put a link to the name that holds the same bytes in place, and say whether the volume can hold links.

        Raises:
            VolumeError: the volume takes it no more than a file.
            Closed: the run is ending.
        """
        folder, name = self.volume.fd, temporary_name()
        try:
            for _ in range(_MOST_RENAMES):
                with self.lock:
                    if self.run.closed:
                        raise Closed
                    try:
                        os.symlink(target.beside, name, dir_fd=folder)
                    except OSError as error:
                        # What vfat, SMB and the like say.
                        if error.errno in (errno.EPERM, *_NOT_OFFERED):
                            return False
                        raise
                    try:
                        os.rename(name, target.name, src_dir_fd=folder, dst_dir_fd=folder)
                        return True
                    except IsADirectoryError:
                        os.unlink(name, dir_fd=folder)
                        move_aside(folder, target.name)
                    except FileNotFoundError:
                        continue  # swept by another run: a link has no lock to show that its maker lives
                    except OSError:
                        os.unlink(name, dir_fd=folder)
                        raise
        except OSError as error:
            raise VolumeError(explain(error, "install", os.path.join(self.volume.path, target.name))) from error
        return False

    def remember(self, staged: StagedFile) -> None:
        """Take note that the file must be removed if the run ends before it is installed."""
        self._open.add(staged)

    def forget(self, staged: StagedFile) -> None:
        """Take note that the file is no longer there to be removed."""
        self._open.discard(staged)

    def discard_all(self) -> None:
        """Remove every unfinished file, but for last copies. Their descriptors stay open, because a worker may still be writing to one."""
        with self.lock:
            for staged in self._open:
                if not staged.last_copy:
                    staged.unlink()
            self._open.clear()

    def sync(self) -> None:
        """Make the renames last through a power failure."""
        try:
            os.fsync(self.volume.fd)
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise VolumeError(explain(error, "sync", self.volume.path)) from error


class StagedFile:
    """A file on its way into the volume, under a temporary name."""

    def __init__(self, stage: Stage, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.position = 0
        """Bytes written so far."""
        self.restarts = 0
        """How often what was written has been thrown away, or would have been had there been anything."""
        self.last_copy = False
        """Whether these bytes are about to be nowhere else, because the name that held them is being put right: then they
        are left where the next run finds them, if they cannot be installed."""
        self.installed = False
        """Whether it is in place under its final name."""
        self._stage = stage
        self._fd = -1
        self._name = ""
        self._digest = hashlib.sha256()

    def create(self, name: str) -> None:
        """Make the file, which must not exist yet, and hold a lock on it for as long as this process lives."""
        volume = self._stage.volume
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(name, flags, 0o600, dir_fd=volume.fd)
        except OSError as error:
            raise VolumeError(explain(error, "write in", volume.path, needed=self._stage.needed)) from error
        self._name = name
        # Without working locks (some network file systems) a sweeper goes by age instead.
        with suppress(OSError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Raises:
            TooLong: the vocabulary cannot be that long; nothing is written.
            VolumeError: the volume does not take them.
        """
        if self.position + len(data) > self.vocabulary.limit:
            raise TooLong
        view = memoryview(data)
        try:
            while view:
                count = os.write(self._fd, view)
                self._digest.update(view[:count])
                self.position += count
                view = view[count:]
        except OSError as error:
            raise VolumeError(explain(error, "write in", self._stage.volume.path, needed=self._stage.needed)) from error

    def copy(self, source: int) -> None:
        """Append all that can be read from a file descriptor. Raises as `write` does, and OSError if reading fails."""
        buffer = bytearray(CHUNK)
        view = memoryview(buffer)
        while count := os.readv(source, [view]):
            self.write(view[:count])

    def restart(self) -> None:
        """Throw away what was written so far.

        Raises:
            VolumeError: the volume fails.
        """
        self.restarts += 1
        if not self.position:
            return
        try:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        except OSError as error:
            raise VolumeError(explain(error, "write in", self._stage.volume.path)) from error
        self._digest = hashlib.sha256()
        self.position = 0

    def digest(self) -> str:
        """Return the SHA-256 of the bytes written so far, in hex."""
        return self._digest.hexdigest()

    def is_right(self) -> bool:
        """Whether the bytes written are the vocabulary's."""
        return self.digest() == self.vocabulary.sha256

    def beginning(self) -> bytes:
        """Return the bytes written so far, or as many of them as are needed to say what they are when they are wrong."""
        return os.pread(self._fd, MOST_DIAGNOSED, 0)

    def install(self, target: Target) -> None:
        """Put the file in place under its final name.

        Raises:
            VolumeError: the volume does not take it; what was there before is untouched.
            Closed: the run is ending.
        """
        if not self.is_right():
            raise AssertionError("a file that was not checked must never be installed")
        try:
            self._finish()
            self._rename(target.name, self._let_go)
        except OSError as error:
            path = os.path.join(self._stage.volume.path, target.name)
            raise VolumeError(explain(error, "install", path, needed=self._stage.needed)) from error

    def outlive(self) -> None:
        """Have the file stay, however this run ends, until its vocabulary is in place: its bytes will be nowhere else.

        Raises:
            VolumeError: the volume does not take it.
            Closed: the run is ending.
        """
        name = f"{self._name}{LAST_COPY}"

        def note() -> None:
            self._name, self.last_copy = name, True

        try:
            self._sync()
            self._rename(name, note)
        except OSError as error:
            raise VolumeError(explain(error, "write in", self._stage.volume.path)) from error

    def _finish(self) -> None:
        if os.fstat(self._fd).st_size != self.position:
            raise OSError(errno.EIO, "the file has not the length that was written")
        self._give_owner_and_mode()
        self._sync()

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise

    def _give_owner_and_mode(self) -> None:
        owner, mode = self._stage.owner, self._stage.mode
        refused: OSError | None = None
        try:
            os.fchmod(self._fd, mode)
        except OSError as error:
            refused = error
        # Some file systems (vfat, SMB) have one mode for all their files, and say so or not: what they have decides.
        if mode & ~stat.S_IMODE(os.fstat(self._fd).st_mode):
            if refused and refused.errno not in (errno.EPERM, *_NOT_OFFERED):
                raise refused
            kept = stat.S_IMODE(os.fstat(self._fd).st_mode)
            raise VolumeError(
                f"cannot give files the mode {mode:04o}: the volume does not keep the mode of a file, all have {kept:04o} "
                f"there: mount it with another (as file_mode= or umask= say), or set TIKTOKEN_INIT_MODE={kept:04o}"
            )
        lift_acl(self._fd, mode)
        # Last, because the mode of a file that is given away is not ours to change.
        if owner:
            try:
                os.fchown(self._fd, *owner.for_chown)
            except OSError as error:
                raise VolumeError(explain_owner(error, owner)) from error

    def _rename(self, name: str, then: Callable[[], None]) -> None:
        folder = self._stage.volume.fd
        for attempt in range(_MOST_RENAMES):
            with self._stage.lock:
                if self._stage.run.closed:
                    raise Closed
                try:
                    os.rename(self._name, name, src_dir_fd=folder, dst_dir_fd=folder)
                except IsADirectoryError:
                    move_aside(folder, name)
                    continue
                except FileNotFoundError:
                    if attempt == _MOST_RENAMES - 1:
                        raise
                else:
                    then()
                    return
            # A sweeper on another machine, which cannot see our lock and has another clock, took our file for dead. Its
            # bytes are still ours to read.
            self._stage.run.check()
            self._remake()
        path = os.path.join(self._stage.volume.path, name)
        raise VolumeError(
            f"cannot install {path}: others keep taking its temporary file away: stop them, then run again"
        )

    def _let_go(self) -> None:
        self.installed = True
        self._stage.forget(self)
        self._close()

    def _remake(self) -> None:
        copy = self._stage.new(self.vocabulary)
        os.lseek(self._fd, 0, os.SEEK_SET)
        copy.copy(self._fd)
        copy._finish()
        with self._stage.lock:
            self._stage.forget(copy)
            self._close()
            self._fd, self._name = copy._fd, copy._name
            self._stage.remember(self)

    def discard(self) -> None:
        """Remove the file, if it is still a temporary one and not a last copy."""
        with self._stage.lock:
            self._stage.forget(self)
            if self._fd >= 0:
                if not self.last_copy:
                    self.unlink()
                # What a close may still complain of was to be thrown away.
                with suppress(OSError):
                    self._close()

    def _close(self) -> None:
        # Whatever close(2) says, the descriptor is gone, and its number may be another file's by the time of a second try.
        fd, self._fd = self._fd, -1
        os.close(fd)

    def unlink(self) -> None:
        """Remove the temporary name. The caller holds the stage's lock."""
        # It is what an aborted run leaves at the worst, and the next run sweeps it.
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._stage.volume.fd)


def move_aside(folder: int, name: str) -> None:
    """Give a directory that stands under a final name another name beside it. Never deletes anything."""
    for number in range(1, 1000):
        aside = f"{name}.moved-aside-{number}"
        try:
            os.lstat(aside, dir_fd=folder)
        except FileNotFoundError:
            # Another init container may have moved it aside in the meantime, and put a good file there.
            with suppress(FileNotFoundError, IsADirectoryError):
                if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                    os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
            return
    raise OSError(errno.EEXIST, "too many directories were moved aside already")
