"""Builds the consumers: Go programs as static binaries, Python ones as virtual environments, each once.

What is built is kept below the user's cache folder, named by a digest of everything it was made from, so that a second test
run builds nothing and a change of a pin builds anew. Run as ``python -m tests.consumers.build gateway FOLDER`` to lay out the
build context of the gateway stand-in's image.
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

from tests.vocabularies import cache_home

HERE = Path(__file__).parent


def go_program(name: str, modfile: str = "go.mod", tag: str = "") -> Path:
    """Return the static binary of the Go program in the folder ``name``, built against the releases in ``modfile``.

    ``tag`` chooses among the program's files.
    """
    folder = HERE / name
    sources = [*sorted(folder.glob("*.go")), folder / modfile, (folder / modfile).with_suffix(".sum")]
    # Its own toolchain only: a newer one would have to be downloaded, and the digest would not say which it was.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    version = subprocess.run(["go", "version"], check=True, capture_output=True, env=environment).stdout

    def build(target: Path) -> None:
        command = [
            "go",
            "build",
            "-trimpath",
            "-ldflags=-s -w",
            f"-modfile={modfile}",
            f"-tags={tag}",
            "-o",
            str(target / "program"),
            ".",
        ]
        subprocess.run(command, check=True, cwd=folder, env=environment)

    label = name if modfile == "go.mod" else f"{name}-{Path(modfile).stem}"
    return _once(label, [version, tag.encode(), *(source.read_bytes() for source in sources)], build) / "program"


def python_environment(name: str, interpreter: str = sys.executable) -> Path:
    """Return the interpreter of a virtual environment that holds just what ``requirements/NAME.txt`` pins."""
    requirements = HERE / "requirements" / f"{name}.txt"
    # An environment points at the interpreter that it was made by.
    probe = "import sys; print(sys.version, sys.base_prefix)"
    version = subprocess.run([interpreter, "-c", probe], check=True, capture_output=True).stdout

    def build(target: Path) -> None:
        subprocess.run([interpreter, "-m", "venv", "--without-pip", str(target)], check=True)
        command = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python"), "install", "--quiet"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--requirement", str(requirements)], check=True)

    return _once(name, [version, requirements.read_bytes()], build) / "bin" / "python"


def gateway_context(folder: Path) -> Path:
    """Lay out the build context of the gateway stand-in's image in ``folder``: its Dockerfile and the built program."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "gateway" / "Dockerfile", folder / "Dockerfile")
    shutil.copy(go_program("gateway"), folder / "one-api")
    return folder


def _once(name: str, ingredients: list[bytes], build: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(b"".join(hashlib.sha256(ingredient).digest() for ingredient in ingredients)).hexdigest()
    built = cache_home() / "consumers" / f"{name}-{digest[:16]}"
    if built.exists():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=built.parent))
    try:
        build(work)
        work.rename(built)
    except OSError:
        # Another run was quicker: a folder cannot be renamed onto one that is not empty.
        if not built.exists():
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return built


@pytest.fixture(scope="session")
def gateway_program() -> Path:
    """The gateway stand-in, a static binary; ``--check`` makes it exit once its encoders are loaded."""
    return go_program("gateway")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "gateway":
        sys.exit("usage: python -m tests.consumers.build gateway FOLDER")
    print(gateway_context(Path(sys.argv[2])))
