"""The doctor: what state the volume is in, what a gateway would do with it, and the cure. Changes nothing."""

from __future__ import annotations

import os
import stat

from . import search
from .access import READ, acl_of, may
from .catalogue import Vocabulary
from .errors import NotReady, VolumeError
from .explanations import explain
from .findings import DIRECTORY, MISSING, UNLESS_ITS_USER_MAY, UNREADABLE, Demand, Finding
from .gateway import COUNTS_RIGHT, DIES, LOADED_AT_START, foretell
from .light import NamedTuple
from .mounts import unmounted
from .run import Run
from .settings import Settings
from .volume import Volume, open_volume, shut_above, targets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Examined(NamedTuple):
    """One wanted name, and how to put it right."""

    finding: Finding
    cure: str
    """Empty if nothing is wrong."""

    @property
    def starts_a_gateway(self) -> bool:
        """Whether a gateway that finds it counts right."""
        return foretell(self.finding).outcome == COUNTS_RIGHT


class Verified(NamedTuple):
    """The result of a verification."""

    files: tuple[Examined, ...]
    problems: tuple[str, ...]
    """What is wrong with the folder as a whole, each with its cure."""
    read_only: bool = False
    """Whether the folder is mounted so that not even root may fill it."""

    @property
    def advises_fill(self) -> bool:
        """Whether running fill is among the cures."""
        return any("run fill" in cure for cure in (*(examined.cure for examined in self.files), *self.problems))

    @property
    def ready(self) -> bool:
        """Whether the consumer would start and count right."""
        return not self.problems and all(examined.finding.ready for examined in self.files)

    @property
    def gateway_starts(self) -> bool:
        """Whether that holds for a gateway, which loads what it loads whatever is wanted here."""
        right = {
            examined.finding.target.vocabulary.published_name for examined in self.files if examined.starts_a_gateway
        }
        return self.ready and right >= set(LOADED_AT_START)


def verify(settings: Settings, run: Run) -> Verified:
    """Examine every wanted name.

    Raises:
        NotReady: there is no such folder.
        VolumeError: it cannot be read.
    """
    try:
        if lost := unmounted(settings.cache_dir):
            return Verified((), (lost,))
        return _verify(settings, run)
    except OSError as error:
        raise VolumeError(explain(error, "use", settings.cache_dir)) from error


def _verify(settings: Settings, run: Run) -> Verified:
    try:
        volume = open_volume(settings, create=False)
    except NotReady as error:
        raise NotReady(f"{error}{_seen_nearby(settings)}") from None
    demand = Demand(settings.mode, settings.owner, settings.reader)
    shut = _shut(volume, settings)
    findings = run.map(lambda target: volume.inspect(target, demand), targets_of(settings))
    if shut:
        unless = "" if settings.reader else UNLESS_ITS_USER_MAY
        findings = [finding._replace(hidden=True, unless=unless) for finding in findings]
    elsewhere = _look_elsewhere(volume, [finding.target.vocabulary for finding in findings if not finding.ready])
    files = tuple(Examined(finding, _cure(finding, elsewhere, findings, settings)) for finding in findings)
    read_only = bool(os.fstatvfs(volume.fd).f_flag & os.ST_RDONLY)
    return Verified(files, (*_folder_problems(volume, settings, shut), *_one_of_two(findings)), read_only)


def _shut(volume: Volume, settings: Settings) -> str:
    """Return the folder that keeps the consumer out, this one or one above it; else an empty text."""
    if not settings.reader:
        # A folder above may be closed for the sake of what else is in it, and opened to those who read here.
        listed = settings.dir_mode & 0o111 == 0o111 and not volume.lets_in(None)
        return volume.path if listed or volume.missing_mode(settings.dir_mode & 0o111) else ""
    return shut_above(volume.path, settings.reader) if volume.lets_in(settings.reader) else volume.path


def _folder_problems(volume: Volume, settings: Settings, shut: str) -> tuple[str, ...]:
    if shut:
        return (_shut_out(volume, settings, shut),)
    if not settings.reader and (missing := volume.missing_mode(settings.dir_mode & 0o444)):
        mode = volume.mode()
        return (
            f"the folder has mode {mode:04o}, and not every user can list it: chmod {mode | missing:04o} it, or run fill",
        )
    return ()


