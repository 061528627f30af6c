"""Measures times, memory and sizes: ``python -m benchmarks [--rounds N] [--out DIR]``.

It needs hyperfine, a container engine with the images of `make size`, and a machine that does nothing else. It writes
``benchmarks/results.md`` and ``docs/size-and-speed.svg``, or both into DIR. The exit code is 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from image.size import measure
from tiktoken_cache_init.catalogue import encoding

from .report import SIZES, Results, all_met, panels, picture, table

ROOT = Path(__file__).resolve().parents[1]
NAME = "tiktoken-cache-init"
PEERS = {"copy": f"{NAME}-peer:copy", "careful": f"{NAME}-peer:careful"}
WANTED = {
    vocabulary.cache_key: vocabulary.sha256
    for name in ("cl100k_base", "o200k_base")
    for vocabulary in encoding(name).vocabularies
}
TWO = ("--env", "TIKTOKEN_INIT_ENCODINGS=cl100k_base,o200k_base")
"""The recipes that the image is compared with put only these two files into the volume."""
BLOCK = 10
"""Consecutive runs of a command. The commands take turns, so that a busy moment of the machine affects all of them."""

PEAK = """
import os, runpy
def end(code):
    with open("/proc/self/status") as status:
        print("PEAK", next(line.split()[1] for line in status if line.startswith("VmHWM")), code, flush=True)
    exit(code)
exit, os._exit = os._exit, end
runpy.run_path("/usr/lib/tiktoken-cache-init/entrypoint.pyc", run_name="__main__")
"""
"""Program that runs the program of the image, and prints its peak memory in KiB and its exit code at the end."""


def run(*command: str) -> str:
    """Run a command and return its output.

    Raises:
        SystemExit: it failed.

    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {shlex.join(command)} exited with {done.returncode}: {done.stderr}")
    return done.stdout


def container(image: str, directory: Path, *options: str) -> list[str]:
    """Return the command that runs an image on a volume."""
    return [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--volume",
        f"{directory}:/cache/tiktoken",
        *TWO,
        *options,
        image,
    ]


def build_peers() -> None:
    """Build the recipes that the image is compared with."""
    for target, tag in PEERS.items():
        run("docker", "build", "--quiet", "--target", target, "--tag", tag, str(ROOT / "benchmarks" / "peers"))


def check(directory: Path) -> None:
    """Exit with an error if the directory does not have exactly the right files."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
    if found != WANTED:
        sys.exit(f"error: {directory} has {sorted(found)}, not the two vocabularies")


def times(scratch: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each run of each command."""
    images = {"cold": f"{NAME}:default", "warm": f"{NAME}:default", **PEERS}
    seconds: dict[str, list[float]] = {key: [] for key in images}
    for done in range(0, rounds, BLOCK):
        for key, image in images.items():
            directory = scratch / key
            directory.mkdir(exist_ok=True)
            # The writes of the previous run must not slow this one down.
            prepare = "sync" if key == "warm" else f"rm -f {directory}/* && sync"
            exported = scratch / "times.json"
            command = shlex.join(container(image, directory))
            options = ["--warmup", "1", "--runs", str(min(BLOCK, rounds - done)), "--prepare", prepare]
            run("hyperfine", *options, "--export-json", str(exported), command)
            seconds[key] += json.loads(exported.read_text())["results"][0]["times"]
            check(directory)
        print(f"{min(done + BLOCK, rounds)} of {rounds} runs of each command", file=sys.stderr, flush=True)
    return seconds


def memory(scratch: Path) -> dict[str, float]:
    """Return the peak memory in bytes of a fill of an empty volume, and of a ready one."""
    directory = scratch / "memory"
    directory.mkdir()
    found = {}
    for key in ("cold", "warm"):
        command = container(f"{NAME}:default", directory, "--entrypoint", "/usr/bin/python3.13")
        peak = re.search(r"PEAK (\d+) 0", run(*command, "-I", "-X", "utf8", "-c", PEAK))
        if peak is None:
            sys.exit("error: the program in the image failed, so its memory is unknown")
        found[key] = int(peak[1]) * 1024.0
        check(directory)
    return found


def sizes() -> dict[str, float]:
    """Return the compressed bytes of each image."""
    return {key: measure(PEERS.get(key, f"{NAME}:{key}")) * 1e6 for key in SIZES}


def about(rounds: int) -> str:
    """Describe the day, the commit and the machine."""
    cpus = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = f"{len(cpus)} cores, {cpus[0]}" if cpus else platform.machine()
    engine = run("docker", "version", "--format", "Docker {{.Server.Version}}").strip()
    commit = run("git", "-C", str(ROOT), "describe", "--always", "--dirty").strip()
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}, commit {commit}, {rounds} runs of each command. {processor}; Linux {platform.release()}; {engine}."
    )


def write(results: Results, paths: Mapping[str, Path]) -> None:
    """Write the table and the picture."""
    for name, text in (("results.md", table(results)), ("size-and-speed.svg", picture(panels(results)))):
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure times, memory and sizes.")
    parser.add_argument("--rounds", type=int, default=60, help="runs of each command, 2 or more (default: 60)")
    parser.add_argument("--out", type=Path, help="write into this directory and leave the documentation as it is")
    given = parser.parse_args(arguments)
    if given.rounds < 2:
        parser.error("--rounds must be 2 or more")
    if not shutil.which("hyperfine"):
        parser.error("hyperfine is missing: apt-get install hyperfine")
    build_peers()
    # Not /tmp, which can be in memory: the time of a sync is part of the measurement.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        scratch = Path(name)
        results = Results(times(scratch, given.rounds), memory(scratch), sizes(), about(given.rounds))
    places = {
        "results.md": ROOT / "benchmarks" / "results.md",
        "size-and-speed.svg": ROOT / "docs" / "size-and-speed.svg",
    }
    write(results, {key: given.out / key for key in places} if given.out else places)
    print(table(results))
    return 0 if all_met(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
