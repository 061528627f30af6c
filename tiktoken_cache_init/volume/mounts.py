"""The mount table: whether a volume is mounted at a directory, and the type of its file system."""

import os
from collections.abc import Collection

from ..errors import NotMountedError

_ENGINE_MOUNTS = ("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/var/run/", "/sbin/", "/tmp/", "/var/tmp/")  # noqa: S108
"""Directories in which container engines mount files without being asked."""


def mounts() -> dict[str, str]:
    """Return mount point -> type of its file system. It is empty if there is no mount table (outside Linux)."""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            rows = [line.split(b" ") for line in table]
    except OSError:
        return {}
    return {_unescaped(row[4]): row[row.index(b"-") + 1].decode() for row in rows}


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
    types = mounts()
    return types.get(_mount_point(path, types), "")


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
