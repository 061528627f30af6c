"""Needs of the tests: what this machine must have for them.

Mark a test with ``@pytest.mark.needs("root", "strace")``, or call `needs` in the function that uses the thing. A test
whose needs are not met is skipped, and the end of a run has one line for each need.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

NO_NETWORK = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
"""Words before a command that remove every network interface, even loopback."""


class Need(NamedTuple):
    """What a test needs."""

    text: str
    """What is missing, and how to provide it. It follows "needs"."""
    is_met: Callable[[], object]


def works(*command: str, **options: Any) -> bool:
    """Return whether a command succeeds."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, **options
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


@functools.cache
def python_for_all() -> str:
    """Return an interpreter that runs the command as any user, or an empty string. Only root can ask."""
    found = (sys.executable, "/usr/bin/python3")
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    return next((each for each in found if works(each, str(ROOT / "entrypoint.py"), "--version", **nobody)), "")


def _is_root() -> bool:
    return os.geteuid() == 0 and works("unshare", "--mount", "true")


def _has_go() -> bool:
    if not shutil.which("go"):
        return False
    said = subprocess.run(["go", "env", "GOVERSION"], check=False, capture_output=True, text=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2])) >= (1, 26)


def _can_make_immutable() -> bool:
    with tempfile.NamedTemporaryFile() as file:
        return works("chattr", "+i", file.name) and works("chattr", "-i", file.name)


def _installed(*programs: str) -> Callable[[], bool]:
    return lambda: all(map(shutil.which, programs))


NEEDS = {
    "docker": Need("a container engine that answers to `docker`", lambda: works("docker", "version")),
    "dockerd": Need(
        "root and dockerd, to start a separate engine", lambda: os.geteuid() == 0 and shutil.which("dockerd")
    ),
    "podman": Need(
        "root, podman and runc", lambda: os.geteuid() == 0 and shutil.which("podman") and shutil.which("runc")
    ),
    "go": Need("Go 1.26 or later, to build the programs in Go", _has_go),
    "npm": Need("Node.js with npm", _installed("node", "npm")),
    "python-for-all": Need(
        "a checkout and a Python 3.11 or later that every user can read, not below a closed home directory",
        python_for_all,
    ),
    "root": Need("root, with the right to mount file systems", _is_root),
    "namespace": Need("the right to make a network namespace (`unshare --net`)", lambda: works(*NO_NETWORK, "true")),
    "fuse": Need(
        "root, /dev/fuse and the package fuse3",
        lambda: _is_root() and Path("/dev/fuse").exists() and shutil.which("fusermount3"),
    ),
    "chattr": Need("root, and a file system on which `chattr +i` works (the package e2fsprogs)", _can_make_immutable),
    "cluster": Need(
        "a Kubernetes cluster that KUBECONFIG names, and in KUBERNETES_LOAD a command that gives it images of the Docker "
        "engine, such as `kind load docker-image`",
        lambda: os.environ.get("KUBECONFIG") and os.environ.get("KUBERNETES_LOAD"),
    ),
    "release": Need(
        "the environment of `make dist` (run make .venv/release)", (ROOT / ".venv/release/bin/python").exists
    ),
    "strace": Need("the package strace", _installed("strace")),
    "arm64": Need(
        "PLATFORM=linux/arm64 and qemu-aarch64-static",
        lambda: os.environ.get("PLATFORM") == "linux/arm64" and shutil.which("qemu-aarch64-static"),
    ),
}

REQUIRED = ("docker", "dockerd", "podman", "go")
"""Needs whose absence is a failure with ``REQUIRE_DOCKER=1``."""


@functools.cache
def _is_met(name: str) -> bool:
    return bool(NEEDS[name].is_met())


def needs(*names: str) -> None:
    """Skip the test if this machine lacks one of the things, which are keys of `NEEDS`."""
    for name in names:
        if not _is_met(name):
            text = f"needs {NEEDS[name].text}"
            if name in REQUIRED and os.environ.get("REQUIRE_DOCKER") == "1":
                pytest.fail(text, pytrace=False)
            pytest.skip(text)
