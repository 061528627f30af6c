"""A fill that has something to do: in what order it is done, and what ends it."""

from __future__ import annotations

import os

from . import complaints
from .errors import InitError, VolumeError
from .explanations import explain
from .findings import Finding
from .leftovers import sweep
from .outcomes import FAILED, Filled
from .plan import held_under, plan
from .record import Record
from .reuse import mend, put_beside
from .run import DeadlinePassed, Run
from .settings import Settings
from .staging import Stage
from .supply import Supply
from .volume import Volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .supply import Watch


class Job:
    """One such fill."""

    def __init__(self, settings: Settings, run: Run, volume: Volume, findings: Sequence[Finding], watch: Watch) -> None:
        self._settings = settings
        self._volume = volume
        self._record = Record(findings)
        self._stage = Stage(volume, settings, run)
        self._supply = Supply(settings, run, self._stage, self._record, watch)

    def filled(self) -> Filled:
        """Do it, and say what was done."""
        error = self._error()
        return Filled(self._record.outcomes(), error)

    def _error(self) -> InitError | None:
        try:
            self._work()
        except VolumeError as error:
            return error
        except OSError as error:
            return VolumeError(explain(error, "use", self._volume.path))
        except DeadlinePassed:
            self._record.cut_off()
            cause = f"the deadline of {self._settings.deadline:g} s passed"
            return complaints.not_obtained(self._record.outcomes(), cause)
        outcomes = self._record.outcomes()
        return complaints.not_obtained(outcomes) if any(outcome.action == FAILED for outcome in outcomes) else None

    def _work(self) -> None:
        if os.fstatvfs(self._volume.fd).f_flag & os.ST_RDONLY:
            raise complaints.read_only(self._volume.path, self._record.findings)
        todo = plan([f for f in self._record.findings if not f.ready and not self._mend(f)])
        if todo.originals:
            self._stage.needed = todo.size
            self._supply.provide(todo.originals)
        for finding in todo.beside:
            self._put_beside(finding)
        sweep(self._volume)
        if self._record.has_installed():
            self._stage.sync()

    def _mend(self, finding: Finding) -> bool:
        if not finding.lacks or not mend(self._volume, finding.target, self._settings.mode, self._settings.owner):
            return False
        self._record.mended(finding)
        return True

    def _put_beside(self, finding: Finding) -> None:
        target, outstanding = finding.target, self._record.outstanding()
        if target.vocabulary not in outstanding and not held_under(finding, self._supply.places, outstanding):
            self._record.provided(finding, put_beside(self._stage, target))
