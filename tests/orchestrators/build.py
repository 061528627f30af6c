"""Builds what judges and what runs the deployment files, each once, below the user's cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.consumers.build import _once as once

HERE = Path(__file__).parent


def kubernetes_program() -> Path:
    """Return the static binary of ``kubernetes/``, built against the releases that its go.mod pins."""
    folder = HERE / "kubernetes"
    sources = [folder / "main.go", folder / "go.mod", folder / "go.sum"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    version = subprocess.run(["go", "version"], check=True, capture_output=True, env=environment).stdout

    def build(target: Path) -> None:
        command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(target / "program"), "."]
        subprocess.run(command, check=True, cwd=folder, env=environment)

    return once("kubernetes", [version, *(source.read_bytes() for source in sources)], build) / "program"


def compose_1_29() -> tuple[str, ...]:
    """Return the command of Compose 1.29.2, the last of the first generation, in an environment of its own."""
    requirements = HERE / "requirements" / "compose-1.29.txt"
    probe = "import sys; print(sys.version, sys.base_prefix)"
    version = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True).stdout

    def build(target: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
        command = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python"), "install", "--quiet"]
        # Some of it was never published as wheels; what it asks for by version cannot be built any more.
        command += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--requirement", str(requirements)], check=True)

    environment = once("compose-1.29", [version, requirements.read_bytes()], build)
    return str(environment / "bin" / "python"), "-m", "compose"
