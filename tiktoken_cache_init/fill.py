"""The fill command: inspect every target, stage every missing file, install every file with the right digest.

All files are staged before the first rename, so two swapped files are repaired.
"""

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from . import interrupts, place, sources
from .catalogue import Vocabulary
from .errors import DeadlinePassed, InitError, Interrupted, NotObtainedError, ReadOnlyError, Stopped, VolumeError
from .gateway import also_needed
from .settings import Settings
from .sources import DEADLINE_ADVICE, Delivery, Failure, Watch
from .volume import search, staging
from .volume.directory import is_read_only, make_writable, prepare
from .volume.inspect import Finding, State, inspect
from .volume.mounts import require_mount, short_lived
from .volume.staging import StagedFile
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


def fill(settings: Settings, watch: Watch) -> Filled:
    """Put every wanted vocabulary into the directory.

    Args:
        settings: the settings of the run.
        watch: called several times a second during downloads.

    Raises:
        VolumeError: the directory cannot be used or inspected.
        DeadlinePassed, Stopped: a signal handler raised it.
    """
    if place.in_image():
        require_mount(settings.cache_dir)
    prepare(settings.cache_dir, settings.mode, settings.owner)
    work = _Work(settings, watch)
    error: InitError | None = None
    warnings: list[str] = []
    cause = ""
    try:
        try:
            work.run()
        except InitError as failure:
            error = failure
        warnings = _warnings(settings)
        interrupts.end_deadline()
    except DeadlinePassed:
        # If every file is right, this is no error.
        cause = f"the deadline of {settings.deadline:g} s passed"
    if work.missing() and not error:
        error = work.not_obtained(cause)
    return Filled(work.outcomes(), error, (*work.warnings(), *warnings))


