"""The container engine behind ``docker``, and the image under test."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from image.size import layers
from tests.machine import ROOT, needs
from tests.vocabularies import obtain, shared_directory
from tiktoken_cache_init import __version__

DEFAULT_IMAGE = "tiktoken-cache-init:test"

GATEWAY_IMAGE = "tiktoken-cache-init-test-gateway"
"""Name of the gateway stand-in, which the fixture `gateway_image` builds."""

LOCKED_DOWN = ("--network", "none", "--read-only", "--cap-drop", "ALL")
"""Options that remove the network, the writable root and all capabilities. A fill works without them."""

Done = subprocess.CompletedProcess[str]


def docker(
    *arguments: str, check: bool = True, variables: Mapping[str, str] | None = None, timeout: float = 300
) -> Done:
    """Run a docker command. If it fails and ``check`` is set, fail the test with its output."""
    needs("docker")
    command = ["docker", *arguments]
    environment = os.environ | (variables or {})
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout, env=environment)
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
    return done


def platform() -> list[str]:
    """Return the options for the platform that PLATFORM names. The default is the platform of the engine."""
    named = os.environ.get("PLATFORM")
    return ["--platform", named] if named else []


def trust() -> list[str]:
    """Return the options that let a build trust the authorities of this machine: a proxy may intercept TLS."""
    bundle = machine_bundle()
    return ["--secret", f"id=ca,src={bundle}"] if bundle else []


def machine_bundle() -> str | None:
    """Return the file of certificate authorities that an environment variable names, or None."""
    named = (os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return next((path for path in named if path and Path(path).is_file()), None)


def build(*options: str, vocabularies: Path | None = None, context: Path = ROOT, check: bool = True) -> Done:
    """Build from this tree or a copy of it. The vocabularies are handed in, so that none is downloaded.

    BUILD_OPTIONS holds options for every build, such as ``--build-arg BASE_IMAGE=...``.
    """
    handed_in = vocabularies or shared_directory()
    given = ["--build-context", f"vocabularies={handed_in}", *trust(), *platform()]
    given += [*shlex.split(os.environ.get("BUILD_OPTIONS", "")), *options]
    return docker("build", "--progress=plain", *given, str(context), check=check, timeout=1200)


@functools.cache
def image() -> str:
    """Return the image that IMAGE names, or build the image under test."""
    needs("docker")
    if named := os.environ.get("IMAGE"):
        return named
    obtain()
    name = "-".join([DEFAULT_IMAGE, *os.environ.get("PLATFORM", "").split("/")[1:]])
    build("--build-arg", f"VERSION={__version__}", "--tag", name)
    return name


def entries(image_name: str) -> list[tarfile.TarInfo]:
    """Return every entry of an image's layers. A container would also hold files of the engine."""
    found = []
    for layer in layers(image_name):
        with tarfile.open(fileobj=layer) as tar:
            found += tar.getmembers()
    return found


def extract(image_name: str, directory: Path) -> Path:
    """Write the file system of an image into a directory, and return it. Absolute links stay unchanged."""
    for layer in layers(image_name):
        with tarfile.open(fileobj=layer) as tar:
            tar.extractall(directory, filter="fully_trusted")
    return directory
