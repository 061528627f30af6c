"""The goals, and the one table that shows what was measured against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from .results import Measured, Results

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Goal:
    """One comparison. ``measured`` and ``peer`` are keys of `benchmarks.commands`."""

    title: str
    measured: str
    peer: str | None
    """What it is measured against; None where the goal is a number of megabytes."""
    limit: float | None = None
    """The ratio, or the megabytes; None where the row is for information."""
    what: Literal["time", "memory"] = "time"
    better_by: bool = False
    """Whether the ratio says how many times less than the peer it is, which is to be at least the limit."""


GOALS = (
    Goal("cold fill, beside bare `cp`", "container.cold", "container.copy", 1.18),
    Goal("cold fill, beside the careful recipe", "container.cold", "container.careful", 1.00),
    Goal("nothing to do, beside bare `cp`", "container.warm", "container.copy", 1.15),
    Goal("process alone, cold, beside a bare interpreter", "alone.cold", "alone.bare", 4.5),
    Goal("process alone, warm, beside a bare interpreter", "alone.warm", "alone.bare", 3.5),
    Goal("peak memory, cold", "alone.cold", None, 25, "memory"),
    Goal("peak memory, warm", "alone.warm", None, 25, "memory"),
    Goal("peak memory, fetching", "alone.fetch", None, None, "memory"),
    Goal("fetching, beside ten lines of httpx", "container.fetch", "container.httpx", 1.15),
    Goal("fetching, process alone, beside ten lines of httpx", "alone.fetch", "alone.httpx", 1.15),
    Goal("fetching, beside `curl`", "container.fetch", "container.curl"),
    Goal("fetching, beside `pip`", "container.fetch", "container.pip"),
    Goal("times faster than tiktoken, warm", "alone.warm", "alone.tiktoken", 15, better_by=True),
    Goal("times faster than tiktoken, cold", "alone.cold", "alone.tiktoken", 15, better_by=True),
    Goal("times less memory than tiktoken", "alone.cold", "alone.tiktoken", 8, "memory", better_by=True),
    Goal("times faster than tiktoken, in a container", "container.warm", "container.tiktoken", better_by=True),
)


def value(results: Results, goal: Goal) -> float:
    """Return the ratio that was measured, or the megabytes."""
    ours = _amount(results.measured[goal.measured], goal)
    if goal.peer is None:
        return ours / MEGABYTE
    theirs = _amount(results.measured[goal.peer], goal)
    return theirs / ours if goal.better_by else ours / theirs


def _amount(measured: Measured, goal: Goal) -> float:
    return measured.time if goal.what == "time" else measured.memory


def is_met(results: Results, goal: Goal) -> bool | None:
    """Say whether the goal is met, or None where there is none."""
    if goal.limit is None:
        return None
    found = value(results, goal)
    return found >= goal.limit if goal.better_by else found <= goal.limit


def all_met(results: Results) -> bool:
    """Say whether no goal is missed."""
    return all(is_met(results, goal) is not False for goal in GOALS)


def _rows(results: Results) -> Iterator[Sequence[str]]:
    for goal in GOALS:
        ours = _shown(results.measured[goal.measured], goal)
        theirs = _shown(results.measured[goal.peer], goal) if goal.peer else ""
        found = value(results, goal)
        ratio = f"{found:.1f} MB" if goal.peer is None else f"{found:.1f}x" if goal.better_by else f"{found:.2f}x"
        sign = ">=" if goal.better_by else "<="
        unit = " MB" if goal.peer is None else "x"
        wanted = (
            ""
            if goal.limit is None
            else f"{sign} {goal.limit:{'g' if goal.better_by or not goal.peer else '.2f'}}{unit}"
        )
        met = {True: "met", False: "MISSED", None: ""}[is_met(results, goal)]
        yield goal.title, ours, theirs, ratio, wanted, met


def _shown(measured: Measured, goal: Goal) -> str:
    return f"{measured.time * 1000:.1f} ms" if goal.what == "time" else f"{measured.memory / MEGABYTE:.1f} MB"


def goals(results: Results) -> str:
    """Return the table of the goals: ours, the peer's, the ratio, what is wanted."""
    return _table(("", "ours", "peer", "ratio", "goal", ""), list(_rows(results)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(3, *(len(row[column]) for row in (head, *rows))) for column in range(len(head))]
    # Names to the left, figures to the right.
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    body = [
        rule,
        *([cell.ljust(widths[0]) if not at else cell.rjust(widths[at]) for at, cell in enumerate(r)] for r in rows),
    ]
    first = [cell.ljust(width) for cell, width in zip(head, widths, strict=True)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (first, *body))


def report(results: Results) -> str:
    """Return everything that was found, as Markdown."""
    about = [f"- {name}: {what}\n" for name, what in results.machine.items()]
    times = [
        (
            ("in a container: " if key.startswith("container.") else "process alone: ") + each.title,
            f"{each.time * 1000:.1f}",
            "{:.1f} to {:.1f}".format(*(seconds * 1000 for seconds in each.middle_half)),
            f"{each.memory / MEGABYTE:.1f}" if each.peak_bytes else "",
        )
        for key, each in results.measured.items()
    ]
    sizes = [
        (each.title, f"{each.compressed / MEGABYTE:.2f}", f"{each.on_disk / MEGABYTE:.1f}")
        for each in results.sizes.values()
    ]
    moved = [
        (each.title, f"{each.requests}", f"{each.moved:,}", f"{each.moved / each.payload:.3f}x")
        for each in results.moved
    ]
    crowds = [
        (f"{each.containers}", f"{each.seconds:.2f}", f"{each.seconds / each.containers * 1000:.0f}")
        for each in results.crowds
    ]
    return "\n".join(
        (
            f"# Benchmarks, {results.date}\n",
            f"Written by `python -m benchmarks` at commit {results.commit}. Medians of {results.rounds} rounds; in each round "
            "every command\nruns once, in an order drawn anew. Megabytes are millions of bytes.\n",
            "".join(about),
            "## Goals\n",
            goals(results),
            "## Every command\n",
            "A container is timed as `docker run`, from outside. A process alone is the image's own interpreter in its\n"
            "unpacked file system, without an engine.\n",
            _table(("", "median ms", "middle half, ms", "peak MB"), times),
            "## Sizes\n",
            _table(("", "compressed MB", "on disk MB"), sizes),
            "## Fetching from a server that misbehaves\n",
            _table(("", "requests", "bytes moved", "of the payload"), moved),
            "## Containers that fill one volume at once\n",
            _table(("containers", "seconds", "ms each"), crowds),
        )
    )