class _Work:
    """State of one fill: what was found, the deliveries, and the result for each target."""

    def __init__(self, settings: Settings, watch: Watch) -> None:
        self._settings = settings
        self._directory = settings.cache_dir
        self._watch = watch
        self._end = time.monotonic() + settings.deadline
        self._findings = self._inspect()
        self._done = {found: Outcome(found, Action.KEPT) for found in self._findings if found.ready}
        self._deliveries: dict[Vocabulary, Delivery] = {}

    def missing(self) -> list[Finding]:
        """Return what was found for the targets that are not ready yet."""
        return [found for found in self._findings if found not in self._done]

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the result for each target, in the order of the settings."""
        return tuple(
            self._done.get(found) or Outcome(found, Action.FAILED, failures=self._failures(found))
            for found in self._findings
        )

    def warnings(self) -> list[str]:
        """Return the warnings of the sources, each once."""
        return list(dict.fromkeys(text for delivery in self._deliveries.values() for text in delivery.warnings))

    def run(self) -> None:
        """Repair and install as many targets as possible. If all are ready, remove the temporary files of killed runs.

        Raises:
            InitError: the directory cannot be written, or a setting is wrong. Some targets may be ready.
            DeadlinePassed, Stopped: a signal handler raised it.
        """
        if self.missing():
            self._check_directory()
            make_writable(self._directory)
            self._repair_permissions()
        for _ in range(_MAX_PASSES):
            if self.missing():
                self._pass()
            if not self.missing():
                sweep(self._directory, self._settings.vocabularies)
                return
            if not self._is_there():
                return

    def _check_directory(self) -> None:
        if is_read_only(self._directory):
            lacking = "; ".join(f"{found.vocabulary.published_name} ({found.detail})" for found in self.missing())
            raise ReadOnlyError(f"{self._directory} is mounted read-only and is not ready: {lacking}")
        for found in self.missing():
            if found.occupied:
                raise VolumeError(f"{found.path} is a directory with content: move or remove it, then run again")

    def _repair_permissions(self) -> None:
        """Set the mode and owner of files that are not readable, or not right. If the kernel refuses, a copy replaces them."""
        changed = [found for found in self.missing() if found.lacks or found.state is State.UNREADABLE]
        for found in changed:
            staging.repair_permissions(found.path, self._settings.mode, self._settings.owner)
        if changed:
            self._record_ready(changed, Action.REPAIRED)

    def _pass(self) -> None:
        """Stage every missing file, and install those with the right digest, whatever ends the staging."""
        needed = sum(found.vocabulary.size or 0 for found in self.missing())
        files = {found: StagedFile(self._directory, found.vocabulary, needed) for found in self.missing()}
        ended: InitError | Interrupted | None = None
        try:
            try:
                self._stage(list(files.values()))
            except (InitError, Interrupted) as error:
                ended = error
            with interrupts.blocked():
                self._install(self._installable(files))
        finally:
            with interrupts.blocked():
                for staged in files.values():
                    staged.discard()
        if ended and (self.missing() or isinstance(ended, Stopped)):
            raise ended

    def _stage(self, files: Sequence[StagedFile]) -> None:
        """Fill the temporary files from the sources, as far as possible."""
        # Temporary files of killed runs may fill a small volume.
        sweep(self._directory, self._settings.vocabularies)
        for staged in files:
            staged.create(self._settings.mode)
        self._deliveries = {}
        for staged in files:
            self._deliveries.setdefault(staged.vocabulary, Delivery(staged))
        sources.supply(list(self._deliveries.values()), self._settings, self._end, self._watch)
        for staged in files:
            first = self._deliveries[staged.vocabulary].staged
            if staged is not first:
                staged.copy_from(first)

    def _installable(self, files: dict[Finding, StagedFile]) -> dict[Finding, StagedFile]:
        """Return the right files. Leave out a file that may overwrite the only copy of a vocabulary that is not installed."""
        right = {found: staged for found, staged in files.items() if staged.is_right}
        # A file that is left out may hold the only copy of another one.
        for _ in files:
            stuck = {found.vocabulary for found in files.keys() - right.keys()}
            for found in list(right):
                if copies := sorted(vocabulary.published_name for vocabulary in stuck if found.may_hold(vocabulary)):
                    del right[found]
                    self._record_only_copy(found, copies)
        return right

    def _record_only_copy(self, found: Finding, copies: Sequence[str]) -> None:
        reason = f"it is not replaced, because it may be the only copy of {', '.join(copies)}"
        reader = "run fill as a user who can read" if found.state is State.UNREADABLE else "move away"
        failure = Failure(found.name, reason, f"{reader} {found.name}")
        self._deliveries[found.vocabulary].failures.append(failure)

    def _install(self, files: dict[Finding, StagedFile]) -> None:
        """Rename the files to their final names."""
        for staged in files.values():
            staged.finish(self._settings.mode, self._settings.owner)
        try:
            for found, staged in files.items():
                staged.install(found.path)
                delivery = self._deliveries[staged.vocabulary]
                action = Action.INSTALLED if found.state is State.MISSING else Action.REPLACED
                self._done[found] = Outcome(found, action, delivery.label, tuple(delivery.failures))
        except VolumeError:
            # A temporary file may now be the only copy of an overwritten file.
            kept = any(found in self._done for found in files)
            for staged in files.values():
                staged.kept = kept
            raise
        staging.sync(self._directory)

    def _is_there(self) -> bool:
        """Record what other runs have installed. Return whether any bytes that are missing are now in the directory."""
        time.sleep(_BETWEEN_PASSES)
        self._record_ready(self.missing(), Action.INSTALLED, "another run")
        return bool(search.find(self._directory, {found.vocabulary for found in self.missing()}))

    def _record_ready(self, findings: Sequence[Finding], action: Action, source: str = "") -> None:
        """Record the action for those of the targets that are ready now."""
        ready = {found.path for found in self._inspect() if found.ready}
        for found in findings:
            if found.path in ready:
                self._done[found] = Outcome(found, action, source)

    def _inspect(self) -> list[Finding]:
        settings = self._settings
        return inspect(settings.targets, settings.mode, settings.owner)

    def _failures(self, found: Finding) -> tuple[Failure, ...]:
        delivery = self._deliveries.get(found.vocabulary)
        return tuple(delivery.failures) if delivery else ()

    def not_obtained(self, cause: str) -> NotObtainedError:
        """Return the error for the missing vocabularies, with each piece of advice once."""
        names = dict.fromkeys(found.vocabulary.published_name for found in self.missing())
        advice = dict.fromkeys(
            failure.advice for found in self.missing() for failure in self._failures(found) if failure.advice
        )
        if cause and not advice:
            # No source was tried yet.
            advice[DEADLINE_ADVICE] = None
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
