"""The doctor: what state the volume is in, what a gateway would do with it, and the cure. Changes nothing."""

from __future__ import annotations

import os

from . import search
from .catalogue import Vocabulary
from .diagnosis import DIES
from .errors import VolumeError
from .light import NamedTuple
from .run import Run
from .settings import Settings
from .volume import MISSING, Demand, Finding, Volume, explain, open_volume, targets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Examined(NamedTuple):
    """One wanted name, and how to put it right."""

    finding: Finding
    cure: str
    """Empty if nothing is wrong."""


class Verified(NamedTuple):
    """The result of a verification."""

    files: tuple[Examined, ...]
    problems: tuple[str, ...]
    """What is wrong with the folder as a whole, each with its cure."""

    @property
    def ready(self) -> bool:
        """Whether the consumer would start and count right."""
        return not self.problems and all(examined.finding.ready for examined in self.files)


def verify(settings: Settings, run: Run) -> Verified:
    """Examine every wanted name.

    Raises:
        NotReady: there is no such folder.
        VolumeError: it cannot be read.
    """
    try:
        return _verify(settings, run)
    except OSError as error:
        raise VolumeError(explain(error, "use", settings.cache_dir)) from error


def _verify(settings: Settings, run: Run) -> Verified:
    volume = open_volume(settings, create=False)
    demand = Demand(settings.mode, settings.owner, settings.reader)
    hidden = not volume.lets_in(settings.reader) if settings.reader else bool(volume.missing_mode(0o111))
    findings = [f._replace(hidden=hidden) for f in run.map(lambda t: volume.inspect(t, demand), targets_of(settings))]
    if all(finding.ready for finding in findings):
        return Verified(tuple(Examined(finding, "") for finding in findings), _folder_problems(volume, settings))
    elsewhere = _look_elsewhere(volume, [finding.target.vocabulary for finding in findings if not finding.ready])
    files = tuple(Examined(finding, _cure(finding, elsewhere, findings)) for finding in findings)
    return Verified(files, (*_folder_problems(volume, settings), *_one_of_two(findings)))


def _folder_problems(volume: Volume, settings: Settings) -> tuple[str, ...]:
    mode = volume.mode()
    if settings.reader:
        if volume.lets_in(settings.reader):
            return ()
        return (
            f"the folder has mode {mode:04o}, and the consumer's user cannot look into it, so the gateway dies: chmod it, or run fill",
        )
    if volume.missing_mode(settings.dir_mode) & 0o555:
        return (f"the folder has mode {mode:04o}, and not every user can read in it: chmod it, or run fill",)
    return ()


def _one_of_two(findings: Sequence[Finding]) -> tuple[str, ...]:
    ready = [finding for finding in findings if finding.ready]
    missing = [f for f in findings if f.state == MISSING and f.prognosis.outcome == DIES]
    if len(ready) == 1 and missing:
        here, lacking = ready[0].target.vocabulary, missing[0].target.vocabulary
        return (
            f"{here.published_name} alone is not enough: the gateway loads {lacking.published_name} too when it starts",
        )
    return ()


def _look_elsewhere(volume: Volume, wanted: Sequence[Vocabulary]) -> dict[Vocabulary, str]:
    """Find the right bytes under other names below the folder, or right above it; paths are relative to the folder."""
    found = {v: os.path.relpath(path, volume.path) for v, path in search.find(volume.path, wanted).items()}
    parent = os.path.dirname(os.path.abspath(volume.path))
    above = search.find(parent, [v for v in wanted if v not in found], levels=1)
    return found | {v: os.path.join("..", os.path.basename(path)) for v, path in above.items()}


def _cure(finding: Finding, elsewhere: dict[Vocabulary, str], findings: Sequence[Finding]) -> str:
    if finding.ready:
        return ""
    name, vocabulary = finding.target.name, finding.target.vocabulary
    if finding.lacks:
        return "run fill, or chmod and chown it yourself"
    place = elsewhere.get(vocabulary)
    if place is None:
        return "run fill"
    if place.startswith("../"):
        return f"its bytes are one folder too high, in {place}: mount that folder, or move the file to {name}"
    if "/" in place:
        return f"its bytes are a folder too deep, in {place}: run fill, which copies them to {name}"
    if place in {other.target.name for other in findings if other.target != finding.target}:
        return f"its bytes are under another vocabulary's name, {place}: run fill, which puts both right"
    if place == vocabulary.published_name:
        return f"its bytes are there under the published name, which nobody looks for: run fill, or rename it to {name}"
    return f"its bytes are there under another name, {place}: run fill, or rename it to {name}"
