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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.machine import needs
from tests.orchestrators.running import Done, run, wait_for


class Engine:
    """Docker engine with an empty store and without a network interface."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.variables = {"DOCKER_HOST": f"unix://{directory}/sock"}
        if installed := os.environ.get("DOCKER_28"):
            self.variables |= {"PATH": f"{installed}/bin:{os.environ['PATH']}", "DOCKER_CONFIG": f"{installed}/config"}

    def docker(
        self, *arguments: str | Path, check: bool = True, directory: Path | None = None, given: str | None = None
    ) -> Done:
        """Run a docker command on this engine."""
        return run("docker", *arguments, check=check, variables=self.variables, directory=directory, given=given)

    def load(self, *images: str) -> None:
        """Copy images from the machine's engine."""
        _load(images, ["docker", "load", "--quiet"], env=os.environ | self.variables)

    def clear(self) -> None:
        """Remove every container, so that none delays the stop of the engine."""
        containers = self.docker("ps", "--all", "--quiet").stdout.split()
        if containers:
            self.docker("rm", "--force", *containers)


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """Start an engine; stop it and clean up at the end.

    ``DOCKER_28`` names a directory with the programs of a newer engine in ``bin/`` and its plug-ins in ``config/``, if
    the machine's own engine is older than 28.
    """
    needs("dockerd")
    # The path of a socket may have at most 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="tiktoken-engine-"))
    engine = Engine(directory)
    places = [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid"]
    # It needs no firewall rules, because it has no network. The address refuses at once: the engine would try the
    # machine's name server for seconds.
    network = ["--iptables=false", "--ip6tables=false", "--dns=127.0.0.1"]
    # The separate network namespace has loopback, for Swarm, and the interfaces that the engine makes.
    start = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec dockerd "$@"', "dockerd"]
    command = [*start, f"--host=unix://{directory}/sock", *places, *network]
    output = directory / "log"
    try:
        with (
            output.open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | engine.variables) as process,
        ):
            try:
                wait_for("Server:", lambda: engine.docker("version", check=False).stdout + output.read_text()[-2000:])
                yield engine
            finally:
                with contextlib.suppress(pytest.fail.Exception):
                    engine.clear()
                process.terminate()
                process.wait(60)
    finally:
        _remove(directory)


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
        loaded = _load([image], [*self.command(), "load", "--quiet"], cwd=self.directory)
        self("tag", loaded, *names)

    def volume(self, name: str) -> Path:
        """Return the directory of a volume."""
        return self.directory / "root" / "volumes" / name / "_data"

    def clear(self) -> None:
        """Remove every container and volume."""
        for kind in ("container", "volume"):
            self(kind, "rm", "--all", "--force")


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


def _load(images: Sequence[str], command: Sequence[str], **options: Any) -> str:
    """Give images of the machine's engine to a command, and return the last word of its output."""
    with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
        done = subprocess.run(command, check=True, stdin=saved.stdout, capture_output=True, timeout=300, **options)
    return str(done.stdout.decode().split()[-1])


def _remove(directory: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{directory}/")), reverse=True):
        run("umount", "--lazy", mount, check=False)
    shutil.rmtree(directory)
