"""File system of an image, read from its layers, because a container also holds files of the engine."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path


def layers(image: str) -> Iterator[tarfile.TarFile]:
    """Yield each layer of an image, from the lowest to the highest."""
    saved = subprocess.run(["docker", "save", image], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        for name in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                yield layer


def entries(image: str) -> list[tarfile.TarInfo]:
    """Return every entry of an image's layers."""
    return [entry for layer in layers(image) for entry in layer]


def extract(image: str, directory: Path) -> None:
    """Write the file system of an image into a directory. Links stay unchanged, including absolute ones."""
    for layer in layers(image):
        layer.extractall(directory, filter="fully_trusted")
