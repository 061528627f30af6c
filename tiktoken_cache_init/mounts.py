"""Whether the folder is a volume at all, or only a place in this container's own file system."""

from __future__ import annotations

import os

from .surroundings import in_image

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


def unmounted(path: str) -> str:
    """Say in one line that nothing is mounted at the folder or above it, so that its files go with this container.

    Empty if something is; outside the image, as a host's folder need not be a mount; and where the kernel does not tell (no
    Linux, no /proc).
    """
    points = _points() if in_image() else None
    if points is None or _with_all_above(path, points)[-1] != "/":
        return ""
    path = os.path.abspath(path)
    places = sorted(point for point in points if not _is_the_engines(point))
    more = ", ..." if len(places) > _MOST_PLACES else ""
    only = f" (only at {', '.join(places[:_MOST_PLACES])}{more})" if places else ""
    other_way = ", or set TIKTOKEN_CACHE_DIR to where it is mounted, in the consumer too" if places else ""
    return (
        f"nothing is mounted at {path}{only}, so files there are lost with this container: "
        f"mount the volume there, as in -v tiktoken:{path}{other_way}"
    )


def above(path: str) -> list[str]:
    """Return the folders that a consumer passes through on its way to the folder, the nearest first.

    In a container they are those of the volume: from what is mounted on. On a host they are all, for a program that runs there.
    """
    points = _points() if in_image() else None
    return _with_all_above(path, points or set())[1:]


def _points() -> set[str] | None:
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            return {_unescaped(line.split(b" ")[4]) for line in table} - {*_ENGINES_FILE_SYSTEMS}
    except OSError:
        return None


def _with_all_above(path: str, points: set[str]) -> list[str]:
    """Return the folder and those above it, up to the first at which something is mounted, or to the root."""
    folders = [os.path.realpath(path)]
    while folders[-1] != "/" and folders[-1] not in points:
        folders.append(os.path.dirname(folders[-1]))
    return folders


def _unescaped(field: bytes) -> str:
    # proc(5): what would break up the line is written in octal; the backslash last, or it would make new escapes.
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escape, character)
    return os.fsdecode(field)


def _is_the_engines(point: str) -> bool:
    return point in _ENGINES_POINTS or f"{point}/".startswith(_ENGINES_FOLDERS)
