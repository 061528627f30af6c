"""The export command: the ready directory as a tar, the same bytes each time, for hosts that get only a file."""

import io
import os
import tarfile
from typing import IO

from .cache.advice import volume_errors
from .cache.identify import has_digest
from .cache.inspect import State, inspect
from .cache.mounts import not_mounted
from .errors import NotReadyError, VolumeError
from .settings import Settings, in_image


def export(settings: Settings, stream: IO[bytes]) -> None:
    """Write the wanted files, sorted by name, owned by root, with the mode of the settings and no time of their own.

    Raises:
        NotReadyError: the directory does not hold them all; nothing has been written.
        VolumeError: the directory cannot be read.
    """
    directory = settings.cache_dir
    findings = inspect(settings.cache_dir, settings.targets)
    lacking = [f"{f.target.vocabulary.published_name} ({f.text})" for f in findings if f.state is not State.RIGHT]
    if lacking:
        problem = not_mounted(directory) if in_image() else ""
        raise NotReadyError(problem or f"{directory} is not ready to be exported: {'; '.join(lacking)}: run fill first")
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for finding in sorted(findings, key=lambda finding: finding.target.name):
            path = os.path.join(directory, finding.target.name)
            with volume_errors("read", path), open(path, "rb") as file:
                content = file.read(finding.target.vocabulary.limit + 1)
            if not has_digest(content, finding.target.vocabulary):
                raise VolumeError(
                    f"{path} changed while it was exported: stop the program that writes it, then export again"
                )
            member = tarfile.TarInfo(finding.target.name)
            member.size, member.mode = len(content), settings.mode
            archive.addfile(member, io.BytesIO(content))
