"""The engine that ``docker`` talks to, and the image under test."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.vocabularies import obtain, shared_directory

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_IMAGE = "tiktoken-cache-init:test"

GATEWAY_IMAGE = "tiktoken-cache-init-test-gateway"
"""The gateway stand-in, once the fixture `gateway_image` has built it."""

LOCKED_DOWN = ("--network", "none", "--read-only", "--cap-drop", "ALL")
"""Everything that can be taken from a container, which then still fills its volume."""

Done = subprocess.CompletedProcess[str]


def docker(
    *arguments: str, check: bool = True, variables: Mapping[str, str] | None = None, timeout: float = 300
) -> Done:
    """Run a docker command; where it fails and must not, show what it said."""
    command = ["docker", *arguments]
    environment = os.environ | (variables or {})
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout, env=environment)
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
    return done


@functools.cache
def unanswered() -> str | None:
    """Say that no engine answers, or return None."""
    try:
        docker("version", timeout=30)
    except (OSError, subprocess.SubprocessError, pytest.fail.Exception):
        return "no container engine answers here (set REQUIRE_DOCKER=1 to make that a failure)"
    return None


def require_engine() -> None:
    """Skip the test where no engine answers; with REQUIRE_DOCKER=1, fail it."""
    reason = unanswered()
    if reason and os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


def platform() -> list[str]:
    """Return the options that choose the platform under test: the engine's own, unless PLATFORM names another."""
    named = os.environ.get("PLATFORM")
    return ["--platform", named] if named else []


def trust() -> list[str]:
    """Return the options that let a build trust what this machine trusts, which may be behind a proxy that breaks TLS."""
    bundle = machine_bundle()
    return ["--secret", f"id=ca,src={bundle}"] if bundle else []


def machine_bundle() -> str | None:
    """Return the file of the authorities that this machine was told to trust, or None."""
    named = (os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return next((path for path in named if path and Path(path).is_file()), None)


def build(*options: str, vocabularies: Path | None = None, context: Path = ROOT, check: bool = True) -> Done:
    """Build from this tree or a copy of it, with the vocabularies handed in, so that none is downloaded.

    BUILD_OPTIONS are options for every build: ``--build-arg BASE_IMAGE=...`` and what else a network asks for.
    """
    handed_in = vocabularies or shared_directory()
    given = ["--build-context", f"vocabularies={handed_in}", *trust(), *platform()]
    given += [*shlex.split(os.environ.get("BUILD_OPTIONS", "")), *options]
    return docker("build", "--progress=plain", *given, str(context), check=check, timeout=1200)


@functools.cache
def image() -> str:
    """Return the image under test: the one that IMAGE names, or one that is built now."""
    if named := os.environ.get("IMAGE"):
        return named
    obtain(shared_directory())
    name = "-".join([DEFAULT_IMAGE, *os.environ.get("PLATFORM", "").split("/")[1:]])
    build("--tag", name)
    return name


def run(image_name: str, mounts: Sequence[str], *arguments: str, options: Sequence[str] = LOCKED_DOWN) -> Done:
    """Run the image in a container that is removed when it ends."""
    volumes = [word for mount in mounts for word in ("--volume", mount)]
    return docker("run", "--rm", *platform(), *options, *volumes, image_name, *arguments, check=False)
