"""Sizes of images, gzip-compressed as in a registry: ``python -m image.size IMAGE...``.

A megabyte is a million bytes. The exit code is 1 if an image is larger than the budget for its tag.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO

BUDGETS = {"default": 14.8, "two-encodings": 13.4, "offline": 10.3, "data": 3.9}
"""Tag -> maximum size of the compressed image in megabytes. `make size` builds and measures these images."""


def layers(image: str) -> Iterator[IO[bytes]]:
    """Yield each layer of an image of the local engine as a tar, from the lowest to the highest."""
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", image], check=True, stdout=saved)  # noqa: S607  whichever docker is in use
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            for name in json.load(_member(archive, "manifest.json"))[0]["Layers"]:
                yield _member(archive, name)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    assert content is not None  # noqa: S101  for the type checker: the engine's archive has no directory of that name
    return content


def measure(image: str) -> float:
    """Return the compressed size of an image of the local engine, in megabytes."""
    return sum(map(_gzipped, layers(image))) / 1e6


def _gzipped(content: IO[bytes]) -> int:
    # Engines push with level 6 and a gzip header.
    packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
    return sum(len(packer.compress(chunk)) for chunk in iter(lambda: content.read(1 << 20), b"")) + len(packer.flush())


def main(images: list[str]) -> int:
    """Print the sizes. Return 1 if an image is over its budget."""
    over = False
    for image in images:
        size, budget = measure(image), BUDGETS.get(image.rpartition(":")[2], float("inf"))
        verdict = "TOO LARGE" if size > budget else "within the budget"
        print(f"{image}: {size:.2f} MB compressed, {verdict} ({budget} MB)")
        over |= size > budget
    return int(over)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
