"""The folder that the consumer mounts: opening it, and saying what each wanted name in it holds.

Nothing here changes a file's content. All access is relative to one open directory, so that a folder which is renamed or
mounted over in mid-run cannot lead a write astray.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from .catalogue import Vocabulary
from .diagnosis import (
    COUNTS_RIGHT,
    DEVICE,
    FIFO,
    LOADED_AT_START,
    NOT_READ,
    SOCKET,
    Diagnosis,
    Prognosis,
    death,
    diagnose,
    of_special,
)
from .errors import NotReady, VolumeError
from .light import NamedTuple, suppress
from .settings import Settings, in_image

CHUNK = 1 << 18
"""Bytes read at a time: large enough that hashing runs outside the interpreter's lock, small enough to cost no memory."""

# What is read at most of a file that is not right, to say what it is.
MOST_DIAGNOSED = 8 << 20
_MOST_LOOKS = 5
_MOST_STEPS = 40

# The published images of the gateways run as root.
UNLESS_ITS_USER_MAY = "its user may read it, as root may"

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

_MOST_PLACES = 5
# What Docker, podman and Kubernetes mount by themselves, without a volume having been given.
_ENGINES_FOLDERS = ("/proc/", "/sys/", "/dev/", "/run/secrets/", "/var/run/secrets/")
_ENGINES_POINTS = (
    *("/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/passwd", "/etc/group"),
    *("/sbin/docker-init", "/run/podman-init", "/run/.containerenv"),
    # podman's, with --read-only.
    *("/run", "/tmp", "/var/tmp"),  # noqa: S108  they are only compared with
)

# What is kept there is kept in memory, and goes with the container.
_ENGINES_FILE_SYSTEMS = ("/dev", "/dev/shm", "/proc", "/sys")  # noqa: S108  they are only compared with

GOOD = "good"
MISSING = "missing"
WRONG = "wrong"
UNREADABLE = "unreadable"
DIRECTORY = "directory"
SPECIAL = "special"
LINK = "link"
"""A link that leads nowhere, or out of the volume, where the consumer cannot follow it."""


class Target(NamedTuple):
    """One name that the volume is to provide."""

    vocabulary: Vocabulary
    name: str
    beside: str = ""
    """The name that holds the same bytes, where this one may be a link to it; else empty."""


class Finding(NamedTuple):
    """What a wanted name holds now."""

    target: Target
    state: str
    """`GOOD`, `MISSING`, `WRONG`, `UNREADABLE`, `DIRECTORY`, `SPECIAL` or `LINK`."""
    text: str
    """The state for people; for `WRONG`, what the bytes are."""
    diagnosis: Diagnosis | None = None
    """For `WRONG`."""
    lacks: str = ""
    """What a file with the right bytes lacks: a mode or an owner; else empty."""
    unreadable: bool = False
    """Whether its mode keeps some reader from reading it."""
    unless: str = ""
    """For people: who is not kept out by what keeps a reader out; else empty."""
    size: int = -1
    """Bytes, for `UNREADABLE`."""
    kind: str = ""
    """For `SPECIAL`: `FIFO`, `SOCKET` or `DEVICE`."""
    hidden: bool = False
    """Whether the folder keeps some reader from looking for it."""

    @property
    def ready(self) -> bool:
        """Whether the contract holds for this name."""
        return self.state == GOOD and not self.lacks

    @property
    def prognosis(self) -> Prognosis:
        """What a gateway does that finds this."""
        vocabulary, name = self.target.vocabulary, self.target.name
        if name == vocabulary.published_name:
            readers = "start and count right" if self.ready else "fail"
            return Prognosis(NOT_READ, f"no gateway looks for this name; those who do {readers}")
        nowhere = f'Get "{vocabulary.url}": ...'
        denied = f"open .../{name}: permission denied"
        if self.state == MISSING:
            return death(vocabulary, nowhere)
        # If it lets others in, what those do who find something wrong is worse.
        kept_out = self.state == GOOD or not self.unless
        if self.state == LINK or (self.hidden and kept_out):
            # To tiktoken-go, what it cannot look at is not there.
            return death(vocabulary, nowhere, self.unless)
        if self.state == UNREADABLE or (self.unreadable and kept_out):
            return death(vocabulary, denied, self.unless)
        if self.diagnosis:
            return self.diagnosis.prognosis
        if self.state == DIRECTORY:
            return death(vocabulary, f"read .../{name}: is a directory")
        if self.state == SPECIAL:
            return of_special(vocabulary, name, self.kind)
        if vocabulary.published_name not in LOADED_AT_START:
            return Prognosis(NOT_READ, "its readers start and count right")
        return Prognosis(COUNTS_RIGHT, "the gateway starts and counts right")


