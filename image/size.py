"""Prints how large images are, gzip-compressed as a registry stores them, and their largest parts.

``python -m image.size [IMAGE...]``; megabytes are millions of bytes. An image whose tag is that of a target must be within
the target's budget, or the exit code is 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import zlib
from typing import IO, NamedTuple

_SHOWN = 10
_CHUNK = 1 << 20


class Budget(NamedTuple):
    """The most that an image may have, in megabytes."""

    compressed: float
    on_disk: float


BUDGETS = {"default": Budget(10.6, 25.5), "offline": Budget(7.3, 17.0), "data": Budget(2.5, 5.3)}
"""By target. A test holds them."""


class Part(NamedTuple):
    """One file, or a folder of byte-code."""

    name: str
    compressed: int
    """Bytes, compressed on its own: near enough to its share of the layer."""
    size: int
    """Bytes."""


class Size(NamedTuple):
    """What was measured."""

    compressed: int
    """Bytes that a registry stores and a pull transfers, all layers."""
    size: int
    """Bytes on disk."""
    parts: tuple[Part, ...]
    """The largest first."""


def measure(image: str) -> Size:
    """Weigh an image of the local engine."""
    compressed = 0
    parts: dict[str, Part] = {}
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", image], check=True, stdout=saved)  # noqa: S607  whichever docker is in use
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            for name in json.load(_member(archive, "manifest.json"))[0]["Layers"]:
                compressed += _gzipped(_member(archive, name))
                with tarfile.open(fileobj=_member(archive, name)) as layer:
                    for entry in layer:
                        if entry.isfile():
                            part = _part_of(entry.name)
                            so_far = parts.get(part, Part(part, 0, 0))
                            total = so_far.compressed + _gzipped(_member(layer, entry))
                            parts[part] = Part(part, total, so_far.size + entry.size)
    largest = sorted(parts.values(), key=lambda part: part.compressed, reverse=True)
    return Size(compressed, sum(part.size for part in largest), tuple(largest))


def _member(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise ValueError(f"{member} is not a file")
    return content


def _gzipped(content: IO[bytes]) -> int:
    # Level 6 with a gzip header is what engines push with.
    packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
    total = 0
    while chunk := content.read(_CHUNK):
        total += len(packer.compress(chunk))
    return total + len(packer.flush())


def _part_of(path: str) -> str:
    """Return what a file counts as: itself, or all byte-code of the standard library or of a package."""
    below = path.removeprefix("./").partition("usr/lib/python3.13/")[2]
    if not below.endswith(".pyc"):
        return path.removeprefix("./")
    package = below.partition("/")[0]
    named = ("httpx", "httpcore", "h11", "idna", "socksio", "tiktoken_cache_init")
    return f"byte-code of {package}" if package in named else "byte-code of the standard library"


def overdrawn(measured: Size, budget: Budget) -> bool:
    """Say whether an image is larger than it may be."""
    return measured.compressed > budget.compressed * 1e6 or measured.size > budget.on_disk * 1e6


def main(images: list[str]) -> int:
    """Print the sizes, and say by the exit code whether all are within their budgets."""
    within = True
    for image in images:
        measured = measure(image)
        line = f"{image}: {measured.compressed / 1e6:.2f} MB compressed, {measured.size / 1e6:.2f} MB on disk"
        if budget := BUDGETS.get(image.rpartition(":")[2]):
            line += f" (budget: {budget.compressed} and {budget.on_disk})"
            if overdrawn(measured, budget):
                line += ": TOO LARGE"
                within = False
        print(line)
        for part in measured.parts[:_SHOWN]:
            print(f"  {part.compressed / 1e6:6.3f} {part.size / 1e6:7.3f}  {part.name}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tiktoken-cache-init"]))
