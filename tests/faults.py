"""Fault injection: each system call on the volume fails or gets a signal, and the next run must repair the volume.

``python -m tests.faults [--jobs N] [--sample N --seed TEXT]`` tries every fault at every call, or a sample. It prints each
problem, and a line for each starting state.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.states import REPEATED, Entry, Place, State, changed, place, snapshot, temporary
from tests.vocabularies import SMALL, is_right, obtain
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

FAULTS = ("EIO", "ENOSPC", "EACCES", "SIGKILL", "SIGTERM")
SOURCES = {"baked": ["--sources", "baked"], "mirror": ["--sources", "fetch", "--origin", "off", "--mirror", "$S"]}
"""Name of a source -> options of the fill, with the variables of the table of states."""
_MOST_TRIES = 3
"""Attempts for each fault: a random name can change the order of a directory listing, so a run can miss the call."""


class Start(NamedTuple):
    """Starting state, and the source of the bytes."""

    state: State
    source: str

    def __str__(self) -> str:
        return f"{self.state.name} ({self.source})"


STARTS = [Start(state, source) for source in SOURCES for state in REPEATED if state.baked or source == "baked"]


class Fault(NamedTuple):
    """Fault at the Nth call of a system call."""

    call: str
    number: int
    what: str
    """Name in `FAULTS`."""

    def __str__(self) -> str:
        kind = "signal" if self.what.startswith("SIG") else "error"
        return f"inject={self.call}:{kind}={self.what}:when={self.number}"


class Ran(NamedTuple):
    """Result of a fill under strace."""

    code: int
    said: str
    calls: list[tuple[str, int]]
    """Name and number of each call on the volume."""


def fill(start: Start, at: Place, fault: Fault | None = None) -> Ran:
    """Run a fill under strace, with a fault or without."""
    log = at.directory / "strace"
    trace = [
        "-f",
        "-y",
        "-qq",
        "-s",
        "0",
        "-o",
        str(log),
        "-e",
        "trace=%file,%desc",
        *(["-e", str(fault)] * bool(fault)),
    ]
    arguments = [at.text(word) for word in (*SOURCES[start.source], *start.state.arguments)]
    host = at.host("strace", *trace, baked=start.state.baked)
    ended = host.run("fill", "--encodings", "gpt2", "--cache-dir", str(at.volume), *arguments)
    return Ran(ended.code, ended.said, list(calls(log.read_text(errors="replace"), at.volume)))


def calls(log: str, volume: Path) -> Iterator[tuple[str, int]]:
    """Yield name and number of each call on the volume in a log of strace."""
    counts: Counter[str] = Counter()
    for line in log.splitlines():
        if match := re.match(r"\d+ +(\w+)\(", line):
            counts[match[1]] += 1
            if str(volume) in line and match[1] != "execve" and f"{match[1]}(2<" not in line:
                yield match[1], counts[match[1]]


def attempt(start: Start, vocabularies: Path, fault: Fault) -> list[str] | None:
    """Run with a fault and then without it; return the problems, or None if the run did not reach the call."""
    for _ in range(_MOST_TRIES):
        with place(vocabularies, SMALL) as at:
            at.make(start.state)
            before = snapshot(at.volume)
            ran = fill(start, at, fault)
            if (fault.call, fault.number) not in ran.calls:
                continue
            after = snapshot(at.volume)
            found = [*_unclear(at, fault, ran), *torn(at.volume, at.names("cache"), before, after)]
            found += lost(at.volume, at.names("cache"), before, after)
            if fault.what != "SIGKILL" and fault.call != "unlink":
                found += _left(before, after)
            return [*found, *_unrepaired(at, before, fill(start, at))]
    return None


def _unclear(at: Place, fault: Fault, ran: Ran) -> Iterator[str]:
    """Yield a traceback, a wrong exit code, or a wrong number of error lines."""
    expected = {"SIGKILL": {137}, "SIGTERM": {143}}.get(fault.what, {0, 3, 4})
    lines = [line for line in ran.said.splitlines() if "error:" in line]
    wanted = 0 if ran.code in (0, 137) else 1
    if "Traceback" in ran.said or ran.code not in expected or len(lines) != wanted:
        yield f"unclear: exit code {ran.code}: {ran.said}"
    if ran.code == 0:
        for name, vocabulary in at.names("cache").items():
            if not is_right(at.volume / name, vocabulary):
                yield f"unclear: exit code 0, but {name} is not right"


def torn(
    volume: Path, names: dict[str, Vocabulary], before: dict[str, Entry], after: dict[str, Entry]
) -> Iterator[str]:
    """Yield each final name that holds neither a right file nor its old content."""
    for name, vocabulary in names.items():
        was, now = before.get(name), after.get(name)
        # A file cannot replace a directory in one step.
        moved = was is not None and stat.S_ISDIR(was.kind) and now is None
        changed = (was and (was.kind, was.content)) != (now and (now.kind, now.content))
        if changed and not moved and not is_right(volume / name, vocabulary):
            yield f"torn: {name} was {was}, is {now}"


def lost(
    volume: Path,
    names: dict[str, Vocabulary],
    before: dict[str, Entry],
    after: dict[str, Entry],
    kept: Iterable[Vocabulary] = VOCABULARIES,
) -> Iterator[str]:
    """Yield each right file, file of another program and vocabulary to be kept under any name that is gone."""
    for name, vocabulary in names.items():
        was = before.get(name)
        if was and was.content == vocabulary.sha256 and not is_right(volume / name, vocabulary):
            yield f"lost: {name} was right, is {after.get(name)}"
    for text in changed(names, before, after):
        yield f"lost: {text}"
    had, has = ({entry.content for entry in entries.values()} for entries in (before, after))
    for vocabulary in kept:
        if vocabulary.sha256 in had - has:
            yield f"lost: the bytes of {vocabulary.published_name}"


def _left(before: dict[str, Entry], after: dict[str, Entry]) -> Iterator[str]:
    """Yield each temporary file of a run that was not killed."""
    for name in temporary(after) - temporary(before):
        # A whole right file is kept for the next run: it may be the last copy.
        if after[name].content not in {vocabulary.sha256 for vocabulary in SMALL}:
            yield f"left: {name}"


def _unrepaired(at: Place, before: dict[str, Entry], ran: Ran) -> Iterator[str]:
    """Yield what the next run, without a fault, leaves wrong."""
    after = snapshot(at.volume)
    if ran.code != 0:
        yield f"unrepaired: exit code of the next run {ran.code}: {ran.said}"
    for name in temporary(after):
        yield f"unrepaired: the next run left {name}"
    for name, vocabulary in at.names("cache").items():
        if not is_right(at.volume / name, vocabulary) or after[name].mode & 0o644 != 0o644:
            yield f"unrepaired: {name} is {after.get(name)}"
    yield from lost(at.volume, at.names("cache"), before, after)


def faults(start: Start, vocabularies: Path) -> list[Fault]:
    """Return every fault at every call of a run without faults."""
    with place(vocabularies, SMALL) as at:
        at.make(start.state)
        # The first run may write byte-code, so its calls may differ from those of the next runs.
        fill(start, at)
        shutil.rmtree(at.volume)
        at.make(start.state)
        ran = fill(start, at)
        assert ran.code == 0, ran.said
    return [Fault(call, number, what) for call, number in ran.calls for what in FAULTS]


def _sample(every: Sequence[Fault], count: int, seed: str) -> list[Fault]:
    """Choose a call first, and then a fault at it, so that a rare call is tried as often as a frequent one."""
    chooser = random.Random(seed)
    names = sorted({fault.call for fault in every})
    drawn = [chooser.choice(names) for _ in range(count)]
    return [chooser.choice([fault for fault in every if fault.call == name]) for name in drawn]


def campaign(starts: Sequence[Start], vocabularies: Path, jobs: int, sample: int = 0, seed: str = "") -> Counter[str]:
    """Try the faults, print every problem, and return the numbers of faults: tried, missed, with problems."""
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(jobs) as pool:
        for start in starts:
            every = faults(start, vocabularies)
            chosen = _sample(every, sample, f"{seed} {start}") if sample else every
            results = list(pool.map(lambda fault, start=start: attempt(start, vocabularies, fault), chosen))
            for fault, found in zip(chosen, results, strict=True):
                for problem in found or ():
                    print(f"  {fault}: {problem}")
            counts = Counter(tried=len(chosen), missed=results.count(None), wrong=sum(map(bool, results)))
            print(f"{start}: {len(every)} faults, {dict(counts)}", flush=True)
            total.update(counts)
    print(f"total: {dict(total)}")
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sample", type=int, default=0, help="faults for each start; 0 tries all")
    parser.add_argument("--seed", default="")
    options = parser.parse_args()
    sys.exit(campaign(STARTS, obtain(), options.jobs, options.sample, options.seed)["wrong"] > 0)