class Demand(NamedTuple):
    """What a file with the right bytes must also have."""

    mode: int = 0
    """At least these bits."""
    owner: tuple[int, int | None] | None = None
    """(user id, group id or None for any), or None for any."""
    reader: tuple[int, int | None] | None = None
    """The one user who must be able to read it, where it need not be every user; ``mode`` does not count then."""


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
            if destination != target.beside and (problem := self._link_problem(target.name)):
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
            lacks, unreadable = _lacks(status, demand)
            unless = UNLESS_ITS_USER_MAY if unreadable and not demand.reader else ""
            if holds(fd, status, target.vocabulary):
                return Finding(target, GOOD, f"right{note}", lacks=lacks, unreadable=unreadable, unless=unless)
            os.lseek(fd, 0, os.SEEK_SET)
            diagnosis = diagnose(_read_whole(fd, MOST_DIAGNOSED), target.vocabulary, status.st_size)
            text = f"{diagnosis.text}{note}"
            return Finding(target, WRONG, text, diagnosis, unreadable=unreadable, unless=unless)
        finally:
            os.close(fd)

    def _size(self, name: str) -> int:
        try:
            return os.lstat(name, dir_fd=self.fd).st_size
        except OSError:
            return -1

    def _link_problem(self, name: str) -> str:
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
                mode = os.lstat(path, dir_fd=self.fd).st_mode
                if stat.S_ISLNK(mode):
                    ahead = os.readlink(path, dir_fd=self.fd).split("/") + ahead
                    continue
            except OSError:
                return _NOWHERE
            if ahead and not mode & stat.S_IXOTH:
                return _NOT_FOR_EVERY_USER
            behind = f"{path}/"
        return _LOOPS

    def missing_mode(self, mode: int) -> int:
        """Return the bits of ``mode`` that the folder lacks. Its owner's own write bit is left to its owner."""
        return mode & ~self.mode() & ~stat.S_IWUSR

    def mode(self) -> int:
        """Return the folder's mode."""
        return stat.S_IMODE(os.fstat(self.fd).st_mode)

    def lets_in(self, reader: tuple[int, int | None]) -> bool:
        """Say whether a user can reach the names in the folder."""
        return _may(os.fstat(self.fd), reader, 0o1)


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
            os.chown(path, settings.owner[0], -1 if settings.owner[1] is None else settings.owner[1])
        except OSError as error:
            raise VolumeError(explain_owner(error, settings.owner)) from error


def unmounted(path: str) -> str:
    """Say in one line that nothing is mounted at the folder or above it, so that its files go with this container.

    Empty if something is; outside the image, as a host's folder need not be a mount; and where the kernel does not tell (no
    Linux, no /proc).
    """
    if not in_image():
        return ""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            points = {_unescaped(line.split(b" ")[4]) for line in table}
    except OSError:
        return ""
    above, path = os.path.realpath(path), os.path.abspath(path)
    while above != "/":
        if above in points and above not in _ENGINES_FILE_SYSTEMS:
            return ""
        above = os.path.dirname(above)
    places = sorted(point for point in points if not _is_the_engines(point))
    more = ", ..." if len(places) > _MOST_PLACES else ""
    only = f" (only at {', '.join(places[:_MOST_PLACES])}{more})" if places else ""
    other_way = ", or set TIKTOKEN_CACHE_DIR to where it is mounted, in the consumer too" if places else ""
    return (
        f"nothing is mounted at {path}{only}, so files there are lost with this container: "
        f"mount the volume there, as in -v tiktoken:{path}{other_way}"
    )


