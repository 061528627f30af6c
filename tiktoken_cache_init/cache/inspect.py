"""Say what each wanted name in the directory holds. Changes nothing."""

import hashlib
import os
import stat
from collections.abc import Sequence
from enum import StrEnum
from io import FileIO
from typing import NamedTuple

from ..catalogue import Target, Vocabulary
from .advice import volume_errors
from .identify import MOST_READ, Identity, identify

_MAX_STEPS = 40
"""Steps of a link, as in the kernel."""


class State(StrEnum):
    """What a name holds."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"
    """A file with other bytes; `Finding.identity` names them."""
    UNREADABLE = "unreadable"
    """A file that this user may not read."""
    DIRECTORY = "directory"
    LINK = "link"
    """A symbolic link that a consumer may not be able to follow, or that leads to another wanted name."""
    SPECIAL = "special"
    """A FIFO, a socket or a device."""


class Finding(NamedTuple):
    """What a wanted name holds now."""

    target: Target
    state: State
    text: str
    """The state for people."""
    identity: Identity | None = None
    """For `State.WRONG`."""
    head: bytes = b""
    """For `State.WRONG`: the file, or its first `MOST_READ` bytes."""
    lacks: str = ""
    """Permission or owner that a file with the right bytes lacks, for people; else empty."""
    readable: bool = True
    """Whether its mode lets every wanted user read it."""

    @property
    def ready(self) -> bool:
        """Whether the contract holds for this name."""
        return self.state is State.RIGHT and not self.lacks


def holds(file: FileIO, vocabulary: Vocabulary) -> bool:
    """Say whether an open file has the vocabulary's bytes. A file of another length is not read."""
    size = os.fstat(file.fileno()).st_size
    if size > vocabulary.limit or vocabulary.size not in (None, size):
        return False
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest() == vocabulary.sha256


def inspect(
    directory: str, targets: Sequence[Target], mode: int = 0, owner: tuple[int, int] | None = None
) -> list[Finding]:
    """Say what each name holds.

    Args:
        directory: the directory.
        targets: the names that are to be provided. A link must not lead to another one of them.
        mode: permission bits that each file must have at least.
        owner: the owner that it must have, or None for any.

    Raises:
        VolumeError: the storage fails, so that nothing can be said.
    """
    names = frozenset(target.name for target in targets)
    return [_inspect(directory, target, names, mode, owner) for target in targets]


def _inspect(
    directory: str, target: Target, names: frozenset[str], mode: int, owner: tuple[int, int] | None
) -> Finding:
    path = os.path.join(directory, target.name)
    with volume_errors("read", path):
        try:
            status = os.lstat(path)
            note = ""
            if stat.S_ISLNK(status.st_mode):
                destination = os.readlink(path)
                if not _is_safe_link(directory, destination, names):
                    return Finding(target, State.LINK, f"a link to {destination}, which consumers may not reach")
                note = f", a link to {destination}"
                status = os.stat(path)
            return _inspect_file(target, path, status, note, mode, owner)
        except FileNotFoundError:
            return Finding(target, State.MISSING, "missing")
        except PermissionError as error:
            return Finding(target, State.UNREADABLE, f"unreadable for user {os.geteuid()} ({error.strerror})")


def _inspect_file(
    target: Target, path: str, status: os.stat_result, note: str, mode: int, owner: tuple[int, int] | None
) -> Finding:
    if stat.S_ISDIR(status.st_mode):
        return Finding(target, State.DIRECTORY, f"a directory{note}")
    if not stat.S_ISREG(status.st_mode):
        return Finding(target, State.SPECIAL, f"not a regular file{note}")
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if holds(file, target.vocabulary):
            readable = not mode & ~status.st_mode & 0o444
            return Finding(target, State.RIGHT, f"right{note}", lacks=_lacks(status, mode, owner), readable=readable)
        file.seek(0)
        head = file.read(MOST_READ)
    identity = identify(head, target.vocabulary, status.st_size)
    return Finding(target, State.WRONG, f"{identity.text}{note}", identity, head)


def _is_safe_link(directory: str, destination: str, names: frozenset[str]) -> bool:
    """Say whether every consumer can follow a link in the directory, wherever it mounts the directory.

    Each step must stay inside, and every user must be able to pass through it. The links of a ConfigMap do.
    """
    ahead, place = destination.split("/"), directory
    for _ in range(_MAX_STEPS):
        if not ahead:
            return place not in (os.path.join(directory, name) for name in names)
        step = ahead.pop(0)
        if step in ("", ".."):
            return False
        place = os.path.normpath(os.path.join(place, step))
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            return False
        if stat.S_ISLNK(status.st_mode):
            ahead = [*os.readlink(place).split("/"), *ahead]
            place = os.path.dirname(place)
        elif ahead and not status.st_mode & stat.S_IXOTH:
            return False
    return False


def _lacks(status: os.stat_result, mode: int, owner: tuple[int, int] | None) -> str:
    found = stat.S_IMODE(status.st_mode)
    if missing := mode & ~found:
        return f"{'not readable by every user' if missing & 0o444 else 'lacks permissions'} (mode {found:04o})"
    if owner and (status.st_uid != owner[0] or owner[1] not in (-1, status.st_gid)):
        return f"owned by {status.st_uid}:{status.st_gid}"
    return ""
