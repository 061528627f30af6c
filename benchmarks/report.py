"""Table and picture of the benchmark results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import NamedTuple
from xml.sax.saxutils import escape

from image.size import BUDGETS

MEGABYTE = 1e6

TITLES = {
    "cold": "tiktoken-cache-init, empty volume",
    "warm": "tiktoken-cache-init, nothing to do",
    "copy": "busybox, cp alone",
    "careful": "busybox, cp, sync, sha256sum -c, mv, sync",
}
"""Key -> title of a timed command: `docker run` of the image, or of a recipe."""

LIMITS = {("cold", "copy"): 1.18, ("cold", "careful"): 1.05, ("warm", "copy"): 1.15}
"""(Key of ours, key of the recipe) -> the highest ratio of their times that is allowed."""

MEMORY_LIMIT = 25.0
"""Megabytes."""

SIZES = {
    "default": "tiktoken-cache-init, all encodings",
    "two-encodings": "tiktoken-cache-init, two encodings",
    "offline": "tiktoken-cache-init, offline, all encodings",
    "copy": "busybox and the two files",
}
"""Key -> title of an image whose size is measured."""


class Results(NamedTuple):
    """Measurements of one run of the benchmarks."""

    seconds: Mapping[str, Sequence[float]]
    """Key of `TITLES` -> the time of each run."""
    memory: Mapping[str, float]
    """`cold` and `warm` -> peak memory in bytes."""
    sizes: Mapping[str, float]
    """Key of `SIZES` -> compressed bytes."""
    about: str
    """The day, the commit and the machine."""


class Row(NamedTuple):
    """One line of the table."""

    title: str
    measured: str
    compared: str
    ratio: str
    limit: str
    met: bool | None
    """None where there is no limit."""


def rows(results: Results) -> list[Row]:
    """Return the lines of the table."""
    found = []
    for (ours, peer), limit in LIMITS.items():
        ratio = median(results.seconds[ours]) / median(results.seconds[peer])
        times = _milliseconds(results.seconds[ours]), f"{TITLES[peer]}: {_milliseconds(results.seconds[peer])}"
        found.append(Row(f"`docker run`: {TITLES[ours]}", *times, f"{ratio:.2f}x", f"{limit:.2f}x", ratio <= limit))
    for key, size in results.memory.items():
        met = size / MEGABYTE <= MEMORY_LIMIT
        limit_text = f"{MEMORY_LIMIT:g} MB"
        found.append(Row(f"peak memory: {TITLES[key]}", f"{size / MEGABYTE:.1f} MB", "", "", limit_text, met))
    for key, title in SIZES.items():
        size, budget = results.sizes[key] / MEGABYTE, BUDGETS.get(key)
        limit_text, fits = (f"{budget} MB", size <= budget) if budget else ("", None)
        found.append(Row(f"compressed size: {title}", f"{size:.2f} MB", "", "", limit_text, fits))
    return found


def _milliseconds(seconds: Sequence[float]) -> str:
    low, _, high = quantiles(seconds, n=4)
    return f"{median(seconds) * 1000:.0f} ms ({low * 1000:.0f} to {high * 1000:.0f})"


def all_met(results: Results) -> bool:
    """Return whether no limit is exceeded."""
    return all(row.met is not False for row in rows(results))


def table(results: Results) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Size and speed\n",
        results.about,
        "",
        "| | measured | compared with | ratio | limit | |",
        "|---|---:|---|---:|---:|---|",
    ]
    for row in rows(results):
        met = {True: "met", False: "MISSED", None: ""}[row.met]
        lines.append(f"| {row.title} | {row.measured} | {row.compared} | {row.ratio} | {row.limit} | {met} |")
    lines += [
        "",
        "Times are medians. The range in brackets covers the middle half of the runs. Megabytes are millions of bytes.",
        "Each command fills the same two files. `make benchmarks` writes this page.",
    ]
    return "\n".join(lines) + "\n"


_WIDTH, _LEFT, _BAR, _ROW = 800, 330, 390, 26

# The picture draws its own background, because a page can be dark while the reader's system is light.
_STYLE = """
  .ground { fill: #ffffff }
  text { font: 14px system-ui, sans-serif; fill: #24292f }
  .head { font-weight: 600 }
  .ours { fill: #0969da }
  .peer { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    text { fill: #e6edf3 }
    .ours { fill: #4493f8 }
    .peer { fill: #7d8590 }
  }
"""

Panel = tuple[str, Sequence[tuple[str, float]]]
"""A title with the unit, and the bars: title and amount."""


def panels(results: Results) -> list[Panel]:
    """Return the panels of the picture."""
    times = sorted((median(seconds) * 1000, TITLES[key]) for key, seconds in results.seconds.items())
    sizes = sorted((results.sizes[key] / MEGABYTE, title) for key, title in SIZES.items())
    return [
        ("Time of a whole docker run (ms)", [(title, round(amount)) for amount, title in times]),
        ("Compressed size in a registry (MB)", [(title, round(amount, 1)) for amount, title in sizes]),
    ]


def picture(every: Sequence[Panel]) -> str:
    """Return the picture as SVG: horizontal bars, each panel with its own scale."""
    lines: list[str] = []
    y = 24
    for title, bars in every:
        lines.append(f'<text class="head" x="8" y="{y}">{escape(title)}</text>')
        longest = max(amount for _, amount in bars)
        for name, amount in bars:
            y += _ROW
            length = amount / longest * _BAR
            kind = "ours" if name.startswith("tiktoken-cache-init") else "peer"
            lines += [
                f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{_LEFT}" y="{y - 13}" width="{length:.1f}" height="16" rx="2"/>',
                f'<text x="{_LEFT + length + 6:.1f}" y="{y}">{amount}</text>',
            ]
        y += 40
    told = "; ".join(f"{title}: " + ", ".join(f"{name} {amount}" for name, amount in bars) for title, bars in every)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y - 24}" width="{_WIDTH}" height="{y - 24}" role="img">\n'
        f"<title>{escape(told)}</title>\n<style>{_STYLE}</style>\n"
        '<rect class="ground" width="100%" height="100%" rx="6"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )
