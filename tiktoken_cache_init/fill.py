"""The fill job: what the volume holds -> what is missing -> sources -> atomic install -> what was done."""

from __future__ import annotations

import errno
import os
import stat

from .catalogue import Vocabulary
from .errors import InitError, NotObtained, VolumeError
from .light import NamedTuple
from .obtain import Attempts, Failure, obtain
from .run import DeadlinePassed, Run
from .settings import Settings
from .sources import Route, sources_of
from .sources.baked import LocalFile
from .staging import Stage, StagedFile, TooLong
from .volume import MISSING, Demand, Finding, Target, Volume, explain, holds, open_volume, targets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Watch = Callable[[Sequence[Attempts]], None]

_MOST_LOOKS = 5
_BETWEEN_LOOKS = 0.1
"""Seconds."""

KEPT = "kept"
MENDED = "mended"
INSTALLED = "installed"
REPLACED = "replaced"
FAILED = "failed"


class Outcome(NamedTuple):
    """What became of one wanted name."""

    before: Finding
    action: str
    """`KEPT`, `MENDED`, `INSTALLED`, `REPLACED` or `FAILED`."""
    source: str = ""
    """Where the bytes came from."""
    failures: tuple[Failure, ...] = ()
    """What was tried in vain, in order."""


class Filled(NamedTuple):
    """The result of a fill."""

    outcomes: tuple[Outcome, ...]
    error: InitError | None = None

    @property
    def ready(self) -> bool:
        """Whether the contract holds."""
        return self.error is None


def fill(settings: Settings, run: Run, watch: Watch) -> Filled:
    """Make the volume ready. ``watch`` is called a few times a second while bytes are awaited.

    Raises:
        VolumeError: the volume cannot be opened or inspected.
    """
    try:
        volume = open_volume(settings, create=True)
        stage = Stage(volume, settings, run)
        demand = Demand(settings.mode, settings.owner)
        findings = run.map(lambda target: volume.inspect(target, demand), targets_of(settings))
        _open_up(volume, settings)
        if all(finding.ready for finding in findings):
            stage.sweep()
            return Filled(tuple(Outcome(finding, KEPT) for finding in findings))
        return _Job(settings, run, volume, stage, findings, watch).outcome()
    except OSError as error:
        raise VolumeError(explain(error, "use", settings.cache_dir)) from error


