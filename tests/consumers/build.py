"""Builds of the consumers: Go programs, virtual environments for Python, packages for JavaScript. Each is built once.

The results stay in the user's cache directory. Their names have a digest of all inputs, so a changed pin causes a new
build.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import needs
from tests.vocabularies import cache_home

HERE = Path(__file__).parent


def go_program(name: str) -> Path:
    """Return the static binary of the Go program in ``name``, built with the pinned releases."""
    needs("go")
    source = HERE / name
    # A newer toolchain would be downloaded, and the digest would not tell which one was used.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    version = subprocess.run(["go", "version"], check=True, capture_output=True, env=environment).stdout

    def build(target: Path) -> None:
        command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(target / "program"), "."]
        subprocess.run(command, check=True, cwd=source, env=environment)

    inputs = [source / file for file in ("main.go", "go.mod", "go.sum")]
    return once(name, [version, *(path.read_bytes() for path in inputs)], build) / "program"


def python_environment() -> Path:
    """Return the interpreter of a virtual environment that holds exactly what the requirements file pins."""
    requirements = HERE / "requirements" / "python.txt"

    def build(target: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
        command = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python"), "install", "--quiet"]
        # Python compiles modules when it imports them. Compiling everything takes longer than the download.
        command += ["--disable-pip-version-check", "--no-compile", "--only-binary=:all:", "--no-deps"]
        subprocess.run([*command, "--require-hashes", "--requirement", str(requirements)], check=True)

    # A virtual environment refers to the interpreter that made it.
    interpreter = f"{sys.version} {sys.base_prefix}"
    return once("python", [interpreter.encode(), requirements.read_bytes()], build) / "bin" / "python"


def npm_packages() -> Path:
    """Return a directory with the programs of ``javascript/`` and the packages that its lock file pins."""
    needs("npm")
    source = HERE / "javascript"

    def build(target: Path) -> None:
        shutil.copytree(source, target, dirs_exist_ok=True)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], check=True, cwd=target)

    return once("javascript", [path.read_bytes() for path in sorted(source.iterdir())], build)


def gateway_context(directory: Path) -> Path:
    """Write the build context of the gateway stand-in's image into ``directory``: its Dockerfile and the program."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "gateway" / "Dockerfile", directory / "Dockerfile")
    shutil.copy(go_program("gateway"), directory / "one-api")
    return directory


def once(name: str, inputs: list[bytes], build: Callable[[Path], None]) -> Path:
    """Return the directory that ``build`` filled for these inputs, now or in an earlier run."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in inputs)).hexdigest()
    built = cache_home() / "consumers" / f"{name}-{digest[:16]}"
    if built.exists():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=built.parent))
    try:
        build(work)
        work.rename(built)
    except OSError:
        # Another run was faster: a directory cannot replace one that is not empty.
        if not built.exists():
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return built


@pytest.fixture(scope="session")
def gateway_program() -> Path:
    """Return the gateway stand-in, a static binary; with ``--check`` it exits when its encoders are loaded."""
    return go_program("gateway")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "gateway":
        sys.exit("usage: python -m tests.consumers.build gateway DIRECTORY")
    print(gateway_context(Path(sys.argv[2])))
