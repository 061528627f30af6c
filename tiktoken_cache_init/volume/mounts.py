"""The mount table: whether a volume is mounted at a directory, and the type of its file system."""

import os
from typing import NamedTuple

from ..errors import NotMountedError

_ENGINE_MOUNTS = ("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/var/run/", "/sbin/", "/tmp/", "/var/tmp/")  # noqa: S108
"""Directories in which container engines mount files without being asked."""


class Mount(NamedTuple):
    """Row of the mount table."""

    point: str
    """Directory at which it is mounted."""
    file_system: str
    """Type, such as ``nfs4``. Empty if there is no mount table (outside Linux)."""
    root: str
    """Directory of the file system that is mounted."""


def require_mount(path: str) -> None:
    """Check that something is mounted at a directory or above it. Without a mount, a container loses the files.

    Raises:
        NotMountedError: nothing is mounted there.
    """
    mounts = _mounts()
    if mounts and _mount_of(path, mounts).point == "/":
        own = [point for point in sorted(mounts) if point != "/" and not f"{point}/".startswith(_ENGINE_MOUNTS)]
        raise NotMountedError(path, own)


def file_system(path: str) -> str:
    """Return the type of the file system of a path, such as ``nfs4``, or an empty string if it is unknown."""
    return _mount_of(path, _mounts()).file_system


def short_lived(path: str) -> str:
    """Return the kind of the volume at a path if the next container does not see its files, else an empty string."""
    mount = _mount_of(path, _mounts())
    # An engine mounts a whole tmpfs. A part of one is a directory of the host, such as one below /tmp, and it stays.
    if mount.file_system == "tmpfs" and mount.root == "/":
        return "a tmpfs"
    # Engines keep a volume without a name in .../volumes/ID/_data, with 64 hex digits.
    volume, data = os.path.split(mount.root)
    volumes, name = os.path.split(volume)
    is_anonymous = len(name) == 64 and not name.strip("0123456789abcdef")
    return "an anonymous volume" if is_anonymous and volumes.endswith("/volumes") and data == "_data" else ""


def _mounts() -> dict[str, Mount]:
    """Return mount point -> mount."""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            rows = [line.split(b" ") for line in table]
    except OSError:
        return {}
    mounts = [Mount(_unescaped(row[4]), row[row.index(b"-") + 1].decode(), _unescaped(row[3])) for row in rows]
    return {mount.point: mount for mount in mounts}


def _mount_of(path: str, mounts: dict[str, Mount]) -> Mount:
    """Return the mount that a path is in."""
    point = os.path.realpath(path)
    while point != "/" and point not in mounts:
        point = os.path.dirname(point)
    return mounts.get(point) or Mount("/", "", "")


def _unescaped(field: bytes) -> str:
    # The kernel writes these characters as octal escapes. The backslash comes last, or it would create new escapes.
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escape, character)
    return os.fsdecode(field)
