"""The verify command: the state of each target, what a gateway does with it, and the fix. It changes nothing."""

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from . import place
from .catalogue import Vocabulary
from .errors import NotReadyError, VolumeError, storage_errors, user_text
from .gateway import LOADED_AT_START, Prediction, predict
from .settings import Settings
from .volume import search
from .volume.directory import is_read_only, nearest, permissions
from .volume.inspect import Finding, State, inspect
from .volume.mounts import require_mount


class Fix(NamedTuple):
    """Fix for one target, or problem of the directory with its fix."""

    text: str
    by_fill: bool = True
    """Whether running fill applies the fix."""


class Examined(NamedTuple):
    """Result for one target."""

    finding: Finding
    prediction: Prediction
    fix: Fix | None
    """None if nothing is wrong."""


class Verified(NamedTuple):
    """Result of a verification."""

    files: tuple[Examined, ...]
    problems: tuple[Fix, ...] = ()
    """Problems of the directory itself, each as one line ``cause: remedy``."""
    read_only: bool = False
    """Whether the directory is mounted read-only."""

    @property
    def ready(self) -> bool:
        """Whether every wanted file is right and readable."""
        return not self.problems and all(examined.finding.ready for examined in self.files)

    @property
    def fill_helps(self) -> bool:
        """Whether running fill is one of the fixes."""
        fixes = (*(examined.fix for examined in self.files), *self.problems)
        return any(fix is not None and fix.by_fill for fix in fixes)

    @property
    def gateway_starts(self) -> bool:
        """Whether a gateway starts and counts correctly. It does not need every file that the settings ask for."""
        right = {examined.finding.name for examined in self.files if examined.finding.ready}
        return not self.problems and right >= LOADED_AT_START.keys()


def verify(settings: Settings) -> Verified:
    """Examine every target.

    Raises:
        NotReadyError: the directory does not exist.
        VolumeError: the directory cannot be read.
    """
    directory = settings.cache_dir
    if place.in_image():
        require_mount(directory)
    with storage_errors("open", directory):
        try:
            is_directory = stat.S_ISDIR(os.stat(directory).st_mode)
        except FileNotFoundError:
            raise NotReadyError(
                f"there is no directory {directory}: run fill to make it, or name the right one{_nearby(settings)}"
            ) from None
    if not is_directory:
        raise VolumeError(f"{directory} is not a directory: mount a volume or a directory there")
    findings = inspect(settings.targets, settings.mode, settings.owner)
    elsewhere = _elsewhere(directory, [finding.vocabulary for finding in findings if not finding.ready])
    files = tuple(
        Examined(finding, predict(finding), _fix(finding, elsewhere, findings, settings)) for finding in findings
    )
    mode, missing = permissions(directory, settings.mode, settings.owner)
    closed = Fix(
        f"the directory has mode {mode:04o}, so not every user can read its files: run fill, or chmod "
        f"{mode | missing:04o} the directory (to see what a user can read, run verify as that user)"
    )
    return Verified(files, (closed,) if missing else (), is_read_only(directory))


def _nearby(settings: Settings) -> str:
    """Return a hint if the right bytes are near a directory that does not exist; else an empty string."""
    near = nearest(settings.cache_dir)
    found = search.find(near, settings.vocabularies, levels=2) if near != "/" else {}
    directories = sorted({os.path.dirname(path) for path in found.values()})
    return f" (vocabularies are in {', '.join(directories)})" if directories else ""


def _elsewhere(directory: str, wanted: Sequence[Vocabulary]) -> dict[Vocabulary, str]:
    """Return vocabulary -> relative path of its bytes, if they are in or below the directory or in its parent."""
    found = search.find(directory, wanted)
    parent = os.path.dirname(directory)
    above = search.find(parent, [vocabulary for vocabulary in wanted if vocabulary not in found], levels=1)
    return {vocabulary: os.path.relpath(path, directory) for vocabulary, path in (above | found).items()}


def _fix(
    finding: Finding, elsewhere: dict[Vocabulary, str], findings: Sequence[Finding], settings: Settings
) -> Fix | None:
    if finding.ready:
        return None
    name, vocabulary = finding.name, finding.vocabulary
    if finding.lacks:
        chown = f" and chown {user_text(*settings.owner)}" if settings.owner else ""
        return Fix(f"run fill, or chmod {settings.mode:04o}{chown} the file")
    if finding.state is State.UNREADABLE:
        return Fix(
            "a gateway that runs as this user cannot read the file either: run fill as root or as the owner of the directory"
        )
    if finding.occupied:
        return Fix(f"move or remove the directory {name}, then run fill")
    path = elsewhere.get(vocabulary)
    if path is None or finding.state is State.DIRECTORY:
        return Fix("run fill")
    # A copy leaves the file for the other names that need it.
    copy = f"copy {path} to {name}"
    if directory := os.path.dirname(path):
        # Another mount helps only if one directory holds every wanted file under its right name.
        there = settings._replace(cache_dir=os.path.normpath(os.path.join(settings.cache_dir, directory)))
        all_there = all(each.state is State.RIGHT for each in inspect(there.targets))
        mount = "mount that directory, or " if all_there else ""
        if directory == "..":
            return Fix(f"the right bytes are one directory too high, in {path}: {mount}{copy}", by_fill=False)
        return Fix(f"the right bytes are in a subdirectory, in {path}: {mount}run fill")
    if any(other.name == path and other.vocabulary != vocabulary for other in findings):
        return Fix(f"the right bytes are under another vocabulary's name, {path}: run fill")
    if path == vocabulary.published_name:
        return Fix(f"the right bytes have the published name, which gateways do not look for: run fill, or {copy}")
    return Fix(f"the right bytes are under another name, {path}: run fill, or {copy}")
