"""The ready cache as a tar, the same bytes each time, for hosts that get only a file."""

from __future__ import annotations

import io
import os
import tarfile

from .errors import NotReady, VolumeError
from .settings import Settings
from .volume import GOOD, Target, Volume, explain, open_volume, targets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def export(settings: Settings, stream: BinaryIO) -> None:
    """Write the wanted files, sorted by name, owned by root, with the mode of the settings and no time of their own.

    Raises:
        NotReady: the folder does not hold them all; nothing has been written.
        VolumeError: the folder cannot be read.
    """
    volume = open_volume(settings, create=False)
    targets = sorted(targets_of(settings), key=lambda target: target.name)
    lacking = [f"{t.vocabulary.published_name} ({f.text})" for t in targets if (f := volume.inspect(t)).state != GOOD]
    if lacking:
        raise NotReady(f"{volume.path} is not ready to be exported: {'; '.join(lacking)}: run fill first")
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for target in targets:
            content = _read(volume, target)
            entry = tarfile.TarInfo(target.name)
            entry.size = len(content)
            entry.mode = settings.mode
            tar.addfile(entry, io.BytesIO(content))


def _read(volume: Volume, target: Target) -> bytes:
    import hashlib

    try:
        fd = os.open(target.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=volume.fd)
        with os.fdopen(fd, "rb") as file:
            content = file.read(target.vocabulary.limit + 1)
    except OSError as error:
        raise VolumeError(explain(error, "read", os.path.join(volume.path, target.name))) from error
    # Checked on the very bytes that go out: the file may have been replaced since it was inspected.
    if hashlib.sha256(content).hexdigest() != target.vocabulary.sha256:
        raise VolumeError(f"{target.name} changed while it was exported: run export again")
    return content
