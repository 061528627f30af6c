"""Every command that is timed, and running them all, interleaved.

Not with hyperfine, which runs one command to its end before the next begins, so that whatever the machine does meanwhile
falls on one of them alone; called for one run at a time it adds nothing to a clock. In each round here every command runs
once, in an order drawn anew.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import engine
from .results import HERE, Measured

_ON_HOST = ("--network", "host")
_SEED = 7


@dataclass(frozen=True)
class Command:
    """One command, and what must hold before it is run."""

    key: str
    title: str
    arguments: Sequence[str]
    folder: Path
    """The volume."""
    cold: bool
    """Whether the volume must be empty; else it must be as a fill left it."""
    root: Path | None = None
    """Where an image was unpacked, whose process is measured alone and not in a container."""


def commands(image: str, scratch: Path, server: str) -> list[Command]:
    """Return all of them. ``scratch`` has the images of `roots`; ``server`` is the URL of `engine.serving`."""
    ours, python = scratch / "ours", scratch / "python"
    filled, empty = scratch / "filled", scratch / "empty"
    for folder in (filled, empty):
        folder.mkdir()
    script = HERE / "peers" / "fetch.py"
    (ours / "fetch.py").write_bytes(script.read_bytes())
    command = [word for word in engine.configured(image) if word]
    interpreter = command[: command.index("utf8") + 1]
    load = [word for word in engine.configured(engine.peer("python")) if word]
    load[0] = f"/usr/bin/{load[0]}"
    fetching = ("--sources", "fetch", "--origin", "off", "--mirror", server)
    mounted = (*_ON_HOST, "--volume", f"{script}:/fetch.py:ro", "--entrypoint", interpreter[0])
    pip = "PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) python3.13 -m pip install --quiet --no-cache-dir"
    pip += f" --disable-pip-version-check --root-user-action ignore --no-deps --target /cache/tiktoken {server}/{engine.WHEEL}"
    shell = (*_ON_HOST, "--entrypoint", "sh")
    return [
        _in("cold", "tiktoken-cache-init, empty volume", image, empty),
        _in("warm", "tiktoken-cache-init, nothing to do", image, filled, cold=False),
        _in("copy", "busybox, `cp` alone", engine.peer("copy"), empty),
        _in("careful", "busybox, `cp`, `sync`, `sha256sum -c`, `mv`", engine.peer("careful"), empty),
        _in("tiktoken", "Python, `tiktoken.get_encoding` twice", engine.peer("python"), filled, cold=False),
        _in("fetch", "tiktoken-cache-init, fetching", image, empty, *fetching, options=_ON_HOST),
        _in(
            "httpx",
            "ten lines of httpx, same image",
            image,
            empty,
            *interpreter[1:],
            "/fetch.py",
            server,
            options=mounted,
        ),
        _in("curl", "Debian, `curl` and `mv`", engine.peer("curl"), empty, server, options=_ON_HOST),
        _in("pip", "Debian, `pip install` of a wheel", engine.peer("python"), empty, "-c", pip, options=shell),
        Command("alone.bare", "bare interpreter", [*interpreter, "-c", "pass"], empty, True, ours),
        Command("alone.cold", "tiktoken-cache-init, empty volume", command, empty, True, ours),
        Command("alone.warm", "tiktoken-cache-init, nothing to do", command, filled, False, ours),
        Command("alone.fetch", "tiktoken-cache-init, fetching", [*command, *fetching], empty, True, ours),
        Command("alone.httpx", "ten lines of httpx", [*interpreter, "/fetch.py", server], empty, True, ours),
        Command("alone.tiktoken", "Python, `tiktoken.get_encoding` twice", load, filled, False, python),
    ]


def _in(
    key: str,
    title: str,
    image: str,
    folder: Path,
    *arguments: str,
    cold: bool = True,
    options: Sequence[str] = ("--network", "none"),
) -> Command:
    whole = engine.container(image, folder, *arguments, options=options)
    return Command(f"container.{key}", title, whole, folder, cold)


def interleaved(every: Sequence[Command], rounds: int) -> Iterator[tuple[int, dict[str, Measured]]]:
    """Run each command once a round, after one round that is not counted; yield what is known after each."""
    measured = {command.key: Measured(command.title) for command in every}
    order = random.Random(_SEED)
    for number in range(rounds + 1):
        for command in order.sample(every, len(every)):
            _prepare(command)
            seconds, cpu, peak = _timed_alone(command) if command.root else _timed(command.arguments)
            _check(command)
            if number:
                into = measured[command.key]
                into.seconds.append(round(seconds, 5))
                into.cpu_seconds.append(round(cpu, 5))
                into.peak_bytes += [peak] if command.root else []
        yield number, measured


def _prepare(command: Command) -> None:
    if command.cold:
        for path in command.folder.iterdir():
            path.unlink()
    else:
        fill(command.folder, command.folder.parent / "vocabularies")
    # What the command before has left to be written must not be waited for by this one.
    os.sync()


def fill(folder: Path, vocabularies: Path) -> None:
    """Make a folder a filled volume, if it is not."""
    for name in engine.WANTED:
        if not (folder / name).exists():
            (folder / name).write_bytes((vocabularies / name).read_bytes())


def _check(command: Command) -> None:
    found = {path.name: path.stat().st_size for path in command.folder.iterdir() if path.is_file()}
    wanted = {name: vocabulary.size for name, vocabulary in engine.WANTED.items()}
    if not wanted.items() <= found.items() and command.key != "alone.bare":
        raise RuntimeError(f"{command.key} left {found}")
    for path in command.folder.glob("*.dist-info"):
        for each in path.iterdir():
            each.unlink()
        path.rmdir()


def _timed(arguments: Sequence[str]) -> tuple[float, float, int]:
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{said}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _timed_alone(command: Command) -> tuple[float, float, int]:
    # In a mount namespace of its own, so that nothing has to be unmounted, whatever happens.
    mounts = 'mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --bind "$2" "$1/cache/tiktoken" && '
    spawn = [sys.executable, "-I", "-S", str(HERE / "spawn.py"), str(command.root), *command.arguments]
    given = ["sh", "-c", mounts + 'shift 2 && exec "$@"', "sh", str(command.root), str(command.folder), *spawn]
    whole = ["unshare", "--mount", "--propagation", "private", *given]
    variables = {"PATH": os.environ["PATH"], "TIKTOKEN_CACHE_DIR": "/cache/tiktoken"}
    done = subprocess.run(whole, check=False, capture_output=True, text=True, env=variables)
    if done.returncode:
        raise RuntimeError(f"{command.key} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    seconds, cpu, peak = done.stdout.splitlines()[-1].split()
    return float(seconds), float(cpu), int(peak) * 1024


def roots(image: str, scratch: Path) -> None:
    """Unpack the image, and Python with tiktoken, into folders: their processes are measured without an engine.

    Their own interpreters run there, on their own libraries; a container would add the engine's work, many times as long
    as the process, and would hide its memory.
    """
    for name, source in (("ours", image), ("python", engine.peer("python"))):
        engine.take(source, scratch / name)
        for mount in ("proc", "dev", "cache/tiktoken"):
            (scratch / name / mount).mkdir(parents=True, exist_ok=True)
