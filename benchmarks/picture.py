"""The picture of size and speed in the documentation, drawn from the results: ``docs/size-and-speed.svg``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from .results import ROOT, Results
from .table import MEGABYTE

PICTURE = ROOT / "docs" / "size-and-speed.svg"

_WIDTH, _LEFT, _BAR, _ROW, _GAP = 800, 320, 400, 26, 40

# Neutral greys and one accent, each with enough contrast on its own ground; and a ground, because the page around the
# picture can be dark where the reader's system is not.
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


class Bar(NamedTuple):
    """One line of a panel."""

    title: str
    amount: float
    shown: str
    ours: bool


class Panel(NamedTuple):
    """Bars that are compared with each other."""

    title: str
    bars: Sequence[Bar]


def panels(results: Results) -> list[Panel]:
    """Return what the picture shows."""
    measured = results.measured
    ours = "tiktoken-cache-init"
    times = [
        ("busybox, cp alone", "container.copy"),
        (f"{ours}, nothing to do", "container.warm"),
        (f"{ours}, empty volume", "container.cold"),
        ("busybox, the careful recipe", "container.careful"),
        ("Python and tiktoken, get_encoding twice", "container.tiktoken"),
    ]
    memory = [(ours, "alone.cold"), ("Python and tiktoken", "alone.tiktoken")]
    return [
        Panel(
            "Size in a registry (MB)",
            [
                Bar(each.title, each.compressed, f"{each.compressed / MEGABYTE:.1f}", each.title.startswith(ours))
                for each in results.sizes.values()
            ],
        ),
        Panel(
            "Time of a whole docker run (ms)",
            [
                Bar(title, measured[key].time, f"{measured[key].time * 1000:.0f}", title.startswith(ours))
                for title, key in times
            ],
        ),
        Panel(
            "Peak memory (MB)",
            [
                Bar(title, measured[key].memory, f"{measured[key].memory / MEGABYTE:.0f}", title.startswith(ours))
                for title, key in memory
            ],
        ),
    ]


def draw(every: Sequence[Panel]) -> str:
    """Return the picture: horizontal bars, each panel to its own scale."""
    lines: list[str] = []
    top = 24
    for panel in every:
        lines.append(f'<text class="head" x="8" y="{top}">{escape(panel.title)}</text>')
        longest = max(bar.amount for bar in panel.bars)
        for bar in panel.bars:
            top += _ROW
            length = max(1.0, bar.amount / longest * _BAR)
            kind = "ours" if bar.ours else "peer"
            lines += [
                f'<text x="{_LEFT - 8}" y="{top}" text-anchor="end">{escape(bar.title)}</text>',
                f'<rect class="{kind}" x="{_LEFT}" y="{top - 13}" width="{length:.1f}" height="16" rx="2"/>',
                f'<text x="{_LEFT + length + 6:.1f}" y="{top}">{escape(bar.shown)}</text>',
            ]
        top += _GAP
    height = top - _GAP + 16
    told = "; ".join(
        f"{panel.title}: " + ", ".join(f"{bar.title} {bar.shown}" for bar in panel.bars) for panel in every
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">\n'
        f"<title>{escape(told)}</title>\n<style>{_STYLE}</style>\n"
        '<rect class="ground" width="100%" height="100%" rx="6"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )
