"""The ready cache as a tar, the same bytes each time, for hosts that get only a file."""

from __future__ import annotations

import hashlib
import os

from .content import CHUNK, holds
from .errors import NotReady, VolumeError
from .explanations import explain
from .findings import GOOD, Target
from .mounts import unmounted
from .settings import Settings
from .ustar import Writer
from .volume import Volume, open_volume, targets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import BinaryIO


def export(settings: Settings, stream: BinaryIO) -> None:
    """Write the wanted files, sorted by name, owned by root, with the mode of the settings and no time of their own.

    Raises:
        NotReady: the folder does not hold them all; nothing has been written.
        VolumeError: the folder cannot be read, or a file in it changed meanwhile; the tar has no end.
    """
    try:
        volume = open_volume(settings, create=False)
        targets = _ready(volume, settings)
    except NotReady:
        if lost := unmounted(settings.cache_dir):
            raise NotReady(lost) from None
        raise
    tar = Writer(stream)
    for target in targets:
        _add(tar, volume, target, settings.mode)
    tar.close()


def _ready(volume: Volume, settings: Settings) -> list[Target]:
    targets = sorted(targets_of(settings), key=lambda target: target.name)
    lacking = [f"{t.vocabulary.published_name} ({f.text})" for t in targets if (f := volume.inspect(t)).state != GOOD]
    if lacking:
        raise NotReady(f"{volume.path} is not ready to be exported: {'; '.join(lacking)}: run fill first")
    return targets


def _add(tar: Writer, volume: Volume, target: Target, mode: int) -> None:
    reading = _Reading(os.path.join(volume.path, target.name))
    with reading:
        fd = os.open(target.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=volume.fd)
    try:
        with reading:
            size = os.fstat(fd).st_size
            # The name may have become another file's since it was inspected: what is checked here is what goes out.
            if not holds(fd, os.fstat(fd), target.vocabulary):
                raise _changed(target)
            os.lseek(fd, 0, os.SEEK_SET)
        tar.add(target.name, size, mode, _content(fd, size, target, reading))
    finally:
        os.close(fd)


def _content(fd: int, size: int, target: Target, reading: _Reading) -> Iterator[bytes]:
    digest = hashlib.sha256()
    while size:
        with reading:
            chunk = os.read(fd, min(CHUNK, size))
        if not chunk:
            break
        digest.update(chunk)
        size -= len(chunk)
        yield chunk
    # Another program may write into the very file that goes out.
    if digest.hexdigest() != target.vocabulary.sha256:
        raise _changed(target)


def _changed(target: Target) -> VolumeError:
    return VolumeError(f"{target.name} changed while it was exported: run export again")


class _Reading:
    """Tells a failure of the volume from one of the stream."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise VolumeError(explain(error, "read", self._path)) from error
