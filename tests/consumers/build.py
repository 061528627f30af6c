"""Builds of the consumers: Go programs, virtual environments for Python, packages for JavaScript. Each is built once.

The results stay in the user's cache directory. Their names have a digest of all inputs, so a changed pin causes a new
build.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumers.texts import TEXTS
from tests.machine import needs
from tests.vocabularies import cache_home

HERE = Path(__file__).parent


def go_program(name: str, modfile: str = "go.mod", tag: str = "") -> Path:
    """Return the static binary of the Go program in ``name``, built with the releases that ``modfile`` pins.

    ``tag`` chooses among the program's files.
    """
    needs("go")
    source = HERE / name
    inputs = [*sorted(source.glob("*.go")), source / modfile, (source / modfile).with_suffix(".sum")]
    # A newer toolchain would be downloaded, and the digest would not tell which one was used.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    version = subprocess.run(["go", "version"], check=True, capture_output=True, env=environment).stdout

    def build(target: Path) -> None:
        command = ["go", "build", "-trimpath", "-ldflags=-s -w", f"-modfile={modfile}", f"-tags={tag}"]
        subprocess.run([*command, "-o", str(target / "program"), "."], check=True, cwd=source, env=environment)

    label = name if modfile == "go.mod" else f"{name}-{Path(modfile).stem}"
    return once(label, [version, tag.encode(), *(path.read_bytes() for path in inputs)], build) / "program"


def python_environment(requirements: Path, *options: str) -> Path:
    """Return the interpreter of a virtual environment that holds exactly what a requirements file pins."""
    # A virtual environment refers to the interpreter that made it.
    interpreter = f"{sys.version} {sys.base_prefix}"

    def build(target: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
        pip_install(requirements, "--python", str(target / "bin" / "python"), options=options)

    inputs = [interpreter.encode(), requirements.read_bytes()]
    return once(requirements.stem, inputs, build) / "bin" / "python"


def pip_install(requirements: Path, *where: str, options: tuple[str, ...] = ("--only-binary=:all:",)) -> None:
    """Install exactly what a requirements file pins. ``where`` holds the options for the destination."""
    # pip takes --python before its command, and --target after it.
    before, after = (where, ()) if where[0] == "--python" else ((), where)
    command = [sys.executable, "-m", "pip", *before, "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # Python compiles modules when it imports them. Compiling everything takes longer than the download.
    command += ["--no-compile", "--require-hashes"]
    subprocess.run([*command, *options, *after, "--requirement", str(requirements)], check=True)


def npm_packages() -> Path:
    """Return a directory with the programs of ``javascript/`` and the packages that its lock file pins."""
    needs("npm")
    source = HERE / "javascript"
    inputs = sorted(source.iterdir())

    def build(target: Path) -> None:
        shutil.copytree(source, target, dirs_exist_ok=True)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], check=True, cwd=target)

    return once("javascript", [path.read_bytes() for path in inputs], build)


def gateway_context(directory: Path) -> Path:
    """Write the build context of the gateway stand-in's image into ``directory``: its Dockerfile and the program."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "gateway" / "Dockerfile", directory / "Dockerfile")
    shutil.copy(go_program("gateway"), directory / "one-api")
    return directory


def app_context(directory: Path) -> Path:
    """Write the build context of the images in ``app/`` into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in (HERE / "app").iterdir():
        shutil.copy(path, directory)
    (directory / "texts.json").write_text(json.dumps(TEXTS))
    requirements = HERE / "requirements" / "app-image.txt"
    # The packages are for the interpreter in the image, which may differ from this one.
    wheels = ("--only-binary=:all:", "--python-version=3.13", f"--platform=manylinux_2_28_{platform.machine()}")

    def build(target: Path) -> None:
        older = f"--platform=manylinux2014_{platform.machine()}"
        pip_install(requirements, "--target", str(target / "packages"), options=(*wheels, older))

    packages = once("app-image", [requirements.read_bytes(), *map(str.encode, wheels)], build)
    shutil.copytree(packages / "packages", directory / "packages", dirs_exist_ok=True)
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
    contexts = {"gateway": gateway_context, "app": app_context}
    if len(sys.argv) != 3 or sys.argv[1] not in contexts:
        sys.exit("usage: python -m tests.consumers.build gateway|app DIRECTORY")
    print(contexts[sys.argv[1]](Path(sys.argv[2])))
