"""Measures everything: ``python -m benchmarks [--quick | --sizes] [--rounds N] [--image IMAGE] [--out DIR]``.

It needs root (it unpacks images and runs their processes in there), a container engine, and some minutes in which the
machine does nothing else. The image under test, and its target ``offline``, must be on the engine, both built with
``--build-arg REVISION=$(git rev-parse HEAD)``. It prints the table, and writes ``results.json`` and everything that quotes
it; with ``--quick`` or ``--out``, only into that folder. It ends with 1 if a goal is missed, for which few rounds say nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from image.size import measure

from . import commands, crowd, engine, network, readme
from .picture import PICTURE, draw, panels
from .results import RESULTS, Results, Size
from .table import all_met, goals, report

ROUNDS, QUICK = 25, 3


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures what filling a volume costs.")
    parser.add_argument("--quick", action="store_true", help="few rounds, only to see that everything runs")
    parser.add_argument(
        "--sizes", action="store_true", help="weigh the images anew; the times stay as they were measured"
    )
    parser.add_argument("--rounds", type=int, help=f"how often each command runs ({ROUNDS}; {QUICK} with --quick)")
    parser.add_argument(
        "--image", default=os.environ.get("IMAGE", "tiktoken-cache-init:test"), help="the image under test"
    )
    parser.add_argument("--offline", default="tiktoken-cache-init:offline", help="the image of the target offline")
    parser.add_argument("--out", type=Path, help="write into this folder, and leave the documentation as it is")
    arguments = parser.parse_args()
    if os.geteuid():
        parser.error("it takes root to run the image's process outside of a container")
    revision = engine.revision(arguments.image)
    if revision != engine.revision(arguments.offline) or not (revision or arguments.quick):
        parser.error("the two images must say that they were built from one commit: --build-arg REVISION=...")
    if arguments.sizes:
        results = Results.load()
        with scratch_folder() as scratch:
            _build_peers(arguments.image, scratch)
    else:
        results = Results.new(revision[:12], arguments.rounds or (QUICK if arguments.quick else ROUNDS))
        run(results, arguments.image, arguments.quick)
    weigh(results, arguments.image, arguments.offline)
    print("\n" + goals(results))
    write(results, arguments.out, arguments.quick)
    if not arguments.quick and not all_met(results):
        sys.exit(1)


def write(results: Results, out: Path | None, quick: bool) -> None:
    """Write everything that quotes the results; into ``out``, if one is named, and leave the documentation alone."""
    if out is None and quick:
        out = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    if out is None:
        RESULTS.write_text(results.text(), encoding="utf-8")
        readme.main()
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        (RESULTS.name, results.text()),
        ("results.md", report(results)),
        (PICTURE.name, draw(panels(results))),
    ):
        (out / name).write_text(text, encoding="utf-8")
    print(f"written into {out}")


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder that is not kept in memory: what a sync costs is part of what is measured."""
    with tempfile.TemporaryDirectory(prefix="tiktoken-cache-init-", dir="/var/tmp") as folder:
        yield Path(folder)


def _build_peers(image: str, scratch: Path) -> None:
    _say("building the peers")
    engine.build_peers(image, scratch)


def run(results: Results, image: str, quick: bool) -> None:
    """Measure all but the sizes."""
    with scratch_folder() as scratch:
        _build_peers(image, scratch)
        commands.roots(image, scratch)
        with engine.serving() as server:
            every = commands.commands(image, scratch, server)
            for number, measured in commands.interleaved(every, results.rounds):
                _say(f"round {number} of {results.rounds}")
                results.measured = measured
        for moved in network.count(image, scratch / "vocabularies"):
            _say(f"{moved.title}: {moved.moved:,} bytes for {moved.payload:,}")
            results.moved.append(moved)
        for containers in (1, 10) if quick else (1, 10, 100):
            results.crowds.append(crowd.fill_with(containers, image))
            _say(f"{containers} at once: {results.crowds[-1].seconds} s")


def weigh(results: Results, image: str, offline: str) -> None:
    """Measure the sizes."""
    titles = {
        "default": ("tiktoken-cache-init", image),
        "offline": ("tiktoken-cache-init, offline", offline),
        "copy": ("busybox and the two files", engine.peer("copy")),
        "careful": ("busybox, the careful recipe", engine.peer("careful")),
        "curl": ("Debian and curl", engine.peer("curl")),
        "python": ("Debian, Python and tiktoken", engine.peer("python")),
    }
    for key, (title, name) in titles.items():
        _say(f"weighing {name}")
        weight = measure(name)
        results.sizes[key] = Size(title, weight.compressed, weight.size)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
