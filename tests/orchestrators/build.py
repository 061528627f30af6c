"""The build of Compose 1.29. It is built once, in the user's cache directory."""

from __future__ import annotations

from pathlib import Path

from tests.consumers.build import python_environment

HERE = Path(__file__).parent


def compose_1_29() -> tuple[str, ...]:
    """Return the command of Compose 1.29.2, the last of the first generation, in its own environment."""
    # Some of its packages were never published as wheels, so pip has to build them.
    return str(python_environment(HERE / "requirements" / "compose-1.29.txt")), "-m", "compose"
