"""Runs the entry point with a fault, looks at what it left behind, runs it again without one, and says what was wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.injection.states import Content, State
from tests.injection.tracer import Fault, Point, Traced, trace
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.leftovers import PREFIX

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PATH": os.defpath}

ERRORS = (None, errno.ENOSPC, errno.EIO, errno.EACCES, errno.EINTR)
"""What happens at each point; None stands for being killed."""

TORN, LOST, UNHEALED, UNCLEAR, LEFT = "torn", "lost", "unhealed", "unclear", "left"
KINDS = {
    TORN: "a final name that holds neither a whole right file nor what was there before",
    LOST: "a good file, or one that is none of ours, that is gone or changed",
    UNHEALED: "a next run that does not end 0 with everything right and nothing of ours lying about",
    UNCLEAR: "a failed call that ends in a traceback, a bug's exit code, an untrue word, or not at all",
    LEFT: "a temporary file left by a run that was not killed",
}

# What a race between the run's threads hides may show the next time.
_MOST_TRIES = 6


class Problem(NamedTuple):
    """Something that must not be."""

    kind: str
    text: str


class Verdict(NamedTuple):
    """What one fault led to."""

    state: str
    fault: Fault
    hit: bool
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "\n".join(f"{self.state}: {self.fault}: {problem.kind}: {problem.text}" for problem in self.problems)


class Entry(NamedTuple):
    """One thing in a volume."""

    kind: str
    """``file``, ``folder``, ``link`` or ``other``."""
    content: str
    """A file's SHA-256, a link's text."""
    mode: int


def snapshot(folder: Path) -> dict[str, Entry]:
    """Return everything in the folder, by its path in it."""
    entries: dict[str, Entry] = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            status = path.lstat()
            kind, content = "other", ""
            if stat.S_ISLNK(status.st_mode):
                kind, content = "link", str(path.readlink())
            elif stat.S_ISDIR(status.st_mode):
                kind = "folder"
            elif stat.S_ISREG(status.st_mode):
                kind, content = "file", hashlib.sha256(path.read_bytes()).hexdigest()
            entries[str(path.relative_to(folder))] = Entry(kind, content, stat.S_IMODE(status.st_mode))
    return entries


def is_right(folder: Path, name: str, vocabulary: Vocabulary) -> bool:
    """Whether the name, or what it links to, is a whole right file."""
    path = folder / name
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == vocabulary.sha256


def command(folder: Path, content: Content, state: State) -> list[str]:
    """Return the run of the entry point that makes the volume ready, with an interpreter that starts fast."""
    baked = content.folder if state.sources else folder.parent / "none"
    return [
        *[sys.executable, "-S", "-E", str(ROOT / "entrypoint.py"), "fill", "--cache-dir", str(folder)],
        *["--sources", "baked", "--baked-dir", str(baked), *state.flags],
    ]


class Volume:
    """A volume in a state, in a folder of its own that is removed again."""

    def __init__(self, state: State, content: Content) -> None:
        self._state = state
        self._content = content

    def __enter__(self) -> Path:
        self._around = Path(tempfile.mkdtemp(prefix="tiktoken-injection-")).resolve()
        self._around.chmod(0o755)
        folder = self._around / "volume"
        umask = os.umask(0o022)
        try:
            self._state.prepare(folder, self._content)
        finally:
            os.umask(umask)
        return folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._around)


def baseline(state: State, content: Content) -> Traced:
    """Run without a fault."""
    with Volume(state, content) as folder:
        return trace(command(folder, content, state), folder, ENVIRONMENT)


def faults_of(points: Sequence[Point]) -> list[Fault]:
    """Return every fault at every point."""
    return [Fault(point, error) for point in points for error in ERRORS]


def sample(faults: Sequence[Fault], count: int, seed: str) -> list[Fault]:
    """Return some of the faults, the same ones for the same seed."""
    return random.Random(seed).sample(list(faults), min(count, len(faults)))


def attempt(state: State, content: Content, fault: Fault) -> Verdict:
    """Run with the fault and judge. If the run never came to the fault's point, that is said, and nothing is judged."""
    for _ in range(_MOST_TRIES):
        with Volume(state, content) as folder:
            before = snapshot(folder)
            run = trace(command(folder, content, state), folder, ENVIRONMENT, fault)
            if not run.hit:
                continue
            problems = _of_the_run(run, fault, folder, state) + _of_the_volume(folder, before, state)
            if fault.error is not None and fault.point.call not in ("unlink", "unlinkat"):
                problems += _left(before, snapshot(folder))
            problems += _of_the_next_run(folder, before, content, state)
            return Verdict(state.name, fault, True, tuple(dict.fromkeys(problems)))
    return Verdict(state.name, fault, False, ())