def _shut_out(volume: Volume, settings: Settings, shut: str) -> str:
    mode = stat.S_IMODE(os.stat(shut).st_mode)
    who = "the consumer's user cannot" if settings.reader else "not every user can"
    unless = "" if settings.reader else f" unless {UNLESS_ITS_USER_MAY}"
    folder, cure = shut, f"chmod {mode | 0o111:04o} it, or mount the folder itself"
    if shut == volume.path:
        folder, cure = "the folder", f"chmod {mode | volume.missing_mode(settings.dir_mode):04o} it, or run fill"
    acl = " and an ACL" if acl_of(shut) else ""
    if acl:
        cure = f"setfacl -b {shut}"
    return f"{folder} has mode {mode:04o}{acl}, and {who} look into it, so the gateway dies{unless}: {cure}"


def _one_of_two(findings: Sequence[Finding]) -> tuple[str, ...]:
    ready = [finding for finding in findings if finding.ready]
    missing = [f for f in findings if f.state == MISSING and foretell(f).outcome == DIES]
    if len(ready) == 1 and missing:
        here, lacking = ready[0].target.vocabulary, missing[0].target.vocabulary
        return (
            f"{here.published_name} alone is not enough: the gateway loads {lacking.published_name} too when it starts",
        )
    return ()


def _seen_nearby(settings: Settings) -> str:
    """Say where the right bytes are if they are near a folder that does not exist, as where its name is misspelled."""
    near = os.path.abspath(settings.cache_dir)
    while not os.path.isdir(near):
        near = os.path.dirname(near)
    found = search.find(near, settings.vocabularies, levels=2) if near != "/" else {}
    folders = sorted({os.path.dirname(path) for path in found.values()})
    return f"; vocabularies are in {', '.join(folders)}" if folders else ""


def _look_elsewhere(volume: Volume, wanted: Sequence[Vocabulary]) -> dict[Vocabulary, str]:
    """Find the right bytes under other names below the folder, or right above it; paths are relative to the folder."""
    found = {v: os.path.relpath(path, volume.path) for v, path in search.find(volume.path, wanted).items()}
    parent = os.path.dirname(os.path.abspath(volume.path))
    above = search.find(parent, [v for v in wanted if v not in found], levels=1)
    return found | {v: os.path.join("..", os.path.basename(path)) for v, path in above.items()}


def _cure(finding: Finding, elsewhere: dict[Vocabulary, str], findings: Sequence[Finding], settings: Settings) -> str:
    if finding.ready:
        return ""
    name, vocabulary = finding.target.name, finding.target.vocabulary
    if finding.lacks and settings.reader and not settings.mode & 0o004:
        return f"chmod {settings.mode | 0o444:04o} it, and set TIKTOKEN_INIT_MODE so"
    if finding.lacks:
        owner = f" and chown {settings.owner} it" if settings.owner else ""
        return f"run fill, or chmod {settings.mode:04o} it{owner}"
    if finding.state == UNREADABLE:
        return "run fill, or run verify as root to see more"
    place = elsewhere.get(vocabulary)
    if place is None:
        return "run fill"
    folder = os.path.dirname(place)
    # Only where it holds all that is wanted, each under its own name.
    all_there = all(elsewhere.get(f.target.vocabulary) == os.path.join(folder, f.target.name) for f in findings)
    that_one = "mount or name that folder, or " if all_there else ""
    if folder == "..":
        return f"its bytes are one folder too high, in {place}: {that_one}move the file to {name}"
    if folder:
        return f"its bytes are a folder too deep, in {place}: {that_one}run fill, which copies them into place"
    others = {other.target.name for other in findings if other.target.vocabulary != vocabulary}
    if place in others:
        return f"its bytes are under another vocabulary's name, {place}: run fill, which puts both right"
    if finding.state == DIRECTORY:
        return f"its bytes are there under another name, {place}: run fill, which puts the directory aside"
    if place == vocabulary.published_name:
        return f"its bytes are there under the published name, which the gateways do not look for: {_renaming(place, name, settings)}"
    return f"its bytes are there under another name, {place}: {_renaming(place, name, settings)}"


def _renaming(place: str, name: str, settings: Settings) -> str:
    try:
        path = os.path.join(settings.cache_dir, place)
        readable = may(os.stat(path), settings.reader, READ, acl_of(path))
    except OSError:
        readable = False
    # A fill gives it the mode that it needs, too.
    return f"run fill, or rename it to {name}" if readable else "run fill"
