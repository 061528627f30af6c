"""Drivers that run the command from outside: as a process of this host, or as a container of the image.

Both drivers take the same arguments, so one test runs on either::

    done = driver.run("verify", environment={"TIKTOKEN_CACHE_DIR": str(volume)})
    running = driver.start("fill", ...)
    running.signal(signal.SIGTERM)
    done = running.wait()
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.containers.engine import LOCKED_DOWN, platform
from tests.machine import ROOT, needs, python_for_all
from tests.samples import Ended

TWO = {"TIKTOKEN_INIT_ENCODINGS": "cl100k_base,o200k_base"}
"""Variables of a run that wants only the two vocabularies of a gateway, whatever is baked in."""

LONGEST = 120.0
"""Seconds after which a run is killed and its test fails."""


class Running:
    """Run in progress."""

    def __init__(self, command: Sequence[str], container: str = "", **options: Any) -> None:
        # Files, because a full pipe would stop the run.
        self._files = {name: tempfile.TemporaryFile() for name in ("stdout", "stderr")}  # noqa: SIM115
        self._container = container
        self._since = time.monotonic()
        self._process = subprocess.Popen(command, **({"stdin": subprocess.DEVNULL} | self._files | options))

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal, and measure the time from now on."""
        self._since = time.monotonic()
        if self._container:
            command = ["docker", "kill", "--signal", signum.name, self._container]
            subprocess.run(command, check=True, capture_output=True, timeout=LONGEST)
        else:
            self._process.send_signal(signum)

    def wait(self) -> Ended:
        """Wait for the end of the run."""
        try:
            code = self._process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            if self._container:
                subprocess.run(["docker", "rm", "--force", self._container], check=False, capture_output=True)
            self._process.kill()
            self._process.wait()
            raise
        seconds = time.monotonic() - self._since
        written = []
        for file in self._files.values():
            with file:
                file.seek(0)
                written.append(file.read())
        # Popen returns -N after signal N. A shell and an engine return 128 + N.
        return Ended(code if code >= 0 else 128 - code, written[0], written[1].decode(errors="replace"), seconds)


def install(directory: Path, baked: Path) -> Path:
    """Install the program in a new directory, with the vocabularies of another one baked in; return its entry point.

    The modules and their byte-code are links to those of this tree.
    """
    package = directory / "tiktoken_cache_init"
    package.mkdir(parents=True)
    (ROOT / package.name / "__pycache__").mkdir(exist_ok=True)
    for path in (ROOT / package.name).iterdir():
        (package / path.name).symlink_to(path)
    (package / "vocabularies").symlink_to(baked)
    return Path(shutil.copy(ROOT / "entrypoint.py", directory))


class Driver(ABC):
    """Way to run the command. A path is the same for the test and for the command."""

    variables: Mapping[str, str]
    """Variables of each run, unless the run gives others."""

    @abstractmethod
    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, Path] | None = None,
        **streams: Any,
    ) -> Running:
        """Start the command.

        Args:
            arguments: the command line after the program's name.
            environment: variables of the command, which gets no other variables of the test run.
            files: path -> file that the command finds there, such as another /etc/hosts.
            streams: options of `subprocess.Popen`, such as ``stdout``. In a container these are the engine's streams.
        """

    def run(self, *arguments: str, **how: Any) -> Ended:
        """Run the command to its end. The arguments are those of `start`."""
        return self.start(*arguments, **how).wait()


@dataclass(frozen=True)
class Host(Driver):
    """Driver that runs the entry point as a process of this machine."""

    wrapper: Sequence[str] = ()
    """Program that runs the command, such as strace, with its options."""
    unprivileged: bool = False
    """Whether the wrapper makes another user of root."""
    program: Path = ROOT / "entrypoint.py"
    """Entry point. That of this tree has no baked vocabularies; `install` makes one that has."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, Path] | None = None,
        user: str = "",
        **streams: Any,
    ) -> Running:
        """Start the command, as the test's user or as another ``UID:GID``."""
        command = [*self.wrapper, interpreter(bool(user) or self.unprivileged), str(self.program), *arguments]
        if user:
            uid, _, gid = user.partition(":")
            streams |= {"user": int(uid), "group": int(gid), "extra_groups": []}
        # COV: the coverage of a child process.
        own = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COV")}
        if files:
            needs("root")
            lines = [shlex.join(["mount", "--bind", str(file), path]) for path, file in files.items()]
            script = " && ".join([*lines, f"exec {shlex.join(command)}"])
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        return Running(command, env={**own, **self.variables, **(environment or {})}, **streams)


def interpreter(for_another_user: bool) -> str:
    """Return this interpreter, or one that another user may start: a home directory may be closed to others.

    CAMPAIGN_PYTHON names another interpreter with the packages of the program.
    """
    if not for_another_user or os.geteuid():
        return os.environ.get("CAMPAIGN_PYTHON", sys.executable)
    needs("python-for-all")
    return python_for_all()


@dataclass(frozen=True)
class Container(Driver):
    """Driver that runs the image in a container, which is removed at its end."""

    image: str
    places: Sequence[Path] = ()
    """Directories and files of this machine that are mounted under the same paths."""
    options: Sequence[str] = LOCKED_DOWN
    """Options of ``docker run``."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, Path] | None = None,
        **streams: Any,
    ) -> Running:
        """Start the command."""
        container = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
        mounts = [f"{place}:{place}" for place in self.places]
        mounts += [f"{file}:{path}:ro" for path, file in (files or {}).items()]
        command = ["docker", "run", "--rm", "--name", container, *platform(), *self.options]
        command += [word for mount in mounts for word in ("--volume", mount)]
        for name, value in {**self.variables, **(environment or {})}.items():
            command += ["--env", f"{name}={value}"]
        return Running([*command, self.image, *arguments], container, **streams)
