"""The fill: inspect each wanted name, stage all that is missing, install all that is right.

1. Make the directory and inspect each wanted name. If all are right, only leftovers are swept.
2. Make a temporary file for each name that needs bytes. Fill it from the volume itself, where the bytes are under another
   name, or from the sources in order, until its digest is right or the sources are used up.
3. Rename the right ones into place. Every file that is overwritten was copied before, so two swapped files heal.
4. Sync the directory and sweep what killed runs have left.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from . import sources
from .cache import search, staging
from .cache.directory import is_read_only, prepare
from .cache.inspect import Finding, State, inspect
from .cache.mounts import not_mounted
from .cache.staging import StagedFile, VanishedError
from .catalogue import VOCABULARIES, Target, Vocabulary
from .errors import DeadlinePassed, InitError, Interrupted, NotObtainedError, VolumeError
from .gateway import others_loaded
from .settings import Settings, in_image
from .sources import Delivery, Failure, Watch

_MOST_PASSES = 5
"""How often to look again if other runs change the directory meanwhile."""
_BETWEEN_PASSES = 0.1
"""Seconds."""


class Action(StrEnum):
    """What was done about a wanted name."""

    KEPT = "kept"
    """It was right."""
    MENDED = "mended"
    """Its bytes were right, and its mode or owner was set."""
    INSTALLED = "installed"
    REPLACED = "replaced"
    FAILED = "failed"


class Outcome(NamedTuple):
    """What became of one wanted name."""

    before: Finding
    action: Action
    source: str = ""
    """Where the bytes came from."""
    failures: tuple[Failure, ...] = ()
    """What was tried without success, in order."""
    moved_aside: str = ""
    """The new name of a directory that stood there."""


class Filled(NamedTuple):
    """The result of a fill."""

    outcomes: tuple[Outcome, ...]
    error: InitError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a gateway that is running has read other files than those that are there now."""
        return any(outcome.action in (Action.INSTALLED, Action.REPLACED) for outcome in self.outcomes)


def fill(settings: Settings, watch: Watch) -> Filled:
    """Make the directory hold every wanted vocabulary.

    Args:
        settings: the settings of the run.
        watch: called several times a second while bytes are awaited.

    Raises:
        VolumeError: the directory cannot be used or inspected at all.
        DeadlinePassed, Stopped: a signal handler raised it.
    """
    directory = settings.cache_dir
    if in_image() and (problem := not_mounted(directory)):
        raise VolumeError(problem)
    prepare(directory, settings.mode, settings.owner)
    findings = inspect(directory, settings.targets, settings.mode, settings.owner)
    work = _Work(settings, findings, watch)
    error: InitError | None = None
    if not all(finding.ready for finding in findings):
        try:
            work.put_right()
        except InitError as failure:
            error = failure
    if error is None:
        staging.sweep(directory)
    return Filled(work.outcomes(), error, tuple(_warnings(settings)))


