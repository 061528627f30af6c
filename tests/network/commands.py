"""The command under test, driven from outside: the entry point on this host, or the image on a real engine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.containers.engine import image as built
from tests.containers.engine import platform, require_engine

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 120.0
"""Seconds after which a run that should have ended long ago is ended, and its test fails."""


@dataclass(frozen=True)
class Surroundings:
    """What a run finds around it, beside its arguments."""

    volume: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """All of it: nothing of the test run's own environment is handed on."""
    files: Sequence[Path] = ()
    """Files and folders that it must be able to read, under the same paths; those beside the volume it can read anyway."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host names and the addresses that its hosts file gives them."""
    resolver: Path | None = None
    """Its resolv.conf; the machine's own where None."""


@dataclass(frozen=True)
class Ended:
    """A run that is over. ``seconds`` counts from its start, or from the signal that was sent to end it."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


class Running:
    """A run that goes on."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], container: str | None = None):
        # Files, so that no run is held up because nobody reads what it says.
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115 - closed in wait
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._container = container
        self._since = time.monotonic()
        self._process = subprocess.Popen(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=self._stdout, stderr=self._stderr
        )

    def terminate(self) -> None:
        """Send SIGTERM, and count the time from here."""
        self._since = time.monotonic()
        if self._container is None:
            self._process.send_signal(signal.SIGTERM)
        else:
            subprocess.run(["docker", "kill", "--signal", "TERM", self._container], check=True, capture_output=True)

    def wait(self) -> Ended:
        """Wait for the end."""
        try:
            exit_code = self._process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            if self._container is not None:
                subprocess.run(["docker", "rm", "--force", self._container], check=True, capture_output=True)
            self._process.kill()
            self._process.wait()
            raise
        seconds = time.monotonic() - self._since
        self._stdout.seek(0)
        self._stderr.seek(0)
        with self._stdout, self._stderr:
            texts = self._stdout.read().decode(errors="replace"), self._stderr.read().decode(errors="replace")
        # A shell and an engine write 128 + n for a process that signal n ended; Python writes -n.
        return Ended(exit_code if exit_code >= 0 else 128 - exit_code, *texts, seconds)


class Host:
    """The entry point as a process of this machine."""

    name = "host"

    def start(self, arguments: Sequence[str], around: Surroundings) -> Running:
        """Start it."""
        command = [sys.executable, str(ROOT / "entrypoint.py"), *arguments]
        mounts = {}
        if around.hosts:
            path = around.volume.parent / "hosts"
            path.write_text("".join(f"{address} {name}\n" for name, address in around.hosts.items()))
            mounts["/etc/hosts"] = path
        if around.resolver is not None:
            mounts["/etc/resolv.conf"] = around.resolver
        if mounts:
            if os.geteuid() != 0:
                pytest.skip("only root can give a process a hosts file and a resolv.conf of its own")
            lines = [shlex.join(["mount", "--bind", str(path), target]) for target, path in mounts.items()]
            script = " && ".join([*lines, f"exec {shlex.join(command)}"])
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        environment = {"PATH": os.environ["PATH"], "TIKTOKEN_CACHE_DIR": str(around.volume), **around.environment}
        return Running(command, environment)


class Image:
    """The image, on the engine that ``docker`` talks to."""

    name = "image"

    def __init__(self, image_name: str) -> None:
        self._image = image_name

    def start(self, arguments: Sequence[str], around: Surroundings) -> Running:
        """Start a container on the host's network, which is removed when it ends."""
        container = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
        command = ["docker", "run", "--rm", "--name", container, "--network", "host", "--memory", "256m"]
        command += platform()
        command += ["--volume", f"{around.volume}:/cache/tiktoken"]
        for path in (around.volume.parent, *around.files):
            command += ["--volume", f"{path}:{path}:ro"]
        if around.resolver is not None:
            command += ["--volume", f"{around.resolver}:/etc/resolv.conf:ro"]
        for name, address in around.hosts.items():
            command += ["--add-host", f"{name}:{address}"]
        for name, value in around.environment.items():
            command += ["--env", f"{name}={value}"]
        return Running([*command, self._image, *arguments], dict(os.environ), container)


def image() -> Image:
    """Return the image, or skip the test where no engine answers; with REQUIRE_DOCKER=1, fail it."""
    require_engine()
    return Image(built())