def _of_the_run(run: Traced, fault: Fault, folder: Path, state: State) -> list[Problem]:
    if run.timed_out:
        return [Problem(UNCLEAR, "it did not end")]
    if fault.error is None:
        return [] if run.exit_code == 137 else [Problem(UNCLEAR, f"killed, but it ended in {run.exit_code}")]
    problems = []
    if "Traceback" in run.stderr or run.exit_code not in (0, 3, 4):
        problems.append(Problem(UNCLEAR, f"it ended in {run.exit_code}: {run.stderr}"))
    lines = [line for line in run.stderr.splitlines() if line.startswith("tiktoken-cache-init: error:")]
    if len(lines) != (run.exit_code != 0) or "standard output" in "".join(lines):
        problems.append(Problem(UNCLEAR, f"it ended in {run.exit_code} and said: {lines}"))
    if run.exit_code == 0:
        wrong = [name for name, vocabulary in state.names.items() if not is_right(folder, name, vocabulary)]
        problems += [Problem(UNCLEAR, f"it ended in 0, but {name} is not right") for name in wrong]
    return problems


def _of_the_volume(folder: Path, before: Mapping[str, Entry], state: State) -> list[Problem]:
    after = snapshot(folder)
    problems = []
    for name, vocabulary in state.names.items():
        was, now = before.get(name), after.get(name)
        if is_right(folder, name, vocabulary) or (was and now and was[:2] == now[:2]) or was is now is None:
            continue
        # What is moved aside cannot be exchanged for a file in one step: for a moment there is nothing.
        if was and was.kind == "folder" and now is None:
            continue
        problems.append(Problem(TORN, f"{name} was {was}, is {now}"))
    for path, entry in before.items():
        top = path.partition("/")[0]
        if top.startswith(PREFIX) or (path in state.names and entry.kind != "folder"):
            continue
        aside = after.get(f"{top}.moved-aside-1{path[len(top) :]}") if top in state.names else None
        if entry not in (after.get(path), aside):
            problems.append(Problem(LOST, f"{path} was {entry}, is {after.get(path)}"))
    for name, vocabulary in state.names.items():
        was = before.get(name)
        if was and was.content == vocabulary.sha256 and not is_right(folder, name, vocabulary):
            problems.append(Problem(LOST, f"{name} was right, is {after.get(name)}"))
    kept = {entry.content for entry in after.values()}
    had = {entry.content for entry in before.values()}
    gone = [known.published_name for known in VOCABULARIES if known.sha256 in had - kept]
    return problems + [Problem(LOST, f"the bytes of {name} are nowhere in the volume any more") for name in gone]


def _left(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[Problem]:
    places = Counter(entry.content for entry in after.values())
    had = {entry.content for entry in before.values()}
    # The last copy of what the volume had is better left for the next run to use.
    spare = {known.sha256 for known in VOCABULARIES if known.sha256 in had and places[known.sha256] == 1}
    new = [name for name in after if name.startswith(PREFIX) and name not in before]
    return [Problem(LEFT, name) for name in new if after[name].content not in spare]


def _of_the_next_run(folder: Path, before: Mapping[str, Entry], content: Content, state: State) -> list[Problem]:
    done = subprocess.run(
        command(folder, content, state),
        check=False,
        env=ENVIRONMENT,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    after = snapshot(folder)
    problems = []
    if done.returncode != 0:
        problems.append(Problem(UNHEALED, f"the next run ended in {done.returncode}: {done.stderr}"))
    wrong = [name for name, vocabulary in state.names.items() if not is_right(folder, name, vocabulary)]
    problems += [Problem(UNHEALED, f"{name} is still {after.get(name)}") for name in wrong]
    for name in {path.partition("/")[0] for path in after}:
        if name.startswith(PREFIX):
            problems.append(Problem(UNHEALED, f"{name} lies about"))
    modes = [(folder / name).stat().st_mode for name in state.names if (folder / name).exists()]
    if any(mode & 0o644 != 0o644 for mode in modes) or folder.stat().st_mode & 0o755 != 0o755:
        problems.append(Problem(UNHEALED, "not everybody can read it"))
    return problems + [problem for problem in _of_the_volume(folder, before, state) if problem.kind == LOST]
