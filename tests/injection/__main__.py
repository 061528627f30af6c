"""``python -m tests.injection``: every fault at every call that a run makes on the volume, from every starting state."""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import sys
import time

from tests.injection.campaign import KINDS, Verdict, attempt, baseline, faults_of, sample
from tests.injection.states import STATES, Content, State
from tests.injection.tracer import Fault
from tests.vocabularies import obtain, shared_folder


def main() -> int:
    """Run them, print a summary, and return 0 only if nothing was wrong and every point was reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.injection", description=__doc__)
    parser.add_argument("--state", default="", help="only the states with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many runs at once")
    parser.add_argument("--sample", type=int, default=0, metavar="COUNT", help="only so many faults of each state")
    parser.add_argument("--seed", default="0", help="which ones")
    arguments = parser.parse_args()

    obtain(shared_folder())
    content = Content(shared_folder())
    started = time.monotonic()
    rows: list[list[str]] = []
    verdicts: list[Verdict] = []
    points = 0
    with multiprocessing.Pool(arguments.jobs) as pool:
        for state in STATES:
            if arguments.state not in state.name or (state.root and os.geteuid() != 0):
                continue
            run = baseline(state, content)
            if run.exit_code:
                print(f"{state.name}: without any fault it ends in {run.exit_code}: {run.stderr}")
                return 1
            faults = faults_of(run.points)
            if arguments.sample:
                faults = sample(faults, arguments.sample, f"{arguments.seed} {state.name}")
            of_state = pool.map(functools.partial(_attempt, state, content), faults, chunksize=1)
            points += len(run.points)
            verdicts += of_state
            rows.append(_row(state.name, len(run.points), of_state))
            print(_line(rows[-1]), flush=True)
            for verdict in of_state:
                if verdict.problems:
                    print(verdict, flush=True)
                elif not verdict.hit:
                    print(f"{state.name}: {verdict.fault}: never came to it", flush=True)
    print()
    for row in [["starting state", "points", "faults", "not reached", *KINDS], *rows, _row("all", points, verdicts)]:
        print(_line(row))
    print(f"\n{time.monotonic() - started:.0f} s, {arguments.jobs} at once")
    for kind, meaning in KINDS.items():
        print(f"{kind}: {meaning}")
    return 0 if verdicts and all(verdict.hit and not verdict.problems for verdict in verdicts) else 1


def _attempt(state: State, content: Content, fault: Fault) -> Verdict:
    return attempt(state, content, fault)


def _row(name: str, points: int, verdicts: list[Verdict]) -> list[str]:
    reached = [verdict for verdict in verdicts if verdict.hit]
    counts = [sum(any(p.kind == kind for p in verdict.problems) for verdict in verdicts) for kind in KINDS]
    return [name, *(str(count) for count in (points, len(reached), len(verdicts) - len(reached), *counts))]


def _line(row: list[str]) -> str:
    return f"{row[0]:36}" + "".join(f"{cell:>12}" for cell in row[1:])


if __name__ == "__main__":
    sys.exit(main())
