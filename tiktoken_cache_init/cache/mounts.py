"""The mount table: whether a volume is mounted at a directory, and on which file system it is."""

import os

# Mount points that engines make by themselves: no volume of the user's is there.
_ENGINE_MOUNTS = ("/", "/proc", "/sys", "/dev", "/etc", "/run", "/var/run", "/sbin", "/tmp", "/var/tmp")  # noqa: S108


def mounts() -> dict[str, str]:
    """Return mount point -> type of its file system; empty where the kernel does not tell (outside Linux)."""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            rows = [line.split(b" ") for line in table]
    except OSError:
        return {}
    return {_unescaped(row[4]): row[row.index(b"-") + 1].decode() for row in rows}


def not_mounted(path: str) -> str:
    """Return one line if nothing is mounted at the directory or above it, or an empty text.

    In a container, files there are lost when it is removed.
    """
    points = mounts()
    place = os.path.realpath(path)
    while place != "/" and place not in points:
        place = os.path.dirname(place)
    if place != "/" or not points:
        return ""
    own = sorted(
        point for point in points if not any(f"{point}/".startswith(f"{each}/") for each in _ENGINE_MOUNTS[1:])
    )
    others = ", ".join(point for point in own if point != "/")
    hint = (
        f", or set TIKTOKEN_CACHE_DIR to the directory that is mounted ({others}), here and in the gateway"
        if others
        else ""
    )
    return f"nothing is mounted at {path}, so its files would be lost with this container: add -v tiktoken:{path}{hint}"


def file_system(path: str) -> str:
    """Return the type of the file system that a path is on, such as ``nfs4``; an empty text where the kernel does not tell."""
    types = mounts()
    place = os.path.realpath(path)
    while place != "/" and place not in types:
        place = os.path.dirname(place)
    return types.get(place, "")


def _unescaped(field: bytes) -> str:
    # proc(5) writes these characters in octal. The backslash comes last, or it would make new escapes.
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escape, character)
    return os.fsdecode(field)
