"""Saying what state the volume is in, without changing anything."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from .run import Run
from .settings import Settings
from .volume import Finding, open_volume, targets_of


class Verified(NamedTuple):
    """The result of a verification."""

    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    """What is wrong with the folder itself."""

    @property
    def ready(self) -> bool:
        """Whether the contract holds."""
        return not self.problems and all(finding.ready for finding in self.findings)


def verify(settings: Settings, run: Run) -> Verified:
    """Inspect every wanted name.

    Raises:
        VolumeError: the volume cannot be opened or read.

    """
    volume = open_volume(settings, create=False)
    findings = run.map(lambda target: volume.inspect(target, settings.mode, settings.owner), targets_of(settings))
    problems = []
    if volume.missing_mode(settings.dir_mode) & 0o555:
        mode = stat.S_IMODE(os.fstat(volume.fd).st_mode)
        problems.append(f"the folder has mode {mode:04o}: not every user can read in it")
    return Verified(tuple(findings), tuple(problems))
