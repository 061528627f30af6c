"""Costs of a fleet, for the table in docs/kubernetes.md, computed from the results of the benchmarks.

``python -m tests.orchestrators.fleet`` writes the table into the document.
"""

from __future__ import annotations

import re

from tests.containers.engine import ROOT
from tests.vocabularies import DEFAULT

DOCUMENT = ROOT / "docs" / "kubernetes.md"
BEGIN = "<!-- begin: written by `python -m tests.orchestrators.fleet` -->"
END = "<!-- end -->"

PODS_ON_A_NODE = 20


def table() -> str:
    """Return the table in Markdown."""
    results = (ROOT / "benchmarks" / "results.md").read_text()
    cold, warm = (
        _figure(f"tiktoken-cache-init, {volume}", results) / 1000 for volume in ("empty volume", "nothing to do")
    )
    image = _figure("tiktoken-cache-init(?:, all encodings)?", results) * 1_000_000
    files = sum(vocabulary.size or 0 for vocabulary in DEFAULT)

    def seconds(each: float) -> str:
        return f"{each:.2f} to {PODS_ON_A_NODE * each:.1f} s"

    lines = [
        "| pods, nodes | way | pulls of the image | from the registry | written to nodes | read from the shared volume "
        "| added to a pod's start |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for pods in (10, 1_000, 100_000):
        nodes = -(-pods // PODS_ON_A_NODE)
        pulls = f"{nodes:,} | {_size(nodes * image)}"
        where = f"{pods:,}, {nodes:,}"
        lines += [
            f"| {where} | init container | {pulls} | {_size(pods * files)} | 0 | {seconds(cold)} |",
            f"| | Job and shared volume | {pulls} | 0 | {_size(2 * pods * files)} | {seconds(warm)} |",
            f"| | image volume | {pulls} | 0 | 0 | 0 s |",
        ]
    return "\n".join(lines) + "\n"


def documented() -> str:
    """Return the table as the document has it."""
    return DOCUMENT.read_text().partition(f"{BEGIN}\n\n")[2].partition(f"\n{END}")[0]


def _figure(title: str, results: str) -> float:
    """Return the first number next to a title in the benchmarks' tables: milliseconds, or megabytes."""
    found = re.search(rf"^\| (?:[^|]*: )?{title} *\| *([\d.]+)", results, re.MULTILINE)
    assert found, f"benchmarks/results.md has no figure for: {title}"
    return float(found[1])


def _size(count: float) -> str:
    for unit in ("MB", "GB", "TB"):
        count /= 1_000_000 if unit == "MB" else 1_000
        if count < 1_000:
            break
    return f"{count:.3g} {unit}"


def main() -> None:
    """Write the table into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