class _Work:
    """A fill that has something to do."""

    def __init__(self, settings: Settings, findings: Sequence[Finding], watch: Watch) -> None:
        self._settings = settings
        self._directory = settings.cache_dir
        self._watch = watch
        self._findings = findings
        self._done = {finding.target: Outcome(finding, Action.KEPT) for finding in findings if finding.ready}
        self._deliveries: dict[Vocabulary, Delivery] = {}
        self._end = time.monotonic() + settings.deadline

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what became of each name, in the order of the findings."""
        return tuple(
            self._done.get(finding.target) or Outcome(finding, Action.FAILED, failures=self._failures(finding))
            for finding in self._findings
        )

    def put_right(self) -> None:
        """Do all that can be done.

        Raises:
            InitError: something could not be done.
        """
        if is_read_only(self._directory):
            raise self._read_only()
        for finding in self._missing():
            if finding.lacks and self._repaired(finding):
                self._done[finding.target] = Outcome(finding, Action.MENDED)
        for _ in range(_MOST_PASSES):
            if not self._missing():
                return
            vanished = self._stage_and_install()
            if not self._missing():
                return
            if not self._worth_another_pass() and not vanished:
                break
        if self._missing():
            raise self._not_obtained()

    def _worth_another_pass(self) -> bool:
        # Other runs may have moved the bytes while this one looked for them.
        try:
            time.sleep(_BETWEEN_PASSES)
            self._note_what_others_did()
            return bool(search.find(self._directory, {finding.target.vocabulary for finding in self._missing()}))
        except DeadlinePassed:
            raise self._too_late() from None

    def _missing(self) -> list[Finding]:
        return [finding for finding in self._findings if finding.target not in self._done]

    def _failures(self, finding: Finding) -> tuple[Failure, ...]:
        delivery = self._deliveries.get(finding.target.vocabulary)
        return tuple(delivery.failures) if delivery else ()

    def _repaired(self, finding: Finding) -> bool:
        path = os.path.join(self._directory, finding.target.name)
        repaired = staging.repair_permissions(path, self._settings.mode, self._settings.owner)
        return repaired and finding.target in self._ready_now()

    def _ready_now(self) -> set[Target]:
        settings = self._settings
        findings = inspect(self._directory, settings.targets, settings.mode, settings.owner)
        return {finding.target for finding in findings if finding.ready}

    def _note_what_others_did(self) -> None:
        ready = self._ready_now()
        for finding in self._missing():
            if finding.target in ready:
                self._done[finding.target] = Outcome(finding, Action.INSTALLED, "another run")

    def _stage_and_install(self) -> bool:
        """Stage all that is missing, then install all that is right; say whether another program removed a temporary file.

        Raises:
            InitError: the directory or a setting is at fault, or the deadline passed.
        """
        missing = self._missing()
        needed = sum(finding.target.vocabulary.size or 0 for finding in missing)
        files = {finding: StagedFile(self._directory, finding.target.vocabulary, needed) for finding in missing}
        in_time = installing = installed = vanished = False
        right: dict[Finding, StagedFile] = {}
        try:
            with contextlib.suppress(DeadlinePassed):
                self._stage(files)
                in_time = True
            failed = {finding.target.vocabulary for finding, staged in files.items() if not staged.is_right}
            # A wrong file that holds what could not be staged may be the only copy of it, so it stays.
            right = {
                finding: staged
                for finding, staged in files.items()
                if staged.is_right and not (finding.identity and finding.identity.other in failed)
            }
            for staged in right.values():
                staged.finish(self._settings.mode, self._settings.owner)
            installing = True
            for finding, staged in right.items():
                try:
                    aside = staged.install(finding.target.name)
                except VanishedError:
                    vanished = True
                else:
                    installed = True
                    self._note_installed(finding, aside)
            if installed:
                staging.sync(self._directory)
        except BaseException as error:
            # Once a name is overwritten, a staged file may hold the last copy of another vocabulary. A signal does not tell
            # whether the rename was done.
            if installed or (installing and isinstance(error, Interrupted)):
                for staged in right.values():
                    staged.keep()
            raise
        finally:
            for staged in files.values():
                staged.discard()
        if not in_time and self._missing():
            raise self._too_late()
        return vanished

    def _stage(self, files: dict[Finding, StagedFile]) -> None:
        """Fill the temporary files with right bytes, as far as they can be had."""
        from .sources.local import copy

        found = search.find(self._directory, {finding.target.vocabulary for finding in files})
        # What killed runs have left may fill a small volume.
        staging.sweep(self._directory, spare=found.values())
        for staged in files.values():
            staged.create()
        deliveries: dict[Vocabulary, Delivery] = {}
        for finding, staged in files.items():
            deliveries.setdefault(finding.target.vocabulary, Delivery(staged))
        self._deliveries = deliveries
        try:
            for vocabulary, path in found.items():
                label = f"{os.path.relpath(path, self._directory)} in the volume"
                copy(deliveries[vocabulary], path, label, "it was removed")
            for name in self._settings.sources:
                sources.supply(name, list(deliveries.values()), self._settings, self._end, self._watch)
        except DeadlinePassed:
            for delivery in deliveries.values():
                if not delivery.complete:
                    delivery.cut_off()
            raise
        for finding, staged in files.items():
            first = deliveries[finding.target.vocabulary].staged
            if staged is not first and first.is_right:
                copy(Delivery(staged), first.path, first.path, "it was removed")

    def _note_installed(self, finding: Finding, aside: str) -> None:
        delivery = self._deliveries[finding.target.vocabulary]
        action = Action.INSTALLED if finding.state is State.MISSING else Action.REPLACED
        self._done[finding.target] = Outcome(finding, action, delivery.label, tuple(delivery.failures), aside)

    def _read_only(self) -> VolumeError:
        lacking = "; ".join(f"{f.target.vocabulary.published_name} ({f.lacks or f.text})" for f in self._missing())
        return VolumeError(
            f"{self._directory} is mounted read-only and is not ready: {lacking}: mount it read-write in the init container; "
            "only the consumer's mount may have ':ro'"
        )

    def _too_late(self) -> NotObtainedError:
        return self._not_obtained(f"the deadline of {self._settings.deadline:g} s passed")

    def _not_obtained(self, cause: str = "") -> NotObtainedError:
        """Return the error of vocabularies that could not be had, with each piece of advice once."""
        names = dict.fromkeys(finding.target.vocabulary.published_name for finding in self._missing())
        advice = dict.fromkeys(
            failure.advice for finding in self._missing() for failure in self._failures(finding) if failure.advice
        )
        remedies = [
            *advice,
            "set TIKTOKEN_INIT_MIRRORS to a mirror or a directory that holds the files",
            "or bake them in when you build the image",
        ]
        return NotObtainedError(
            f"could not obtain {', '.join(names)}{f' ({cause})' if cause else ''}: {'; '.join(remedies)}"
        )


def _warnings(settings: Settings) -> list[str]:
    """Return what a gateway would lack although all that was asked for is right."""
    if settings.layout == "published":
        return []
    missing = [name for name in others_loaded(settings.vocabularies) if not _is_there(settings, name)]
    return [
        f"a gateway (New-API, one-api) also loads {name} when it starts: add {name.partition('.')[0]} to TIKTOKEN_INIT_ENCODINGS"
        for name in missing
    ]


def _is_there(settings: Settings, published_name: str) -> bool:
    [vocabulary] = [known for known in VOCABULARIES if known.published_name == published_name]
    [finding] = inspect(settings.cache_dir, [Target(vocabulary, vocabulary.cache_key)])
    return finding.ready