def _unescaped(field: bytes) -> str:
    # proc(5): what would break up the line is written in octal; the backslash last, or it would make new escapes.
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escape, character)
    return os.fsdecode(field)


def _is_the_engines(point: str) -> bool:
    return point in _ENGINES_POINTS or f"{point}/".startswith(_ENGINES_FOLDERS)


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


def _read_whole(fd: int, most: int) -> bytes:
    parts = []
    while most > 0 and (part := os.read(fd, min(CHUNK, most))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _lacks(status: os.stat_result, demand: Demand) -> tuple[str, bool]:
    """Return what a file lacks, and whether that keeps a reader out."""
    mode = stat.S_IMODE(status.st_mode)
    if demand.reader:
        if not _may(status, demand.reader, 0o4):
            user = ":".join(str(part) for part in demand.reader if part is not None)
            return f"{user} cannot read it (mode {mode:04o}, owner {status.st_uid}:{status.st_gid})", True
        return "", False
    if missing := demand.mode & ~mode:
        unreadable = bool(missing & 0o444)
        return f"{'not readable by every user' if unreadable else 'lacks permissions'} (mode {mode:04o})", unreadable
    if demand.owner and (status.st_uid != demand.owner[0] or demand.owner[1] not in (None, status.st_gid)):
        return f"owned by {status.st_uid}:{status.st_gid}", False
    return "", False


def _may(status: os.stat_result, user: tuple[int, int | None], bit: int) -> bool:
    """Say whether a user has a permission (4 read, 1 search), as the kernel decides it; root has every one."""
    if user[0] == 0:
        return True
    if status.st_uid == user[0]:
        bit <<= 6
    elif user[1] == status.st_gid:
        bit <<= 3
    return bool(status.st_mode & bit)


def explain(error: OSError, doing: str, path: str, *, needed: int = 0) -> str:
    """Return one line: what could not be done where, why, and the ways out. ``needed`` is in bytes."""
    cause = error.strerror or str(error)
    head = f"cannot {doing} {path}: {cause}"
    if error.errno == errno.EROFS:
        return f"{head}: mount it read-write in the init container (without ':ro'); only the consumer's mount may be read-only"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{head}: {f'{needed:,} bytes are needed' if needed else 'there is no room'}{_free_space(path)}; what was there before is untouched"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{head}: {_who(path, error.errno)}"
    if error.errno == errno.EBUSY:
        return f"{head}: a single file is mounted there; mount the folder instead"
    return f"{head}: check the volume's storage, then run again"


def explain_owner(error: OSError, owner: tuple[int, int | None]) -> str:
    """Return one line: why files cannot be given to their owner, and the ways out."""
    wanted = ":".join(str(part) for part in owner if part is not None)
    return (
        f"cannot give the files to {wanted}: {error.strerror}: that takes root with the capability CHOWN (compose: "
        f'cap_add: [CHOWN]); or run as that user (compose: user: "{wanted}"; Kubernetes: securityContext.runAsUser: {owner[0]})'
    )


def _free_space(path: str) -> str:
    with suppress(OSError):
        space = os.statvfs(path)
        return f", {space.f_bavail * space.f_frsize:,} are free ({space.f_favail:,} inodes)"
    return ""


def _who(path: str, number: int) -> str:
    us = f"{os.geteuid()}:{os.getegid()}"
    try:
        folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
        status = os.stat(folder)
    except OSError:
        return f"we are {us}, and a folder above it lets us in no further"
    owner = f"{status.st_uid}:{status.st_gid}"
    if number == errno.EPERM and status.st_uid == os.geteuid():
        return (
            f"we are {us}, and the folder is ours, so it or the file is immutable, or its file system forbids this: on the "
            f"host, see what lsattr says of {path}, and take an 'i' away with chattr -i"
        )
    return (
        f"we are {us}, the folder belongs to {owner} with mode {stat.S_IMODE(status.st_mode):04o}: run the init container as "
        f'its owner (compose: user: "{owner}"; Kubernetes: securityContext.runAsUser: {status.st_uid}), or as root with '
        "DAC_OVERRIDE (compose: cap_add; Kubernetes: capabilities.add); if the mode allows it, SELinux does not: mount with :z"
    )
