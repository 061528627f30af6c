"""The export command: the vocabularies of a ready directory as a reproducible tar."""

import hashlib
import io
import tarfile
from typing import IO

from . import place
from .errors import NotReadyError, VolumeError, storage_errors
from .settings import Settings
from .volume.inspect import Finding, State, inspect
from .volume.mounts import require_mount


def export(settings: Settings, stream: IO[bytes]) -> None:
    """Write the wanted files to a tar: sorted by name, owned by root, with time 0 and the mode of the settings.

    Raises:
        NotReadyError: a wanted file is missing or wrong. Nothing has been written.
        VolumeError: a file cannot be read, or it has other bytes than at its inspection.
    """
    findings = inspect(settings.targets)
    lacking = [f"{f.vocabulary.published_name} ({f.text})" for f in findings if f.state is not State.RIGHT]
    if lacking:
        if place.in_image():
            require_mount(settings.cache_dir)
        raise NotReadyError(f"{settings.cache_dir} is not ready to be exported: {'; '.join(lacking)}: run fill first")
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for finding in sorted(findings, key=lambda finding: finding.name):
            content = _content(finding)
            member = tarfile.TarInfo(finding.name)
            member.size, member.mode = len(content), settings.mode
            archive.addfile(member, io.BytesIO(content))


def _content(finding: Finding) -> bytes:
    with storage_errors("read", finding.path), open(finding.path, "rb") as file:
        content = file.read(finding.vocabulary.max_size)
    if hashlib.sha256(content).hexdigest() != finding.vocabulary.sha256:
        raise VolumeError(
            f"{finding.path} changed while it was exported: stop the program that writes it, then export again"
        )
    return content
