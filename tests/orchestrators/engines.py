"""Separate container engines for the tests, with empty stores and no network.

In such an engine, a stand-in can have the published name of another project's image. So compose files run unchanged,
with their ports and container names.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import needs
from tests.orchestrators.running import Done, run

_START = 60.0
"""Time limit in seconds for the start or the stop of an engine."""


class Engine:
    """Docker engine with an empty store and without a network interface."""

    def __init__(self, directory: Path, installed: Path | None = None) -> None:
        self._directory = directory
        self.variables = {"DOCKER_HOST": f"unix://{directory}/sock"}
        if installed:
            self.variables |= {"PATH": f"{installed}/bin:{os.environ['PATH']}", "DOCKER_CONFIG": f"{installed}/config"}

    def docker(
        self, *arguments: str | Path, check: bool = True, directory: Path | None = None, given: str | None = None
    ) -> Done:
        """Run a docker command on this engine."""
        return run("docker", *arguments, check=check, variables=self.variables, directory=directory, given=given)

    def load(self, *images: str) -> None:
        """Copy images from the machine's engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "load", "--quiet"],
                check=True,
                stdin=saved.stdout,
                stdout=subprocess.DEVNULL,
                env=os.environ | self.variables,
                timeout=300,
            )

    def clear(self) -> None:
        """Remove every container, so that none delays the stop of the engine."""
        containers = self.docker("ps", "--all", "--quiet").stdout.split()
        if containers:
            self.docker("rm", "--force", *containers)

    def command(self) -> list[str]:
        """Return the command line that runs the engine."""
        options = {
            "data-root": self._directory / "data",
            "exec-root": self._directory / "exec",
            "pidfile": self._directory / "pid",
            "host": f"unix://{self._directory}/sock",
            # It needs no firewall rules, because it has no network.
            "iptables": "false",
            "ip6tables": "false",
            # This address refuses at once. The engine would try the machine's name server for seconds.
            "dns": "127.0.0.1",
        }
        # The separate network namespace has loopback, for Swarm, and the interfaces that the engine makes.
        start = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec dockerd "$@"', "dockerd"]
        return [*start, *(f"--{name}={value}" for name, value in options.items())]


@contextlib.contextmanager
def running_engine(installed: Path | None = None) -> Iterator[Engine]:
    """Start an engine with the machine's programs or those in ``installed``; stop it and clean up at the end."""
    needs("dockerd")
    # The path of a socket may have at most 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="tiktoken-engine-"))
    engine = Engine(directory, installed)
    variables = os.environ | engine.variables
    try:
        with (
            (directory / "log").open("wb") as log,
            subprocess.Popen(engine.command(), stdout=log, stderr=log, env=variables) as process,
        ):
            try:
                _await_answer(engine, process, directory / "log")
                yield engine
            finally:
                with contextlib.suppress(pytest.fail.Exception):
                    engine.clear()
                process.terminate()
                process.wait(_START)
    finally:
        _remove(directory)


def _await_answer(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START
    while engine.docker("version", check=False).returncode:
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"dockerd did not start:\n{log.read_text()[-2000:]}", pytrace=False)
        time.sleep(0.1)


class Podman:
    """podman, root or rootless, with a separate store."""

    def __init__(self, directory: Path, *, rootless: bool = False) -> None:
        self.directory = directory
        self._rootless = rootless

    def command(self) -> list[str]:
        """Return the words before podman's own arguments."""
        # A test may put another program before podman on PATH, so the path is absolute. The options avoid systemd.
        podman = [shutil.which("podman") or "podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        stores = ["--root", str(self.directory / "root"), "--runroot", str(self.directory / "run")]
        if not self._rootless:
            return [*podman, *stores]
        # A user without an entry in /etc/subuid has root as the only user in its containers.
        home = [f"HOME={self.directory}", f"XDG_RUNTIME_DIR={self.directory}", f"PATH={os.environ['PATH']}"]
        become = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
        return [*become, "env", "--ignore-environment", *home, *podman, *stores]

    def __call__(self, *arguments: str | Path, check: bool = True, given: str | None = None) -> Done:
        """Run a podman command."""
        return run(*self.command(), *arguments, check=check, given=given, directory=self.directory)

    def load(self, image: str, *names: str) -> None:
        """Copy an image from the Docker engine, and give it names."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            command = [*self.command(), "load", "--quiet"]
            done = subprocess.run(
                command, check=True, stdin=saved.stdout, capture_output=True, text=True, cwd=self.directory, timeout=300
            )
        loaded = done.stdout.strip().rpartition(" ")[2]
        self("tag", loaded, *names)

    def volume(self, name: str) -> Path:
        """Return the directory of a volume."""
        return self.directory / "root" / "volumes" / name / "_data"

    def clear(self) -> None:
        """Remove every pod, container, volume and secret."""
        for kind in ("pod", "container", "volume"):
            self(kind, "rm", "--all", "--force")
        self("secret", "rm", "--all")


UNPRIVILEGED = 65531
"""UID without an account."""


@contextlib.contextmanager
def own_podman(*, rootless: bool = False) -> Iterator[Podman]:
    """Yield a podman with an empty store, and remove everything that it made at the end."""
    needs("podman")
    directory = Path(tempfile.mkdtemp(prefix="tiktoken-podman-"))
    podman = Podman(directory, rootless=rootless)
    try:
        if rootless:
            os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)
        yield podman
    finally:
        with contextlib.suppress(pytest.fail.Exception):
            podman.clear()
            podman("rmi", "--all", "--force")
        _remove(directory)


def _remove(directory: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{directory}/")), reverse=True):
        run("umount", "--lazy", mount, check=False)
    shutil.rmtree(directory)
