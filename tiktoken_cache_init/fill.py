"""The fill command: what the volume holds -> what is missing -> sources -> atomic install -> what was done.

Most runs find everything ready, and a gateway waits for each of them: what only the others need is loaded only by them.
"""

from __future__ import annotations

import os

from .errors import VolumeError
from .explanations import explain
from .findings import Demand
from .leftovers import sweep
from .mounts import unmounted
from .outcomes import KEPT, Filled, Outcome
from .run import Run
from .settings import Settings
from .volume import Volume, open_volume, targets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .supply import Watch


def fill(settings: Settings, run: Run, watch: Watch) -> Filled:
    """Make the volume ready. ``watch`` is called a few times a second while bytes are awaited.

    Raises:
        VolumeError: there is none, or it cannot be opened or inspected.
    """
    if lost := unmounted(settings.cache_dir):
        raise VolumeError(lost)
    try:
        volume = open_volume(settings, create=True)
        demand = Demand(settings.mode, settings.owner)
        findings = run.map(lambda target: volume.inspect(target, demand), targets_of(settings))
        _open_up(volume, settings)
        if all(finding.ready for finding in findings):
            sweep(volume)
            return Filled(tuple(Outcome(finding, KEPT) for finding in findings))
        from .job import Job

        return Job(settings, run, volume, findings, watch).filled()
    except OSError as error:
        raise VolumeError(explain(error, "use", settings.cache_dir)) from error


def _open_up(volume: Volume, settings: Settings) -> None:
    """Let every user look into the folder: the consumer may run as any."""
    if missing := volume.missing_mode(settings.dir_mode):
        mode, cause = volume.mode(), "the volume does not keep it"
        try:
            os.fchmod(volume.fd, mode | missing)
        except OSError as error:
            cause = error.strerror or str(error)
        if volume.missing_mode(settings.dir_mode):
            from .complaints import closed

            raise closed(volume.path, mode, missing, cause)
    if settings.dir_mode & 0o111 == 0o111 and not volume.lets_in(None):
        from .complaints import shut_off

        raise shut_off(volume.path, volume.mode())
