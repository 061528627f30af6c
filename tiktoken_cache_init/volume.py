"""The folder that the consumer mounts: opening it, and saying what each wanted name in it holds.

Nothing here changes a file's content. All access is relative to one open directory, so that a folder which is renamed or
mounted over in mid-run cannot lead a write astray.
"""

from __future__ import annotations

import errno
import os
import stat

from .access import READ, SEARCH, Entry, User, acl_of, may
from .content import beginning, holds
from .errors import NotReady, VolumeError
from .explanations import explain, explain_owner
from .findings import (
    DEVICE,
    DIRECTORY,
    FIFO,
    GOOD,
    LINK,
    MISSING,
    SOCKET,
    SPECIAL,
    UNLESS_ITS_USER_MAY,
    UNREADABLE,
    WRONG,
    Demand,
    Finding,
    Target,
)
from .light import suppress
from .mounts import above
from .settings import Settings

_MOST_LOOKS = 5
_MOST_STEPS = 40

_LOOPS = "which loops"
_NOWHERE = "which leads nowhere"
_OUTSIDE = "which leads out of the volume, or may where a consumer mounts it"
_WANTED_ITSELF = "which is a name that is to be provided itself"
_NOT_FOR_EVERY_USER = "which not every user can follow"
_LINKS = {
    _LOOPS: "",
    _NOWHERE: "",
    _OUTSIDE: "it finds the file there, where it runs",
    _WANTED_ITSELF: "the right bytes are there",
    _NOT_FOR_EVERY_USER: UNLESS_ITS_USER_MAY,
}
"""What is wrong with a link -> when a gateway can use it all the same."""


def targets_of(settings: Settings) -> tuple[Target, ...]:
    """Return the names that the settings ask for."""
    targets: list[Target] = []
    for vocabulary in settings.vocabularies:
        if settings.layout != "published":
            targets.append(Target(vocabulary, vocabulary.cache_key))
        if settings.layout != "cache":
            beside = vocabulary.cache_key if settings.layout == "both" else ""
            targets.append(Target(vocabulary, vocabulary.published_name, beside))
    return tuple(targets)


class Volume:
    """An open folder."""

    def __init__(self, path: str, fd: int, names: frozenset[str] = frozenset()) -> None:
        self.path = path
        self.fd = fd
        self._names = names
        """The names that are to be provided."""

    def inspect(self, target: Target, demand: Demand = Demand()) -> Finding:  # noqa: B008  it is immutable
        """Say what the name holds, and whether a right file also meets the demand.

        Raises:
            VolumeError: the volume itself fails (an I/O error), so that no statement is possible.
        """
        for _ in range(_MOST_LOOKS):
            try:
                return self._inspect(target, demand)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EPERM):
                    return Finding(
                        target,
                        UNREADABLE,
                        f"cannot be read: {error.strerror}",
                        unless=UNLESS_ITS_USER_MAY,
                        size=self._size(target.name),
                    )
                # Another init container put something else there between two looks.
                if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EINVAL):
                    raise VolumeError(explain(error, "read", os.path.join(self.path, target.name))) from error
        raise VolumeError(f"{os.path.join(self.path, target.name)} keeps changing: is another program writing to it?")

    def _inspect(self, target: Target, demand: Demand) -> Finding:
        try:
            status = os.lstat(target.name, dir_fd=self.fd)
        except FileNotFoundError:
            return Finding(target, MISSING, "missing")
        follow = 0
        note = ""
        if stat.S_ISLNK(status.st_mode):
            destination = os.readlink(target.name, dir_fd=self.fd)
            if destination != target.beside and (problem := self._link_problem(target.name, demand.reader)):
                return Finding(target, LINK, f"a link to {destination}, {problem}", unless=_LINKS[problem])
            note = f", a link to {destination}"
            try:
                status = os.stat(target.name, dir_fd=self.fd)
            except OSError as error:
                # The name that it stands beside may be missing, or be a link itself, to nowhere or to this one.
                if destination == target.beside and error.errno in (errno.ENOENT, errno.ELOOP):
                    return Finding(target, LINK, f"a link to {destination}, {_NOWHERE}")
                raise
        else:
            follow = os.O_NOFOLLOW
        if stat.S_ISDIR(status.st_mode):
            return Finding(target, DIRECTORY, f"a directory{note}")
        if not stat.S_ISREG(status.st_mode):
            kind = {stat.S_IFIFO: FIFO, stat.S_IFSOCK: SOCKET}.get(stat.S_IFMT(status.st_mode), DEVICE)
            return Finding(target, SPECIAL, f"a {kind}, not a regular file{note}", kind=kind)
        # Non-blocking, because the name can have become a FIFO since it was looked at.
        fd = os.open(target.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow, dir_fd=self.fd)
        try:
            status = os.fstat(fd)
            lacks, unreadable = _lacks(status, demand, acl_of(fd))
            unless = UNLESS_ITS_USER_MAY if unreadable and not demand.reader else ""
            if holds(fd, status, target.vocabulary):
                return Finding(target, GOOD, f"right{note}", lacks=lacks, unreadable=unreadable, unless=unless)
            from .diagnosis import diagnose

            os.lseek(fd, 0, os.SEEK_SET)
            diagnosis = diagnose(beginning(fd), target.vocabulary, status.st_size)
            text = f"{diagnosis.text}{note}"
            return Finding(target, WRONG, text, diagnosis, unreadable=unreadable, unless=unless)
        finally:
            os.close(fd)

    def _size(self, name: str) -> int:
        try:
            return os.lstat(name, dir_fd=self.fd).st_size
        except OSError:
            return -1

    def _link_problem(self, name: str, reader: User | None) -> str:
        """Say why a consumer may not find the file behind a link, or return an empty text.

        The consumer may mount this folder elsewhere, and run as any user. Links within are followed, as a ConfigMap's must be.
        """
        ahead, behind = os.readlink(name, dir_fd=self.fd).split("/"), ""
        if ahead == [name]:
            return _LOOPS
        for _ in range(_MOST_STEPS):
            if not ahead:
                return ""
            step = ahead.pop(0)
            if step == ".":
                continue
            if not step or step == "..":
                return _OUTSIDE
            if not behind and step in self._names:
                return _WANTED_ITSELF
            path = f"{behind}{step}"
            try:
                status = os.lstat(path, dir_fd=self.fd)
                if stat.S_ISLNK(status.st_mode):
                    ahead = os.readlink(path, dir_fd=self.fd).split("/") + ahead
                    continue
            except OSError:
                return _NOWHERE
            if ahead and not may(status, reader, SEARCH):
                return _NOT_FOR_EVERY_USER
            behind = f"{path}/"
        return _LOOPS

    def missing_mode(self, mode: int) -> int:
        """Return the bits of ``mode`` that the folder lacks. Its owner's own write bit is left to its owner."""
        return mode & ~self.mode() & ~stat.S_IWUSR

    def mode(self) -> int:
        """Return the folder's mode."""
        return stat.S_IMODE(os.fstat(self.fd).st_mode)

    def lets_in(self, reader: User | None) -> bool:
        """Say whether a user, or with None everybody, can reach the names in the folder."""
        return may(os.fstat(self.fd), reader, SEARCH, acl_of(self.fd))


