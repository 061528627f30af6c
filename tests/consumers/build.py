"""Builds of the consumers: Go programs, virtual environments for Python, packages for JavaScript. Each is built once.

The results stay in the user's cache directory. Their names have a digest of all inputs, so a changed pin causes a new
build.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.machine import needs
from tests.vocabularies import cache_home

HERE = Path(__file__).parent


def go_program(name: str) -> Path:
    """Return the static binary of the Go program in ``name``, built with the pinned releases."""
    needs("go")
    # A newer toolchain would be downloaded, and the digest would not tell which one was used.
    settings = ["CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-mod=readonly -buildvcs=false"]
    go = ["env", *settings, "go"]
    version = subprocess.run([*go, "version"], check=True, capture_output=True, text=True).stdout
    return _once(name, version, [*go, "build", "-trimpath", "-ldflags=-s -w", "-o", "program", "."]) / "program"


def python_environment() -> Path:
    """Return the interpreter of a virtual environment that holds exactly what the requirements file pins."""
    # Python compiles modules when it imports them. Compiling everything takes longer than the download.
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary=:all:", "--no-deps"]
    # A virtual environment refers to the interpreter that made it.
    made = _once(
        "requirements",
        f"{sys.version} {sys.base_prefix}",
        [sys.executable, "-m", "venv", "--without-pip", "."],
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            "bin/python",
            "install",
            *options,
            "--require-hashes",
            "-r",
            "python.txt",
        ],
    )
    return made / "bin" / "python"


def npm_packages() -> Path:
    """Return a directory with the programs of ``javascript/`` and the packages that its lock file pins."""
    needs("npm")
    return _once("javascript", "", ["npm", "ci", "--ignore-scripts", "--silent"])


def _once(name: str, tool: str, *commands: list[str]) -> Path:
    """Return a copy of the directory ``name`` in which the commands of a tool ran, now or in an earlier run."""
    inputs = [tool.encode(), *(path.read_bytes() for path in sorted((HERE / name).iterdir()))]
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in inputs)).hexdigest()
    built = cache_home() / "consumers" / f"{name}-{digest[:16]}"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=built.parent) as directory:
            work = shutil.copytree(HERE / name, Path(directory, "work"))
            for command in commands:
                subprocess.run(command, check=True, cwd=work)
            # Another run may be faster: a directory cannot replace one that is not empty.
            with contextlib.suppress(OSError):
                work.rename(built)
    return built


def gateway_context(directory: Path) -> Path:
    """Write the build context of the gateway stand-in's image into ``directory``: its Dockerfile and the program."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "gateway" / "Dockerfile", directory / "Dockerfile")
    shutil.copy(go_program("gateway"), directory / "one-api")
    return directory


@pytest.fixture(scope="session")
def gateway_program() -> Path:
    """Return the gateway stand-in, a static binary; with ``--check`` it exits when its encoders are loaded."""
    return go_program("gateway")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "gateway":
        sys.exit("usage: python -m tests.consumers.build gateway DIRECTORY")
    print(gateway_context(Path(sys.argv[2])))
