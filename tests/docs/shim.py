"""Program in the place of ``docker`` for the commands of the pages: ``python shim.py PLAN ARGUMENTS...``.

Images, volumes, containers and ports get names of the test, so that the commands change nothing on this machine. Builds
get the options that they need here. `tests.docs.shell` writes PLAN. Compose has variables for its names.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def translated(arguments: list[str], plan: dict[str, Any]) -> list[str]:
    """Return a docker command with the names of the test."""
    command, *rest = arguments
    if command == "compose":
        return arguments
    if command == "build":
        # The last word is a directory, whatever its name.
        return [command, *plan["build"], *(_renamed(word, plan["names"]) for word in rest[:-1]), rest[-1]]
    label = ["--label", plan["label"]] if command == "run" else []
    return [command, *label, *(_renamed(word, plan["names"]) for word in rest)]


def _renamed(word: str, names: dict[str, str]) -> str:
    name, colon, path = word.partition(":")
    return names.get(word) or (f"{names[name]}:{path}" if colon and path.startswith("/") and name in names else word)


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execvp(plan["docker"], ["docker", *translated(sys.argv[2:], plan)])