def shut_above(path: str, reader: User | None) -> str:
    """Return the first folder above this one that keeps a user, or with None somebody, from it; else an empty text."""
    for folder in above(path):
        try:
            if not may(os.stat(folder), reader, SEARCH, acl_of(folder)):
                return folder
        except OSError:
            return folder
    return ""


def open_volume(settings: Settings, *, create: bool) -> Volume:
    """Open the folder, making it first if ``create`` and it is not there.

    Raises:
        NotReady: it is not there, and was not to be made.
        VolumeError: it cannot be opened or made; the message says who we are and what would help.
    """
    path = settings.cache_dir
    try:
        if create:
            _make(path, settings)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        if create:
            raise VolumeError(
                f"{path} is a link that leads nowhere: remove it, or make the folder it leads to"
            ) from None
        raise NotReady(f"there is no folder {path}: run fill, which makes it, or name the right one") from None
    except NotADirectoryError:
        raise VolumeError(f"{path} is not a folder: mount a volume or a folder there, not a single file") from None
    except OSError as error:
        raise VolumeError(explain(error, "open", path)) from error
    return Volume(path, fd, frozenset(target.name for target in targets_of(settings)))


def _make(path: str, settings: Settings) -> None:
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(os.path.abspath(path))
    for each in reversed(missing):
        _make_one(each, settings)


def _make_one(path: str, settings: Settings) -> None:
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    # Not left to the umask, which would keep the consumer out. Where modes are fixed, what they are is checked later.
    with suppress(PermissionError):
        os.chmod(path, settings.dir_mode)
    if settings.owner:
        try:
            os.chown(path, *settings.owner.for_chown)
        except OSError as error:
            raise VolumeError(explain_owner(error, settings.owner)) from error


def _lacks(status: os.stat_result, demand: Demand, acl: tuple[Entry, ...]) -> tuple[str, bool]:
    """Return what a file lacks, and whether that keeps a reader out."""
    mode = stat.S_IMODE(status.st_mode)
    if demand.reader:
        if not may(status, demand.reader, READ, acl):
            return (
                f"{demand.reader} cannot read it (mode {mode:04o}, owner {status.st_uid}:{status.st_gid}{', and an ACL' if acl else ''})",
                True,
            )
        return "", False
    if missing := demand.mode & ~mode:
        unreadable = bool(missing & 0o444)
        return f"{'not readable by every user' if unreadable else 'lacks permissions'} (mode {mode:04o})", unreadable
    if acl and demand.mode & 0o444 == 0o444 and not may(status, None, READ, acl):
        return "not readable by every user, for its ACL", True
    if demand.owner and not demand.owner.owns(status):
        return f"owned by {status.st_uid}:{status.st_gid}", False
    return "", False
