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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.machine import needs
from tests.orchestrators.running import Done, run, wait_for


class Engine:
    """Docker engine with an empty store and without a network interface."""

    def __init__(self, directory: Path) -> None:
        self.variables = {"DOCKER_HOST": f"unix://{directory}/sock"}
        if installed := os.environ.get("DOCKER_28"):
            self.variables |= {"PATH": f"{installed}/bin:{os.environ['PATH']}", "DOCKER_CONFIG": f"{installed}/config"}

    def __call__(
        self, *arguments: str | Path, check: bool = True, directory: Path | None = None, given: str | None = None
    ) -> str:
        """Run a docker command on this engine, and return its output."""
        command = ["docker", *arguments]
        return run(*command, check=check, variables=self.variables, directory=directory, given=given).stdout

    def load(self, image: str, *names: str) -> None:
        """Copy an image from the machine's engine, and give it other names."""
        _load(image, ["docker", "load"], self.variables)
        for name in names:
            self("tag", image, name)

    def clear(self) -> None:
        """Remove every container, so that none delays the stop of the engine."""
        containers = self("ps", "--all", "--quiet").split()
        if containers:
            self("rm", "--force", *containers)


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """Start an engine; stop it and clean up at the end.

    ``DOCKER_28`` names a directory with the programs of a newer engine in ``bin/`` and its plug-ins in ``config/``, if
    the machine's own engine is older than 28.
    """
    needs("dockerd")
    with _directory("tiktoken-engine-") as directory:
        engine = Engine(directory)
        places = [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid"]
        # It needs no firewall rules, because it has no network. The address refuses at once: the engine would try the
        # machine's name server for seconds.
        network = ["--iptables=false", "--ip6tables=false", "--dns=127.0.0.1"]
        # The separate network namespace has loopback, for Swarm, and the interfaces that the engine makes.
        start = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec dockerd "$@"', "dockerd"]
        command = [*start, f"--host=unix://{directory}/sock", *places, *network]
        output = directory / "log"
        with (
            output.open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | engine.variables) as process,
        ):
            try:
                wait_for("Server:", lambda: engine("version", check=False) + output.read_text()[-2000:])
                yield engine
            finally:
                with contextlib.suppress(pytest.fail.Exception):
                    engine.clear()
                process.terminate()
                process.wait(60)


UNPRIVILEGED = 65531
"""UID without an account."""


class Podman:
    """podman, root or rootless, with a separate store in a directory."""

    def __init__(self, directory: Path, *, rootless: bool = False) -> None:
        # The options avoid systemd.
        podman = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        self.command = [*podman, "--root", f"{directory}/root", "--runroot", f"{directory}/run"]
        """Words before podman's own arguments."""
        self.directory = directory
        if rootless:
            # A user without an entry in /etc/subuid has root as the only user in its containers.
            os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)
            home = [f"HOME={directory}", f"XDG_RUNTIME_DIR={directory}", f"PATH={os.environ['PATH']}"]
            become = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
            self.command = [*become, "env", "--ignore-environment", *home, *podman]

    def __call__(self, *arguments: str | Path, check: bool = True) -> Done:
        """Run a podman command."""
        return run(*self.command, *arguments, check=check, directory=self.directory)

    def load(self, image: str, name: str) -> None:
        """Copy an image from the Docker engine, and give it a name."""
        self("tag", _load(image, [*self.command, "load", "--quiet"], {}, self.directory), name)


@contextlib.contextmanager
def own_podman(*, rootless: bool = False) -> Iterator[Podman]:
    """Yield a podman with an empty store, and remove everything that it made at the end."""
    needs("podman")
    with _directory("tiktoken-podman-") as directory:
        podman = Podman(directory, rootless=rootless)
        try:
            yield podman
        finally:
            podman("system", "reset", "--force", check=False)


def _load(image: str, command: Sequence[str], variables: Mapping[str, str], directory: Path | None = None) -> str:
    """Give an image of the machine's engine to a command, and return the last word of its output."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
        environment = os.environ | variables
        done = subprocess.run(
            command, check=True, stdin=saved.stdout, capture_output=True, timeout=300, env=environment, cwd=directory
        )
    return done.stdout.decode().split()[-1]


@contextlib.contextmanager
def _directory(prefix: str) -> Iterator[Path]:
    """Make a directory, and remove it at the end, with all that an engine mounted in it."""
    # The path of a socket may have at most 107 characters, so this is not pytest's directory.
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield directory
    finally:
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(f"{directory}/")), reverse=True):
            run("umount", "--lazy", mount, check=False)
        shutil.rmtree(directory)
