"""Measures times, memory and sizes: ``python -m benchmarks ROUNDS``, the number of runs of each command.

It needs hyperfine, a container engine with the images of `make size`, and a machine that does nothing else. It writes
``benchmarks/results.md`` and ``docs/size-and-speed.svg``. The exit code is 1 if a limit is exceeded.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import re
import shlex
import sys
import tempfile
from pathlib import Path
from statistics import median

from matplotlib import pyplot

from image.size import BUDGETS, measure
from release.dist import NAME, ROOT, WHEEL, build, make_packages, run
from tiktoken_cache_init.catalogue import VOCABULARIES

DEFAULT, COPY, CAREFUL = f"{NAME}:default", f"{NAME}-peer:copy", f"{NAME}-peer:careful"
WANTED = {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES}
BLOCK = 10
"""Consecutive runs of a command. The commands take turns, so that a busy moment of the machine affects all of them."""
COLD, WARM, CP, RECIPE = "image, empty volume", "image, nothing to do", "busybox, cp", "busybox, the careful recipe"
FILL, SCRIPT, TIKTOKEN = "wheel, empty directory", "a Python script that copies", "tiktoken, o200k_base from the cache"
LIMITS = {(COLD, CP): 1.18, (COLD, RECIPE): 1.05, (WARM, CP): 1.15, (FILL, SCRIPT): 1.5}
"""(Ours, the other) -> the highest ratio of their times that is allowed."""
MEMORY_LIMIT = 25.0
"""Megabytes."""

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


def container(image: str, directory: Path, *options: str) -> list[str]:
    """Return the command that runs an image on a volume."""
    return ["docker", "run", "--rm", "--network", "none", "--volume", f"{directory}:/cache/tiktoken", *options, image]


def commands(scratch: Path) -> dict[str, tuple[Path, list[str]]]:
    """Build what is measured; return name -> the directory to fill, and the command."""
    for target, tag in (("copy", COPY), ("careful", CAREFUL)):
        run("docker", "build", "--quiet", "--target", target, "--tag", tag, ROOT / "benchmarks" / "peers")
    vocabularies, python = scratch / "vocabularies", scratch / "python" / "bin" / "python"
    build("data", "--output", f"type=local,dest={vocabularies}")
    make_packages(vocabularies, scratch)
    run(sys.executable, "-m", "venv", scratch / "python")
    run(python, "-m", "pip", "install", "--quiet", "--no-index", scratch / WHEEL)
    names = (COLD, WARM, CP, RECIPE, FILL, SCRIPT, TIKTOKEN)
    places = {name: scratch / str(number) for number, name in enumerate(names)}
    for place in places.values():
        place.mkdir()
    copy = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"
    load = "import tiktoken; tiktoken.get_encoding('o200k_base').encode('hello')"
    found = {
        COLD: container(DEFAULT, places[COLD]),
        WARM: container(DEFAULT, places[WARM]),
        CP: container(COPY, places[CP]),
        RECIPE: container(CAREFUL, places[RECIPE]),
        FILL: [str(python.with_name(NAME)), "--cache-dir", str(places[FILL])],
        SCRIPT: [str(python), "-c", copy, str(vocabularies), str(places[SCRIPT])],
        TIKTOKEN: ["env", f"TIKTOKEN_CACHE_DIR={vocabularies}", sys.executable, "-c", load],
    }
    return {name: (places[name], command) for name, command in found.items()}


def times(scratch: Path, rounds: int) -> dict[str, float]:
    """Return the median of the milliseconds of each command."""
    measured = commands(scratch)
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    for done in range(0, rounds, BLOCK):
        for name, (directory, command) in measured.items():
            # The writes of the previous run must not slow this one down.
            prepare = "sync" if name == WARM else f"rm -f {directory}/* && sync"
            options = ["--warmup", "1", "--runs", min(BLOCK, rounds - done), "--prepare", prepare]
            run("hyperfine", *map(str, options), "--export-json", scratch / "times.json", shlex.join(command))
            seconds[name] += json.loads((scratch / "times.json").read_text())["results"][0]["times"]
            found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
            if name != TIKTOKEN and found != WANTED:
                sys.exit(f"error: {name}: {directory} has {sorted(found)}, not the vocabularies")
        print(f"{min(done + BLOCK, rounds)} of {rounds} runs of each command", file=sys.stderr, flush=True)
    return {name: median(each) * 1000 for name, each in seconds.items()}


def memory(directory: Path) -> float:
    """Return the peak memory of a fill of an empty volume, in megabytes."""
    directory.mkdir()
    command = container(DEFAULT, directory, "--entrypoint", "/usr/bin/python3.13")
    peak = re.search(r"PEAK (\d+) 0", run(*command, "-I", "-X", "utf8", "-c", PEAK))
    if peak is None:
        sys.exit("error: the program in the image failed, so its memory is unknown")
    return int(peak[1]) * 1024 / 1e6


def plot(milliseconds: dict[str, float], megabytes: dict[str, float]) -> None:
    """Write the picture: the time of each command, and the size of each image."""
    figure, axes = pyplot.subplots(2, 1, figsize=(9, 5), height_ratios=(len(milliseconds), len(megabytes)))
    for axis, title, values in zip(axes, ("Time (ms)", "Compressed size (MB)"), (milliseconds, megabytes), strict=True):
        axis.bar_label(axis.barh(list(values)[::-1], list(values.values())[::-1]), fmt="%.3g", padding=3)
        axis.set_title(title, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "size-and-speed.svg", metadata={"Date": None})


def write(rows: list[tuple[str, float, float]], milliseconds: dict[str, float], rounds: int) -> None:
    """Write and print the results: each name, value and limit, and the time of each command."""
    day = datetime.datetime.now(datetime.UTC).date()
    commit = run("git", "describe", "--always", "--dirty").strip()
    engine = run("docker", "version", "--format", "Docker {{.Server.Version}}").strip()
    text = f"""\
# Size and speed

{day}, commit {commit}, {rounds} runs of each command; Linux {platform.release()}; {engine}.
Times are medians of whole commands that fill the six files.

| what | result | limit |
|---|---:|---:|
"""
    text += "".join(f"| {name} | {value:.2f} | {limit:.2f} |\n" for name, value, limit in rows)
    text += "".join(f"| {name}, ms | {value:.0f} | |\n" for name, value in milliseconds.items())
    (ROOT / "benchmarks" / "results.md").write_text(text)
    print(text)


def main(rounds: int) -> int:
    """Measure, write and plot."""
    # Not /tmp, which can be in memory: the time of a sync is part of the measurement.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        milliseconds = times(Path(scratch), rounds)
        peak = memory(Path(scratch, "memory"))
    megabytes = {name: measure(f"{NAME}:{name}") for name in ("default", "two-encodings", "offline")}
    megabytes["busybox and the files"] = measure(COPY)
    ratios = {pair: milliseconds[pair[0]] / milliseconds[pair[1]] for pair in LIMITS}
    rows = [(" / ".join(pair), ratio, LIMITS[pair]) for pair, ratio in ratios.items()]
    rows += [("peak memory of a fill, MB", peak, MEMORY_LIMIT)]
    rows += [(f"compressed size of {name}, MB", size, BUDGETS.get(name, size)) for name, size in megabytes.items()]
    write(rows, milliseconds, rounds)
    plot(milliseconds, megabytes)
    return int(any(value > limit for _, value, limit in rows))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
