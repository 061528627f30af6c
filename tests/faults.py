"""Fault injection: each system call on the volume fails or gets a signal, and the next run must repair the volume.

``python -m tests.faults [--jobs N] [--sample N --seed TEXT]`` tries every fault at every call, or a sample. It prints a
table.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.drivers import install
from tests.states import REPEATED, Entry, Place, State, changed, place, snapshot, temporary
from tests.vocabularies import SMALL, is_right, obtain
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

FAULTS = ("EIO", "ENOSPC", "EACCES", "SIGKILL", "SIGTERM")
TORN, LOST, UNREPAIRED, LEFT, UNCLEAR = KINDS = ("torn", "lost", "unrepaired", "left", "unclear")
"""Kinds of problems.

- torn: a final name holds neither a right file nor its old content;
- lost: a right file, or a file of another program, is gone;
- unrepaired: the next run fails, or leaves a wrong or a temporary file;
- left: a run that was not killed leaves a temporary file;
- unclear: a run ends with a traceback, a wrong exit code or a wrong number of error lines.
"""

_CALL = re.compile(r"\d+ +(\w+)\(")
_MOST_TRIES = 3
"""Attempts for each fault: a random name can change the order of a directory listing, so a run can miss the call."""


class Start(NamedTuple):
    """Starting state, and the source of the bytes."""

    state: State
    source: str

    def __str__(self) -> str:
        return f"{self.state.name} ({self.source})"

    def arguments(self, at: Place) -> list[str]:
        """Return the command line of the fill."""
        sources = {
            "baked": ["--sources", "baked"],
            "mirror": ["--sources", "fetch", "--origin", "off", "--mirror", str(at.vocabularies)],
        }[self.source]
        return ["fill", "--encodings", "gpt2", "--cache-dir", str(at.volume), *sources, *self.state.arguments]


STARTS = (
    *(Start(state, "baked") for state in REPEATED),
    *(Start(state, "mirror") for state in REPEATED if state.baked),
)


class Fault(NamedTuple):
    """Fault at the Nth call of a system call."""

    call: str
    number: int
    what: str
    """Name in `FAULTS`."""

    def option(self) -> str:
        """Return the option of strace."""
        kind = "signal" if self.what.startswith("SIG") else "error"
        return f"inject={self.call}:{kind}={self.what}:when={self.number}"


class Problem(NamedTuple):
    """Violation of a rule."""

    kind: str
    text: str


def points(log: Path, volume: Path) -> Iterator[tuple[str, int]]:
    """Yield (call, number) for each call on the volume."""
    counts: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        if match := _CALL.match(line):
            counts[match[1]] += 1
            if str(volume) in line and match[1] != "execve" and f"{match[1]}(2<" not in line:
                yield match[1], counts[match[1]]


def traced(start: Start, at: Place, *options: str) -> tuple[int, str, list[tuple[str, int]]]:
    """Run a fill under strace; return its exit code, its output and its calls on the volume."""
    log = at.directory / "strace"
    trace = ["-f", "-y", "-qq", "-s", "0", "-o", str(log), "-e", "trace=%file,%desc", *options]
    ended = at.host("strace", *trace, baked=start.state.baked).run(*start.arguments(at))
    return ended.code, ended.said, list(points(log, at.volume))


def attempt(start: Start, vocabularies: Path, fault: Fault) -> list[Problem] | None:
    """Run with a fault and then without it; return the problems, or None if the run did not reach the call."""
    for _ in range(_MOST_TRIES):
        directory = Path(tempfile.mkdtemp(prefix="tiktoken-fault-")).resolve()
        at = Place(directory, vocabularies, install(directory / "program", vocabularies), SMALL)
        try:
            at.make(start.state)
            before = snapshot(at.volume)
            code, said, calls = traced(start, at, "-e", fault.option())
            if (fault.call, fault.number) not in calls:
                continue
            after = snapshot(at.volume)
            found = [*_of_the_run(at, fault, code, said), *damage(at.volume, at.names("cache"), before, after)]
            if fault.what != "SIGKILL" and fault.call != "unlink":
                found += _left(at, before, after)
            ended = at.host(baked=start.state.baked).run(*start.arguments(at))
            return [*found, *_of_the_next_run(at, before, ended.code, ended.said)]
        finally:
            shutil.rmtree(at.directory)
    return None


def _of_the_run(at: Place, fault: Fault, code: int, said: str) -> Iterator[Problem]:
    expected = {"SIGKILL": {137}, "SIGTERM": {143}}.get(fault.what, {0, 3, 4})
    lines = [line for line in said.splitlines() if "error:" in line]
    wanted = 0 if code in (0, 137) else 1
    if "Traceback" in said or code not in expected or len(lines) != wanted:
        yield Problem(UNCLEAR, f"exit code {code}: {said}")
    if code == 0:
        for name, vocabulary in at.names("cache").items():
            if not is_right(at.volume / name, vocabulary):
                yield Problem(UNCLEAR, f"exit code 0, but {name} is not right")


def damage(
    volume: Path,
    names: dict[str, Vocabulary],
    before: dict[str, Entry],
    after: dict[str, Entry],
    kept: Iterable[Vocabulary] = VOCABULARIES,
) -> Iterator[Problem]:
    """Yield each problem of kind torn or lost. The bytes of the vocabularies to be kept must not be lost under any name."""
    for name, vocabulary in names.items():
        was, now = before.get(name), after.get(name)
        if is_right(volume / name, vocabulary):
            continue
        # A file cannot replace a directory in one step.
        moved = was is not None and stat.S_ISDIR(was.kind) and now is None
        if not moved and (was and (was.kind, was.content)) != (now and (now.kind, now.content)):
            yield Problem(TORN, f"{name} was {was}, is {now}")
        if was and was.content == vocabulary.sha256:
            yield Problem(LOST, f"{name} was right, is {now}")
    for text in changed(names, before, after):
        yield Problem(LOST, text)
    had, has = ({entry.content for entry in entries.values()} for entries in (before, after))
    for vocabulary in kept:
        if vocabulary.sha256 in had - has:
            yield Problem(LOST, f"the bytes of {vocabulary.published_name} are gone")


def _left(at: Place, before: dict[str, Entry], after: dict[str, Entry]) -> Iterator[Problem]:
    # A whole right file is kept for the next run: it may be the last copy.
    right = {vocabulary.sha256 for vocabulary in at.pair}
    for name in temporary(after) - temporary(before):
        if after[name].content not in right:
            yield Problem(LEFT, name)


def _of_the_next_run(at: Place, before: dict[str, Entry], code: int, said: str) -> Iterator[Problem]:
    after = snapshot(at.volume)
    if code != 0:
        yield Problem(UNREPAIRED, f"exit code of the next run {code}: {said}")
    for name in temporary(after):
        yield Problem(UNREPAIRED, f"the next run left {name}")
    for name, vocabulary in at.names("cache").items():
        if not is_right(at.volume / name, vocabulary) or after[name].mode & 0o644 != 0o644:
            yield Problem(UNREPAIRED, f"{name} is {after.get(name)}")
    yield from (each for each in damage(at.volume, at.names("cache"), before, after) if each.kind == LOST)


def faults(start: Start, vocabularies: Path) -> list[Fault]:
    """Return every fault at every call of a run without faults."""
    with place(vocabularies, SMALL) as at:
        at.make(start.state)
        # The first run may write byte-code, so its calls may differ from those of the next runs.
        at.host().run(*start.arguments(at))
        shutil.rmtree(at.volume)
        at.make(start.state)
        code, said, calls = traced(start, at)
        assert code == 0, said
    return [Fault(call, number, what) for call, number in calls for what in FAULTS]


def _sample(every: Sequence[Fault], count: int, seed: str) -> list[Fault]:
    """Choose a call first, and then a fault at it, so that a rare call is tried as often as a frequent one."""
    chooser = random.Random(seed)
    calls = sorted({fault.call for fault in every})
    names = [chooser.choice(calls) for _ in range(count)]
    return [chooser.choice([fault for fault in every if fault.call == name]) for name in names]


def campaign(starts: Sequence[Start], vocabularies: Path, jobs: int, sample: int = 0, seed: str = "") -> Counter[str]:
    """Try the faults, print a table and every problem, and return the number of problems of each kind."""
    total: Counter[str] = Counter()
    columns = ("points", "tried", "missed", *KINDS)
    print(f"{'start':44}" + "".join(f"{column:>12}" for column in columns))
    with place(vocabularies, SMALL) as shared, ThreadPoolExecutor(jobs) as pool:
        for start in starts:
            every = faults(start, shared.vocabularies)
            chosen = _sample(every, sample, f"{seed} {start}") if sample else every
            results = list(pool.map(lambda fault, start=start: attempt(start, shared.vocabularies, fault), chosen))
            counts = Counter(points=len(every) // len(FAULTS), tried=len(chosen), missed=results.count(None))
            for fault, found in zip(chosen, results, strict=True):
                counts.update({problem.kind for problem in found or ()})
                for problem in found or ():
                    print(
                        f"  {fault.call} {fault.number} {fault.what}: {problem.kind}: {problem.text}", file=sys.stderr
                    )
            total += counts
            print(f"{start!s:44}" + "".join(f"{counts[column]:12}" for column in columns), flush=True)
    print(f"{'total':44}" + "".join(f"{total[column]:12}" for column in columns), flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sample", type=int, default=0, help="faults for each start; 0 tries all")
    parser.add_argument("--seed", default="")
    options = parser.parse_args()
    found = campaign(STARTS, obtain(), options.jobs, options.sample, options.seed)
    sys.exit(any(found[kind] for kind in KINDS))
