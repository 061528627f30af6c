"""The file system of an image, out of its layers: a container's would have the engine's own files in it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path


def layers(image: str) -> Iterator[tarfile.TarFile]:
    """Yield each layer of an image of the engine, from the lowest up."""
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
    """Write the file system of an image into a directory. Links stay as they are, absolute ones too."""
    for layer in layers(image):
        layer.extractall(directory, filter="fully_trusted")
