"""The fill command: inspect every target, stage every missing file, install every file with the right digest.

1. Make the directory and inspect every target. If all are ready, only remove the temporary files of killed runs.
2. Make a temporary file for each target that is not ready. Copy the bytes from the volume, if they are there under
   another name. Otherwise try the sources in order, until the digest is right.
3. Rename the right files to their final names. All copies are made before the first rename, so two swapped files are
   repaired.
4. Sync the directory, and remove the temporary files of killed runs.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from . import interrupts, place, sources
from .catalogue import Target, Vocabulary
from .errors import DeadlinePassed, InitError, Interrupted, NotObtainedError, ReadOnlyError, Stopped, VolumeError
from .gateway import also_needed
from .settings import Settings
from .sources import Delivery, Failure, Watch
from .volume import search, staging
from .volume.directory import is_read_only, make_writable, prepare
from .volume.inspect import Finding, State, inspect
from .volume.mounts import require_mount, short_lived
from .volume.staging import OccupiedError, StagedFile, VanishedError
from .volume.sweep import sweep

_MAX_PASSES = 5
"""Maximum passes of one fill, if other runs change the directory meanwhile."""
_BETWEEN_PASSES = 0.1
"""Seconds between two passes."""


class Action(StrEnum):
    """Action of a fill on one target."""

    KEPT = "kept"
    """The file was ready."""
    REPAIRED = "repaired"
    """The bytes were right; the mode or owner was set."""
    INSTALLED = "installed"
    REPLACED = "replaced"
    FAILED = "failed"


class Outcome(NamedTuple):
    """Result for one target."""

    before: Finding
    action: Action
    source: str = ""
    """Place that supplied the bytes."""
    failures: tuple[Failure, ...] = ()
    """Failed attempts, in order."""


class Filled(NamedTuple):
    """Result of a fill."""

    outcomes: tuple[Outcome, ...]
    error: InitError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def replaced(self) -> bool:
        """Whether a running gateway may have read a wrong file, so that it must be restarted."""
        return any(outcome.action is Action.REPLACED for outcome in self.outcomes)


def fill(settings: Settings, watch: Watch) -> Filled:
    """Put every wanted vocabulary into the directory.

    Args:
        settings: the settings of the run.
        watch: called several times a second during downloads.

    Raises:
        VolumeError: the directory cannot be used or inspected.
        DeadlinePassed, Stopped: a signal handler raised it.
    """
    directory = settings.cache_dir
    if place.in_image():
        require_mount(directory)
    prepare(directory, settings.mode, settings.owner)
    findings = inspect(directory, settings.targets, settings.mode, settings.owner)
    work = _Work(settings, findings, watch)
    error: InitError | None = None
    warnings: list[str] = []
    cause = f"the deadline of {settings.deadline:g} s passed"
    # If every file is right, a deadline that passes now is no error.
    with contextlib.suppress(DeadlinePassed):
        if not all(finding.ready for finding in findings):
            try:
                work.run()
            except InitError as failure:
                error = failure
        if not (error or work.missing()):
            sweep(directory, settings.vocabularies)
        warnings = _warnings(settings)
        # The deadline passes once at the most: it cannot interrupt what follows.
        interrupts.end_deadline()
        cause = ""
    if work.missing() and not error:
        error = work.not_obtained(cause)
    return Filled(work.outcomes(), error, (*work.warnings(), *warnings))


class _Work:
    """State of one fill: the deliveries, and the result for each target."""

    def __init__(self, settings: Settings, findings: Sequence[Finding], watch: Watch) -> None:
        self._settings = settings
        self._directory = settings.cache_dir
        self._watch = watch
        self._findings = {finding.target: finding for finding in findings}
        self._done = {finding.target: Outcome(finding, Action.KEPT) for finding in findings if finding.ready}
        self._deliveries: dict[Vocabulary, Delivery] = {}
        self._end = time.monotonic() + settings.deadline

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the result for each target, in the order of the findings."""
        return tuple(
            self._done.get(target) or Outcome(finding, Action.FAILED, failures=self._failures(target))
            for target, finding in self._findings.items()
        )

    def warnings(self) -> list[str]:
        """Return the warnings of the sources, each once."""
        return list(dict.fromkeys(text for delivery in self._deliveries.values() for text in delivery.warnings))

    def run(self) -> None:
        """Repair and install as many targets as possible.

        Raises:
            InitError: the directory cannot be written, or a setting is wrong. Some targets may be ready.
            DeadlinePassed, Stopped: a signal handler raised it.
        """
        if is_read_only(self._directory):
            raise self._read_only()
        make_writable(self._directory)
        self._repair_permissions()
        for _ in range(_MAX_PASSES):
            if not self.missing() or not self._pass():
                break

    def missing(self) -> list[Target]:
        """Return the targets that are not ready."""
        return [target for target in self._findings if target not in self._done]

    def _failures(self, target: Target) -> tuple[Failure, ...]:
        delivery = self._deliveries.get(target.vocabulary)
        return tuple(delivery.failures) if delivery else ()

    def _ready_now(self) -> set[Target]:
        settings = self._settings
        findings = inspect(self._directory, settings.targets, settings.mode, settings.owner)
        return {finding.target for finding in findings if finding.ready}

    def _repair_permissions(self) -> None:
        """Set the mode and owner of files that are not readable, or not right. If the kernel refuses, a copy replaces them."""
        mode, owner = self._settings.mode, self._settings.owner
        changed = [
            target
            for target in self.missing()
            if (self._findings[target].lacks or self._findings[target].state is State.UNREADABLE)
            and staging.repair_permissions(os.path.join(self._directory, target.name), mode, owner)
        ]
        ready = self._ready_now() if changed else set()
        for target in changed:
            if target in ready:
                self._done[target] = Outcome(self._findings[target], Action.REPAIRED)

    def _pass(self) -> bool:
        """Stage every missing file, install those with the right digest, and return whether another pass may help.

        Whatever ends the staging, the files that are right are installed.

        Raises:
            InitError: the directory cannot be written, or a setting is wrong.
            DeadlinePassed, Stopped: a signal handler raised it.
        """
        missing = self.missing()
        needed = sum(target.vocabulary.size or 0 for target in missing)
        files = {target: StagedFile(self._directory, target.vocabulary, needed) for target in missing}
        ended: InitError | Interrupted | None = None
        try:
            try:
                self._stage(files)
            except (InitError, Interrupted) as error:
                ended = error
            with interrupts.blocked():
                vanished = self._install(self._installable(files))
        finally:
            with interrupts.blocked():
                for staged in files.values():
                    staged.discard()
        if ended and (self.missing() or isinstance(ended, Stopped)):
            raise ended
        return bool(self.missing()) and (self._check_other_runs() or vanished)

    def _stage(self, files: dict[Target, StagedFile]) -> None:
        """Fill the temporary files from the sources, as far as possible."""
        # Temporary files of killed runs may fill a small volume.
        sweep(self._directory, self._settings.vocabularies)
        for staged in files.values():
            staged.create(self._settings.mode)
        self._deliveries = {}
        for target, staged in files.items():
            self._deliveries.setdefault(target.vocabulary, Delivery(staged))
        sources.supply(list(self._deliveries.values()), self._settings, self._end, self._watch)
        for target, staged in files.items():
            first = self._deliveries[target.vocabulary].staged
            if staged is not first and first.is_right:
                staged.copy_from(first)

    def _installable(self, files: dict[Target, StagedFile]) -> dict[Target, StagedFile]:
        """Return the right files. Leave out a file that may overwrite the only copy of a vocabulary that is not installed."""
        stuck = {
            target.vocabulary
            for target, staged in files.items()
            if not staged.is_right or self._findings[target].occupied
        }
        right = {target: staged for target, staged in files.items() if staged.is_right}
        for target in list(right):
            finding = self._findings[target]
            if copies := sorted(each.published_name for each in stuck if finding.may_hold(each)):
                del right[target]
                reason = f"it is not replaced, because it may be the only copy of {', '.join(copies)}"
                reader = "run fill as a user who can read" if finding.state is State.UNREADABLE else "move away"
                failure = Failure(target.name, reason, f"{reader} {target.name}")
                self._deliveries[target.vocabulary].failures.append(failure)
        return right

    def _install(self, right: dict[Target, StagedFile]) -> bool:
        """Rename the files to their final names. Return whether another program removed a temporary file."""
        vanished = False
        for staged in right.values():
            staged.finish(self._settings.mode, self._settings.owner)
        occupied: OccupiedError | None = None
        try:
            for target, staged in right.items():
                try:
                    staged.install(target.name)
                except VanishedError:
                    vanished = True
                except OccupiedError as error:
                    occupied = error
                else:
                    self._record_installed(target)
        except VolumeError:
            # A temporary file may now be the only copy of an overwritten file.
            if any(target in self._done for target in right):
                for staged in right.values():
                    staged.keep()
            raise
        staging.sync(self._directory)
        if occupied:
            raise occupied
        return vanished

    def _check_other_runs(self) -> bool:
        """Record what other runs have installed. Return whether any bytes that are missing are now in the directory."""
        time.sleep(_BETWEEN_PASSES)
        ready = self._ready_now()
        for target in self.missing():
            if target in ready:
                self._done[target] = Outcome(self._findings[target], Action.INSTALLED, "another run")
        return bool(search.find(self._directory, {target.vocabulary for target in self.missing()}))

    def _record_installed(self, target: Target) -> None:
        finding, delivery = self._findings[target], self._deliveries[target.vocabulary]
        action = Action.INSTALLED if finding.state is State.MISSING else Action.REPLACED
        self._done[target] = Outcome(finding, action, delivery.label, tuple(delivery.failures))

    def _read_only(self) -> ReadOnlyError:
        findings = [self._findings[target] for target in self.missing()]
        lacking = "; ".join(f"{f.target.vocabulary.published_name} ({f.detail})" for f in findings)
        return ReadOnlyError(f"{self._directory} is mounted read-only and is not ready: {lacking}")

    def not_obtained(self, cause: str) -> NotObtainedError:
        """Return the error for the missing vocabularies, with each piece of advice once."""
        names = dict.fromkeys(target.vocabulary.published_name for target in self.missing())
        advice = dict.fromkeys(
            failure.advice for target in self.missing() for failure in self._failures(target) if failure.advice
        )
        remedies = [
            *advice,
            "set TIKTOKEN_INIT_MIRRORS to a mirror or a directory that holds the files",
            "build an image that holds them",
        ]
        return NotObtainedError(
            f"could not obtain {', '.join(names)}{f' ({cause})' if cause else ''}: {'; or '.join(remedies)}"
        )


def _warnings(settings: Settings) -> list[str]:
    """Return warnings about files that a gateway does not find although the fill is ready."""
    warnings = []
    # A pod's init containers and containers share its volumes, also one in memory.
    if place.in_image() and not place.in_pod() and (kind := short_lived(settings.cache_dir)):
        warnings.append(
            f"{settings.cache_dir} is {kind}, which is empty for the next container: mount a named volume on a disk, as in "
            f"-v tiktoken:{settings.cache_dir}"
        )
    if settings.layout != "published":
        names = [vocabulary.published_name for vocabulary in also_needed(settings.cache_dir, settings.vocabularies)]
        warnings += [
            f"a gateway (New-API, one-api) also loads {name} when it starts: add {name.partition('.')[0]} to "
            "TIKTOKEN_INIT_ENCODINGS"
            for name in names
        ]
    return warnings
