"""The export command: the vocabularies of a ready directory as a reproducible tar."""

import hashlib
import os
import tarfile
from io import FileIO
from typing import IO, Any

from . import place
from .catalogue import Vocabulary
from .errors import NotReadyError, VolumeError, storage_errors
from .settings import Settings
from .volume.inspect import State, inspect
from .volume.mounts import require_mount


def export(settings: Settings, stream: IO[bytes]) -> None:
    """Write the wanted files to a tar: sorted by name, owned by root, with time 0 and the mode of the settings.

    Raises:
        NotReadyError: a wanted file is missing or wrong. Nothing has been written.
        VolumeError: the directory cannot be read.
    """
    directory = settings.cache_dir
    findings = inspect(settings.targets)
    lacking = [f"{f.vocabulary.published_name} ({f.text})" for f in findings if f.state is not State.RIGHT]
    if lacking:
        if place.in_image():
            require_mount(directory)
        raise NotReadyError(f"{directory} is not ready to be exported: {'; '.join(lacking)}: run fill first")
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for finding in sorted(findings, key=lambda finding: finding.name):
            path = finding.path
            with storage_errors("read", path):
                file = open(path, "rb", buffering=0)  # noqa: SIM115
            with file:
                content: Any = _Content(path, file, finding.vocabulary)
                member = tarfile.TarInfo(finding.name)
                member.size, member.mode = content.left, settings.mode
                archive.addfile(member, content)


class _Content:
    """Content of a member of the tar. Reading it fails if it is not the vocabulary, before its last bytes are returned."""

    def __init__(self, path: str, file: FileIO, vocabulary: Vocabulary) -> None:
        self._path, self._file, self._vocabulary = path, file, vocabulary
        self._digest = hashlib.sha256()
        self.left = os.fstat(file.fileno()).st_size
        """Number of bytes that are not read yet."""
        self.read(0)

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            VolumeError: the file cannot be read, or it has other bytes than at its inspection.
        """
        with storage_errors("read", self._path):
            data = self._file.read(size)
        self._digest.update(data)
        self.left -= len(data)
        if len(data) < size or (not self.left and self._digest.hexdigest() != self._vocabulary.sha256):
            raise VolumeError(
                f"{self._path} changed while it was exported: stop the program that writes it, then export again"
            )
        return data
