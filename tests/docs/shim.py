"""Program in the place of ``docker`` for the commands of the pages: ``python shim.py PLAN ARGUMENTS...``.

Images, volumes, containers, ports and compose projects get names of the test, so that the commands change nothing on
this machine. Builds get the options that they need here. `tests.docs.shell` writes PLAN.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

USUAL = ("docker-compose.yml", "docker-compose.override.yml")


def translated(arguments: list[str], plan: dict[str, Any]) -> list[str]:
    """Return a docker command with the names of the test."""
    command, *rest = arguments
    if command == "compose":
        named = [word for before, word in itertools.pairwise(rest) if before == "-f"]
        while "-f" in rest:
            at = rest.index("-f")
            del rest[at : at + 2]
        # If no file is named, Compose reads the files with the default names.
        files = [*(named or [name for name in USUAL if Path(name).exists()]), plan["changes"]]
        return [command, "--project-name", plan["label"], *(word for file in files for word in ("-f", file)), *rest]
    if command == "build":
        *rest, context = rest
        # The last word is a directory, whatever its name.
        return [command, *plan["build"], *(_renamed(word, plan["names"]) for word in rest), context]
    label = ["--label", plan["label"]] if command == "run" else []
    return [command, *label, *(_renamed(word, plan["names"]) for word in rest)]


def _renamed(word: str, names: dict[str, str]) -> str:
    name, colon, path = word.partition(":")
    return names.get(word) or (f"{names[name]}:{path}" if colon and path.startswith("/") and name in names else word)


def main(plan: dict[str, Any], *arguments: str) -> None:
    """Run docker with the names of the test."""
    os.execvp(plan["docker"], ["docker", *translated(list(arguments), plan)])


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), *sys.argv[2:])
