"""Reading open files: whether they hold a vocabulary, and what they begin with if not."""

from __future__ import annotations

import hashlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .catalogue import Vocabulary

CHUNK = 1 << 18
"""Bytes read at a time: large enough that hashing runs outside the interpreter's lock, small enough to cost no memory."""

MOST_DIAGNOSED = 8 << 20
"""Bytes that are read at most of a file that is not right, to say what it is."""


def holds(fd: int, status: os.stat_result, vocabulary: Vocabulary) -> bool:
    """Say whether the open file is a regular one with the vocabulary's bytes. Reads it only if its length can be right."""
    if not stat.S_ISREG(status.st_mode) or not 0 <= status.st_size <= vocabulary.limit:
        return False
    if vocabulary.size is not None and status.st_size != vocabulary.size:
        return False
    digest = hashlib.sha256()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    # A file that grows while it is read must not be read for ever.
    left = vocabulary.limit + 1
    while left > 0 and (count := os.readv(fd, [view])):
        digest.update(view[:count])
        left -= count
    return digest.hexdigest() == vocabulary.sha256


def holds_under(name: str, vocabulary: Vocabulary, *, folder: int | None = None, follow: bool = False) -> bool:
    """Say the same of the file that a name in an open folder, or a path, leads to; of a link only if it is to be followed.

    Raises:
        OSError: it cannot be opened or read.
    """
    # Non-blocking, because the name may be a FIFO's.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    fd = os.open(name, flags, dir_fd=folder)
    try:
        return holds(fd, os.fstat(fd), vocabulary)
    finally:
        os.close(fd)


def beginning(fd: int) -> bytes:
    """Return what can be read from here on, or as much of it as is needed to say what it is."""
    parts, left = [], MOST_DIAGNOSED
    while left > 0 and (part := os.read(fd, min(CHUNK, left))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
