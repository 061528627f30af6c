"""The mount table: whether a volume is mounted at a directory, and the type of its file system."""

import os
from collections.abc import Collection
from typing import NamedTuple

from ..errors import NotMountedError

_ENGINE_MOUNTS = ("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/var/run/", "/sbin/", "/tmp/", "/var/tmp/")  # noqa: S108
"""Directories in which container engines mount files without being asked."""


class Mount(NamedTuple):
    """Row of the mount table."""

    file_system: str
    """Type, such as ``nfs4``."""
    root: str
    """Directory of the file system that is mounted."""


def mounts() -> dict[str, Mount]:
    """Return mount point -> mount. It is empty if there is no mount table (outside Linux)."""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            rows = [line.split(b" ") for line in table]
    except OSError:
        return {}
    return {_unescaped(row[4]): Mount(row[row.index(b"-") + 1].decode(), _unescaped(row[3])) for row in rows}


def require_mount(path: str) -> None:
    """Check that something is mounted at a directory or above it. Without a mount, a container loses the files.

    Raises:
        NotMountedError: nothing is mounted there.
    """
    points = mounts()
    if points and _mount_point(path, points) == "/":
        own = [point for point in sorted(points) if point != "/" and not f"{point}/".startswith(_ENGINE_MOUNTS)]
        raise NotMountedError(path, own)


def file_system(path: str) -> str:
    """Return the type of the file system of a path, such as ``nfs4``, or an empty string if it is unknown."""
    table = mounts()
    mount = table.get(_mount_point(path, table))
    return mount.file_system if mount else ""


def short_lived(path: str) -> str:
    """Return the kind of the volume at a path if the next container does not see its files, else an empty string."""
    table = mounts()
    mount = table.get(_mount_point(path, table))
    if not mount:
        return ""
    # An engine mounts a whole tmpfs. A part of one is a directory of the host, such as one below /tmp, and it stays.
    in_memory = mount.file_system == "tmpfs" and mount.root == "/"
    # Engines keep a volume without a name in .../volumes/ID/_data, with 64 hex digits.
    *_, volumes, name, data = ("", "", *mount.root.split("/"))
    anonymous = (volumes, data) == ("volumes", "_data") and len(name) == 64 and not name.strip("0123456789abcdef")
    return "a tmpfs" if in_memory else "an anonymous volume" if anonymous else ""


def _mount_point(path: str, points: Collection[str]) -> str:
    place = os.path.realpath(path)
    while place != "/" and place not in points:
        place = os.path.dirname(place)
    return place


def _unescaped(field: bytes) -> str:
    # The kernel writes these characters as octal escapes. The backslash comes last, or it would create new escapes.
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escape, character)
    return os.fsdecode(field)