class _Job:
    """A fill that has something to do."""

    def __init__(
        self, settings: Settings, run: Run, volume: Volume, stage: Stage, findings: Sequence[Finding], watch: Watch
    ) -> None:
        self._settings = settings
        self._run = run
        self._volume = volume
        self._stage = stage
        self._findings = findings
        self._watch = watch
        self._outcomes: dict[Target, Outcome] = {}
        self._attempts: dict[Target, Attempts] = {}
        self._demand = Demand(settings.mode, settings.owner)
        self._places: dict[Vocabulary, str] = {}
        """Where in the volume right bytes were found, relative to it."""

    def outcome(self) -> Filled:
        error: InitError | None = None
        try:
            self._refuse_read_only()
            self._work()
        except VolumeError as failure:
            error = failure
        except OSError as failure:
            error = VolumeError(explain(failure, "use", self._volume.path))
        except DeadlinePassed:
            for target, attempts in self._attempts.items():
                if target not in self._outcomes:
                    attempts.cut_off()
            error = self._not_obtained(f"the deadline of {self._settings.deadline:g} s passed")
        else:
            if any(outcome.action == FAILED for outcome in self._outcomes.values()):
                error = self._not_obtained("")
        return Filled(tuple(self._outcome_of(finding) for finding in self._findings), error)

    def _outcome_of(self, finding: Finding) -> Outcome:
        if finding.target in self._outcomes:
            return self._outcomes[finding.target]
        if finding.ready:
            return Outcome(finding, KEPT)
        attempts = self._attempts.get(finding.target)
        return Outcome(finding, FAILED, failures=tuple(attempts.failures) if attempts else ())

    def _work(self) -> None:
        unready = [finding for finding in self._findings if not finding.ready]
        needed = [finding for finding in unready if not self._mend(finding)]
        originals = [finding for finding in needed if not finding.target.beside]
        beside = [finding for finding in needed if finding.target.beside]
        if originals:
            self._stage.needed = sum(finding.target.vocabulary.size or 0 for finding in originals)
            self._attempts = {finding.target: Attempts() for finding in originals}
            self._obtain(originals)
            self._look_again()
        for finding in beside:
            self._put_beside(finding)
        self._stage.sweep()
        if any(outcome.action in (INSTALLED, REPLACED) for outcome in self._outcomes.values()):
            self._stage.sync()

    def _refuse_read_only(self) -> None:
        if not os.fstatvfs(self._volume.fd).f_flag & os.ST_RDONLY:
            return
        lacking = "; ".join(
            f"{finding.target.vocabulary.published_name} ({finding.lacks or finding.text})"
            for finding in self._findings
            if not finding.ready
        )
        raise VolumeError(
            f"{self._volume.path} is mounted read-only and is not ready: {lacking}: mount it read-write in the init "
            "container (without ':ro'); only the consumer's mount may be read-only"
        )

    def _mend(self, finding: Finding) -> bool:
        """Give a right file the mode or the owner it lacks, where the kernel lets us; else it is replaced by a copy."""
        if not finding.lacks:
            return False
        try:
            # Never through a link: what it leads to may be somebody else's.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(finding.target.name, flags, dir_fd=self._volume.fd)
            try:
                if not self._mended(fd, finding.target.vocabulary):
                    return False
            finally:
                os.close(fd)
        except OSError:
            return False
        self._outcomes[finding.target] = Outcome(finding, MENDED)
        return True

    def _mended(self, fd: int, vocabulary: Vocabulary) -> bool:
        owner, mode = self._settings.owner, self._settings.mode
        if not holds(fd, os.fstat(fd), vocabulary):
            return False
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | mode)
        if owner:
            os.fchown(fd, owner[0], -1 if owner[1] is None else owner[1])
        # Some file systems take such a change and do nothing.
        return not mode & ~stat.S_IMODE(os.fstat(fd).st_mode)

    def _obtain(self, findings: Sequence[Finding]) -> None:
        """Install what is needed, side by side: from the volume itself where the bytes lie under another name, else from the
        sources. Whatever would overwrite bytes that are needed elsewhere is held back until those are safe.
        """
        from . import search

        found = search.find(self._volume.path, [finding.target.vocabulary for finding in findings])
        self._places = {vocabulary: os.path.relpath(path, self._volume.path) for vocabulary, path in found.items()}
        self._stage.sweep(spare=self._places.values())
        sources = sources_of(self._settings, self._run)
        attempts = list(self._attempts.values())
        held: list[tuple[Finding, StagedFile]] = []

        def work(finding: Finding) -> None:
            vocabulary = finding.target.vocabulary
            routes = [route for source in sources for route in source.routes(vocabulary)]
            if vocabulary in found:
                here = LocalFile(f"{self._places[vocabulary]} in the volume", found[vocabulary], "it went away")
                routes.insert(0, here)
            copy = self._received(finding, routes)
            if copy is None:
                self._fail(finding)
            elif self._needed_within(finding):
                held.append((finding, copy))
            else:
                self._put_in_place(finding, copy)

        self._run.map(work, findings, tick=lambda: self._watch(attempts))
        for index, (finding, copy) in enumerate(held):
            self._put_in_place_of_needed(finding, copy, held[index + 1 :])

    def _look_again(self) -> None:
        """See whether other runs have provided what this one could not: they may have been moving it while we looked."""
        for _ in range(_MOST_LOOKS):
            failed = [f for f in self._findings if f.target in self._attempts and self._outcome_of(f).action == FAILED]
            missing = [f for f in failed if not self._volume.inspect(f.target, self._demand).ready]
            for finding in failed:
                if finding not in missing:
                    self._outcomes[finding.target] = Outcome(finding, INSTALLED, "another run")
            from . import search

            if not missing or not search.find(self._volume.path, [f.target.vocabulary for f in missing]):
                return
            self._run.sleep(_BETWEEN_LOOKS)
            self._obtain(missing)

    def _needed_within(self, finding: Finding) -> set[Vocabulary]:
        """Return the vocabularies whose right bytes stand under this name, and that are not in their own place."""
        held = {vocabulary for vocabulary, place in self._places.items() if place == finding.target.name}
        if finding.diagnosis and finding.diagnosis.other:
            held.add(finding.diagnosis.other)
        # What we may not read may be just that, by its length.
        held |= {f.target.vocabulary for f in self._findings if f.target.vocabulary.size == finding.size}
        held.discard(finding.target.vocabulary)
        return {
            needed.target.vocabulary
            for needed in self._findings
            if needed.target.vocabulary in held
            and not needed.target.beside
            and self._outcome_of(needed).action == FAILED
        }

    def _put_in_place_of_needed(
        self, finding: Finding, copy: StagedFile, held: Sequence[tuple[Finding, StagedFile]]
    ) -> None:
        """Install a file over bytes that are needed elsewhere, if they are safe: in place by now, or in a copy of our own."""
        needed = self._needed_within(finding)
        rescued = [its_copy for other, its_copy in held if other.target.vocabulary in needed]
        if len(rescued) < len(needed):
            copy.discard()
            self._fail(
                finding, "its name holds the only copy of another vocabulary, which could not be put in its place"
            )
            return
        for each in rescued:
            each.last_copy = True
        try:
            self._put_in_place(finding, copy)
        finally:
            for each in rescued:
                each.last_copy = copy.installed

    def _fail(self, finding: Finding, reason: str = "") -> None:
        attempts = self._attempts[finding.target]
        if reason:
            attempts.failures.append(Failure("the volume", reason, ""))
        self._outcomes[finding.target] = Outcome(finding, FAILED, failures=tuple(attempts.failures))

    def _received(self, finding: Finding, routes: list[Route]) -> StagedFile | None:
        """Return the vocabulary as a staged file, or None if no route could supply it."""
        vocabulary, attempts = finding.target.vocabulary, self._attempts[finding.target]
        staged = self._stage.new(vocabulary)
        try:
            if obtain(vocabulary, routes, staged, self._run, self._settings.retries, attempts):
                return staged
        except BaseException:
            staged.discard()
            raise
        staged.discard()
        return None

    def _put_in_place(self, finding: Finding, staged: StagedFile) -> None:
        attempts = self._attempts[finding.target]
        try:
            self._keep_what_is_anothers(finding)
            staged.install(finding.target)
        finally:
            staged.discard()
        self._outcomes[finding.target] = Outcome(finding, _action(finding), attempts.label, tuple(attempts.failures))

    def _keep_what_is_anothers(self, finding: Finding) -> None:
        """Give bytes that are about to be overwritten the name they belong under, if this run does not provide that anyway."""
        other = finding.diagnosis.other if finding.diagnosis else None
        if other and other not in self._settings.vocabularies:
            folder = self._volume.fd
            try:
                os.link(
                    finding.target.name, other.cache_key, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False
                )
            except OSError as error:
                # Where the volume has no hard links, or something is there already, they are wrong bytes like any others.
                if error.errno not in (errno.EEXIST, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise

    def _put_beside(self, finding: Finding) -> None:
        """Provide a second name for bytes that are in the volume: a link where it can hold one, else a copy."""
        target = finding.target
        original = next(other for other in self._findings if other.target.name == target.beside)
        if self._outcome_of(original).action == FAILED or self._needed_within(finding):
            return
        if self._stage.link(target):
            source = f"a link to {target.beside}"
        else:
            self._copy(target)
            source = f"a copy of {target.beside}"
        self._outcomes[target] = Outcome(finding, _action(finding), source)

    def _copy(self, target: Target) -> None:
        self._stage.needed = target.vocabulary.size or 0
        staged = self._stage.new(target.vocabulary)
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(target.beside, flags, dir_fd=self._volume.fd)
            try:
                staged.copy(fd)
            finally:
                os.close(fd)
            if not staged.is_right():
                raise OSError(errno.EIO, "it changed while it was read")
            staged.install(target)
        except (OSError, TooLong) as error:
            cause = error if isinstance(error, OSError) else OSError(errno.EIO, "it changed while it was read")
            raise VolumeError(explain(cause, "read", os.path.join(self._volume.path, target.beside))) from error
        finally:
            staged.discard()

    def _not_obtained(self, cause: str) -> NotObtained:
        names: list[str] = []
        advice: list[str] = []
        for finding in self._findings:
            outcome = self._outcome_of(finding)
            if outcome.action == FAILED and not finding.target.beside:
                names.append(finding.target.vocabulary.published_name)
                advice += [failure.advice for failure in outcome.failures if failure.advice]
        what_to_do = [
            *dict.fromkeys(advice),
            "set TIKTOKEN_INIT_MIRRORS to a mirror or folder that holds the files",
            "or use an image that has them baked in",
        ]
        head = f"could not obtain {', '.join(names)}" + (f" ({cause})" if cause else "")
        return NotObtained(f"{head}: {'; '.join(what_to_do)}")


def _action(before: Finding) -> str:
    return INSTALLED if before.state == MISSING else REPLACED


def _open_up(volume: Volume, settings: Settings) -> None:
    """Let every user look into the folder: the consumer may run as any."""
    missing = volume.missing_mode(settings.dir_mode)
    if not missing:
        return
    mode, cause = volume.mode(), "the volume does not keep it"
    try:
        os.fchmod(volume.fd, mode | missing)
    except OSError as error:
        cause = error.strerror or str(error)
    if volume.missing_mode(settings.dir_mode):
        raise VolumeError(
            f"{volume.path} has mode {mode:04o}, so that not every user can read in it, and we cannot change that ({cause}): "
            f"chmod {mode | missing:04o} it, or set TIKTOKEN_INIT_DIR_MODE={mode:04o} if that mode will do"
        )
