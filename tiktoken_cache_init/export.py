"""The export command: the vocabularies of a ready directory as a reproducible tar."""

import io
import os
import tarfile
from typing import IO

from . import place
from .errors import NotReadyError, VolumeError, storage_errors
from .settings import Settings
from .volume.identify import has_digest
from .volume.inspect import State, inspect
from .volume.mounts import require_mount


def export(settings: Settings, stream: IO[bytes]) -> None:
    """Write the wanted files to a tar: sorted by name, owned by root, with time 0 and the mode of the settings.

    Raises:
        NotReadyError: a wanted file is missing or wrong. Nothing has been written.
        VolumeError: the directory cannot be read.
    """
    directory = settings.cache_dir
    findings = inspect(settings.cache_dir, settings.targets)
    lacking = [f"{f.target.vocabulary.published_name} ({f.text})" for f in findings if f.state is not State.RIGHT]
    if lacking:
        if place.in_image():
            require_mount(directory)
        raise NotReadyError(f"{directory} is not ready to be exported: {'; '.join(lacking)}: run fill first")
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for finding in sorted(findings, key=lambda finding: finding.target.name):
            path = os.path.join(directory, finding.target.name)
            with storage_errors("read", path), open(path, "rb") as file:
                content = file.read(finding.target.vocabulary.max_size + 1)
            if not has_digest(content, finding.target.vocabulary):
                raise VolumeError(
                    f"{path} changed while it was exported: stop the program that writes it, then export again"
                )
            member = tarfile.TarInfo(finding.target.name)
            member.size, member.mode = len(content), settings.mode
            archive.addfile(member, io.BytesIO(content))
