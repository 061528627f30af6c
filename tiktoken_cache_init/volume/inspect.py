"""Inspection of the targets in the directory. It changes nothing."""

import errno
import os
import stat
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from ..catalogue import VOCABULARIES, Target, Vocabulary
from ..errors import storage_errors
from .identify import Identity, holds, identify

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EINVAL)
"""Errors of a file, a directory or a link that another fill removes or replaces during its inspection."""


class State(StrEnum):
    """State of a target."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"
    """A file with other bytes; `Finding.identity` names them."""
    UNREADABLE = "unreadable"
    """A file that this user cannot read."""
    DIRECTORY = "directory"
    LINK = "link"
    """A symbolic link that some consumers cannot follow, or that leads to another target."""
    SPECIAL = "special"
    """A FIFO, a socket or a device."""


class Finding(NamedTuple):
    """State of one target, with details."""

    vocabulary: Vocabulary
    path: str
    state: State
    text: str
    """State in words."""
    identity: Identity | None = None
    """Kind of the wrong bytes, for `State.WRONG`."""
    lacks: str = ""
    """Wrong mode or owner of a file with the right bytes, in words; else empty."""
    readable: bool = True
    """Whether the file has all read bits of the required mode."""
    occupied: bool = False
    """Whether a fill cannot replace it: a directory with content."""
    size: int = 0
    """Size in bytes of a file, for `State.UNREADABLE`. It is 0 if the size is unknown, or if the name is a link."""

    @property
    def name(self) -> str:
        """Name of the file."""
        return os.path.basename(self.path)

    @property
    def detail(self) -> str:
        """The state for people, with what a right file lacks."""
        return f"{self.text}, but {self.lacks}" if self.lacks else self.text

    @property
    def ready(self) -> bool:
        """Whether bytes, mode and owner are right."""
        return self.state is State.RIGHT and not self.lacks

    def may_hold(self, vocabulary: Vocabulary) -> bool:
        """Return whether the file may hold the bytes of another vocabulary, as far as it could be read."""
        if vocabulary.sha256 == self.vocabulary.sha256:
            return False
        if self.state is State.UNREADABLE:
            return self.size > 0 and vocabulary.size in (None, self.size)
        other = self.identity.other if self.identity else None
        return other is not None and other.sha256 == vocabulary.sha256


def inspect(targets: Sequence[Target], mode: int = 0, owner: tuple[int, int] | None = None) -> list[Finding]:
    """Return the state of each target.

    Args:
        targets: the targets. A link must not lead from one target to another.
        mode: permission bits that each file must have.
        owner: owner that each file must have, or None for any owner.

    Raises:
        VolumeError: the storage fails.
    """
    return [_inspect(target, targets, mode, owner) for target in targets]


def _inspect(target: Target, targets: Sequence[Target], mode: int, owner: tuple[int, int] | None) -> Finding:
    vocabulary, path = target
    size, note = 0, ""
    with storage_errors("read", path):
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                link = f"a link to {os.readlink(path)}"
                if not _is_safe_link(path, {os.path.basename(each.path) for each in targets}):
                    return Finding(vocabulary, path, State.LINK, f"{link}, which some consumers cannot follow")
                note = f", {link}"
                status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                occupied = not note and bool(os.listdir(path))
                kind = "a directory" if note else "a directory with content" if occupied else "an empty directory"
                return Finding(vocabulary, path, State.DIRECTORY, f"{kind}{note}", occupied=occupied)
            if not stat.S_ISREG(status.st_mode):
                return Finding(vocabulary, path, State.SPECIAL, f"not a regular file{note}")
            size = 0 if note else status.st_size
            with open(path, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if holds(file, vocabulary):
                    lacks, readable = _lacks(status, mode, owner), not mode & ~status.st_mode & 0o444
                    return Finding(vocabulary, path, State.RIGHT, f"right{note}", lacks=lacks, readable=readable)
                known = [*VOCABULARIES, *(each.vocabulary for each in targets)]
                identity = identify(file, vocabulary, known)
                return Finding(vocabulary, path, State.WRONG, f"{identity.text}{note}", identity)
        except PermissionError as error:
            text = f"unreadable for user {os.geteuid()} ({error.strerror})"
            return Finding(vocabulary, path, State.UNREADABLE, text, size=size)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return Finding(vocabulary, path, State.MISSING, "missing")


def _is_safe_link(path: str, names: set[str]) -> bool:
    """Return whether every consumer can follow a link in the directory, wherever the directory is mounted.

    The link must be relative and lead to a file inside the directory that is no other target, and every user must be able
    to pass the directories on the way. The links of a ConfigMap volume meet these conditions.
    """
    directory, destination = os.path.dirname(path), os.readlink(path)
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(directory))
    if os.path.isabs(destination) or ".." in (*destination.split("/"), *inside.split("/")):
        return False
    if inside in names or not os.path.exists(path):
        return False
    while inside := os.path.dirname(inside):
        if not os.stat(os.path.join(directory, inside)).st_mode & stat.S_IXOTH:
            return False
    return True


def _lacks(status: os.stat_result, mode: int, owner: tuple[int, int] | None) -> str:
    found = stat.S_IMODE(status.st_mode)
    if missing := mode & ~found:
        return f"{'not readable by every user' if missing & 0o444 else 'lacks permissions'} (mode {found:04o})"
    if owner and (status.st_uid != owner[0] or owner[1] not in (-1, status.st_gid)):
        return f"owned by {status.st_uid}:{status.st_gid}"
    return ""
