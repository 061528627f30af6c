"""The command, driven from outside: as a process of this machine, as a container, and out of the unpacked image."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests import samples
from tests.containers import engine
from tests.samples import Ended

LONGEST = 60
"""Seconds after which a run that should have ended long ago fails its test."""

Running = subprocess.Popen[bytes]


class Driver(Protocol):
    """A way to start the command. It finds its files under the same paths as the test does."""

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start it, with ``options`` for `subprocess.Popen`."""


@dataclass(frozen=True)
class Command:
    """The command under test."""

    driver: Driver

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> Ended:
        """Run it to its end."""
        return ended(self.start(*arguments, environment=environment, **options))

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start it."""
        return self.driver.start(*arguments, environment=environment, **options)


def ended(running: Running) -> Ended:
    """Wait for the end."""
    out, err = running.communicate(timeout=LONGEST)
    return Ended(running.returncode, out or b"", (err or b"").decode())


def _piped(options: Mapping[str, Any]) -> dict[str, Any]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return {**pipes, **options}


class Host:
    """The entry point, as a process of this machine."""

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start it."""
        return samples.process(*arguments, environment=environment, **options)


class Container:
    """The image on its engine, with every right taken from it."""

    def __init__(self, image: str, places: Sequence[Path], files: Mapping[Path, Path] | None = None) -> None:
        self._image = image
        self._mounts = [f"{place}:{place}" for place in places]
        # What the image does not have: files of the test's own, laid over it.
        self._mounts += [f"{file}:{place}:ro" for file, place in (files or {}).items()]

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start a container that is removed when it ends."""
        command = ["docker", "run", "--rm", *engine.LOCKED_DOWN, *engine.platform()]
        for mount in self._mounts:
            command += ["--volume", mount]
        for name, value in (environment or {}).items():
            command += ["--env", f"{name}={value}"]
        return subprocess.Popen([*command, self._image, *arguments], **_piped(options))


class Unpacked:
    """The image's files and its start, without an engine between them and the caller's own pipes and arguments."""

    def __init__(self, image: str, folder: Path, places: Sequence[Path]) -> None:
        self._root = folder / "root"
        self._places = [Path("/dev"), Path("/proc"), *places]
        container = engine.docker("create", *engine.platform(), image).stdout.strip()
        try:
            engine.docker("export", "--output", str(folder / "root.tar"), container)
        finally:
            engine.docker("rm", container)
        with tarfile.open(folder / "root.tar") as archive:
            archive.extractall(self._root, filter="fully_trusted")
        for place in self._places:
            self._inside(place).mkdir(parents=True, exist_ok=True)
        configuration = json.loads(engine.docker("image", "inspect", image).stdout)[0]["Config"]
        self._start: list[str] = configuration["Entrypoint"]
        self._environment = dict(each.split("=", 1) for each in configuration["Env"])

    def _inside(self, place: Path) -> Path:
        return self._root / place.relative_to("/")

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start it in a mount namespace of its own, of which nothing is left when it ends."""
        lines = [shlex.join(["mount", "--rbind", str(place), str(self._inside(place))]) for place in self._places]
        lines.append(shlex.join(["exec", "chroot", str(self._root), *self._start, *arguments]))
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", " && ".join(lines)]
        own = {"PATH": os.environ["PATH"], **self._environment, **(environment or {})}
        return subprocess.Popen(command, env=own, **_piped(options))
