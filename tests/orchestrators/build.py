"""Builds of the tools that check and run the deployment files. Each is built once, in the user's cache directory."""

from __future__ import annotations

from pathlib import Path

from tests.consumers.build import go_program, python_environment

HERE = Path(__file__).parent


def kubernetes_program() -> Path:
    """Return the static binary of ``kubernetes/``."""
    return go_program("kubernetes", directory=HERE)


def compose_1_29() -> tuple[str, ...]:
    """Return the command of Compose 1.29.2, the last of the first generation, in its own environment."""
    # Some of its packages were never published as wheels, so pip has to build them.
    return str(python_environment(HERE / "requirements" / "compose-1.29.txt")), "-m", "compose"
