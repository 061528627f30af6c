"""The mount table: whether a volume is mounted at a directory, and the type of its file system."""

import os
from collections.abc import Collection

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


def mount_problem(path: str) -> str:
    """Return an error message if nothing is mounted at the directory or above it; else an empty string.

    Without a mount, the files are lost when the container is removed.
    """
    points = mounts()
    if not points or _mount_point(path, points) != "/":
        return ""
    own = [point for point in sorted(points) if point != "/" and not f"{point}/".startswith(_ENGINE_MOUNTS)]
    hint = (
        f", or set TIKTOKEN_CACHE_DIR to a mounted directory ({', '.join(own)}), here and in the gateway" if own else ""
    )
    return f"nothing is mounted at {path}, so its files would be lost with this container: add -v tiktoken:{path}{hint}"


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
