"""Getting bytes into place that are missing: out of the volume where they lie under another name, else from the sources.

A name may hold the bytes of another one, as where two files were swapped: what would overwrite them waits until they are
safe. And other runs may be at work on the same volume, so what could not be had is looked at again.
"""

from __future__ import annotations

import os

from . import search
from .catalogue import Vocabulary
from .complaints import ONLY_COPY
from .findings import Demand, Finding
from .leftovers import sweep
from .obtain import obtain
from .plan import held_under
from .record import Record
from .reuse import keep_what_is_anothers
from .run import Run
from .settings import Settings
from .sources import sources_of
from .sources.local import LocalFile
from .staging import Stage, StagedFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .obtain import Attempts
    from .sources import Route, Source

    Watch = Callable[[Sequence[Attempts]], None]

_MOST_LOOKS = 5
_BETWEEN_LOOKS = 0.1
"""Seconds."""


class Supply:
    """The supply of one run."""

    def __init__(self, settings: Settings, run: Run, stage: Stage, record: Record, watch: Watch) -> None:
        self.places: dict[Vocabulary, str] = {}
        """Where in the volume right bytes were found, relative to it."""
        self._settings = settings
        self._run = run
        self._stage = stage
        self._volume = stage.volume
        self._record = record
        self._watch = watch
        self._sources: list[Source] = []

    def provide(self, originals: Sequence[Finding]) -> None:
        """Put everything in its place that can be had; the record tells the rest.

        Raises:
            VolumeError: the volume fails.
            DeadlinePassed: the time is up.
        """
        self._record.begin(originals)
        self._sources = sources_of(self._settings, self._run)
        self._obtain(originals)
        for _ in range(_MOST_LOOKS):
            missing = self._still_missing(originals)
            if not missing or not search.find(self._volume.path, [f.target.vocabulary for f in missing]):
                return
            # Other runs were moving it while we looked.
            self._run.sleep(_BETWEEN_LOOKS)
            self._obtain(missing)

    def _still_missing(self, originals: Sequence[Finding]) -> list[Finding]:
        """Return what has failed, but for what another run has provided by now."""
        demand = Demand(self._settings.mode, self._settings.owner)
        missing = []
        for finding in originals:
            if self._record.is_lacking(finding):
                if self._volume.inspect(finding.target, demand).ready:
                    self._record.provided_by_another(finding)
                else:
                    missing.append(finding)
        return missing

    def _obtain(self, findings: Sequence[Finding]) -> None:
        found = search.find(self._volume.path, [finding.target.vocabulary for finding in findings])
        self.places = {vocabulary: os.path.relpath(path, self._volume.path) for vocabulary, path in found.items()}
        sweep(self._volume, spare=self.places.values())
        attempts = list(self._record.attempts.values())
        held: list[tuple[Finding, StagedFile]] = []

        def work(finding: Finding) -> None:
            copy = self._received(finding, self._routes(finding.target.vocabulary))
            if copy is None:
                self._record.failed(finding)
            elif self._needed_within(finding):
                held.append((finding, copy))
            else:
                self._install(finding, copy)

        self._run.map(work, findings, tick=lambda: self._watch(attempts))
        for index, (finding, copy) in enumerate(held):
            self._install_over_needed(finding, copy, held[index + 1 :])

    def _routes(self, vocabulary: Vocabulary) -> list[Route]:
        routes = [route for source in self._sources for route in source.routes(vocabulary)]
        place = self.places.get(vocabulary)
        if place is None:
            return routes
        return [LocalFile(f"{place} in the volume", os.path.join(self._volume.path, place), "it went away"), *routes]

    def _received(self, finding: Finding, routes: list[Route]) -> StagedFile | None:
        """Return the vocabulary as a staged file, or None if no route could supply it."""
        vocabulary, attempts = finding.target.vocabulary, self._record.attempts[finding.target]
        staged = self._stage.new(vocabulary)
        try:
            if obtain(vocabulary, routes, staged, self._run, self._settings.retries, attempts):
                return staged
        except BaseException:
            staged.discard()
            raise
        staged.discard()
        return None

    def _needed_within(self, finding: Finding) -> set[Vocabulary]:
        """Return the vocabularies whose bytes stand under this name, and that are not in their own place."""
        return held_under(finding, self.places, self._record.outstanding())

    def _install(self, finding: Finding, staged: StagedFile) -> None:
        try:
            keep_what_is_anothers(self._volume, finding, self._settings.vocabularies)
            staged.install(finding.target)
        finally:
            staged.discard()
        self._record.provided(finding, self._record.attempts[finding.target].label)

    def _install_over_needed(
        self, finding: Finding, copy: StagedFile, held: Sequence[tuple[Finding, StagedFile]]
    ) -> None:
        """Install a file over bytes that are needed elsewhere, if they are safe: in place by now, or in a copy of our own."""
        needed = self._needed_within(finding)
        rescued = [its_copy for other, its_copy in held if other.target.vocabulary in needed]
        if len(rescued) < len(needed):
            copy.discard()
            self._record.failed(finding, ONLY_COPY)
            return
        try:
            for each in rescued:
                each.outlive()
            self._install(finding, copy)
        finally:
            for each in rescued:
                each.last_copy = copy.installed
