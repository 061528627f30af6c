"""Sizes of images, gzip-compressed as in a registry, and their largest parts: ``python -m image.size IMAGE...``.

A megabyte is a million bytes. The exit code is 1 if an image is larger than the budget for its tag.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections import Counter
from typing import IO, NamedTuple

BUDGETS = {"default": 14.8, "two-encodings": 13.4, "offline": 10.3, "data": 3.9}
"""Tag -> maximum size of the compressed image in megabytes. `make size` builds and measures these images."""

SHOWN = 10


class Size(NamedTuple):
    """Size of an image in bytes."""

    compressed: int
    """All layers, as a registry stores them and a pull transfers them."""
    on_disk: int
    parts: Counter[str]
    """File or package -> its own compressed size, which is close to its share of the layer."""


def measure(image: str) -> Size:
    """Measure an image of the local engine."""
    compressed = on_disk = 0
    parts: Counter[str] = Counter()
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", image], check=True, stdout=saved)  # noqa: S607  whichever docker is in use
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            for name in json.load(_member(archive, "manifest.json"))[0]["Layers"]:
                compressed += _gzipped(_member(archive, name))
                with tarfile.open(fileobj=_member(archive, name)) as layer:
                    for entry in layer:
                        if entry.isfile():
                            on_disk += entry.size
                            parts[_part_of(entry.name)] += _gzipped(_member(layer, entry))
    return Size(compressed, on_disk, parts)


def _member(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise ValueError(f"{member} is not a file")
    return content


def _gzipped(content: IO[bytes]) -> int:
    # Engines push with level 6 and a gzip header.
    packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
    total = 0
    while chunk := content.read(1 << 20):
        total += len(packer.compress(chunk))
    return total + len(packer.flush())


def _part_of(path: str) -> str:
    """Return the name of the part that a file belongs to: its package, the standard library, or the file itself."""
    below = path.partition("/dist-packages/")[2]
    if below:
        return f"wheel or package {below.partition('/')[0]}"
    return "the standard library's byte-code" if path.endswith(".pyc") else path


def too_large(size: Size, budget: float) -> bool:
    """Return whether an image is over its budget in megabytes."""
    return size.compressed > budget * 1e6


def main(images: list[str]) -> int:
    """Print the sizes. Return 1 if an image is over its budget."""
    code = 0
    for image in images:
        size = measure(image)
        line = f"{image}: {size.compressed / 1e6:.2f} MB compressed, {size.on_disk / 1e6:.2f} MB on disk"
        if budget := BUDGETS.get(image.rpartition(":")[2]):
            line += f" (budget: {budget} MB compressed)"
            if too_large(size, budget):
                line += ": TOO LARGE"
                code = 1
        print(line)
        for part, compressed in size.parts.most_common(SHOWN):
            print(f"  {compressed / 1e6:6.3f}  {part}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
