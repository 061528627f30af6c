"""Wrapper of ``docker`` for the commands of the pages, so that they change nothing on this machine.

Images, volumes, containers, ports and compose projects get names of the test. Builds get the options that this machine
needs to reach its package index. Run it as ``python shim.py PLAN ARGUMENTS...``. `tests.docs.shell` writes PLAN.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any


def translated(arguments: list[str], plan: dict[str, Any]) -> list[str]:
    """Return the command with the names of the test."""
    command, *rest = [_renamed(word, plan["names"]) for word in arguments]
    if command == "build":
        return [command, *plan["build"], *rest]
    if command == "run":
        return [command, "--label", plan["label"], *rest]
    if command == "compose":
        named = [word for before, word in itertools.pairwise(rest) if before == "-f"]
        while "-f" in rest:
            at = rest.index("-f")
            del rest[at : at + 2]
        # If no file is named, Compose reads the files with the default names.
        usual = [name for name in ("docker-compose.yml", "docker-compose.override.yml") if Path(name).exists()]
        files = [word for name in (*(named or usual), plan["changes"]) for word in ("-f", name)]
        return [command, "--project-name", plan["label"], *files, *rest]
    return [command, *rest]


def _renamed(word: str, names: dict[str, str]) -> str:
    if word in names:
        return names[word]
    bind = "type=bind,source="
    if word.startswith(bind):
        source, comma, rest = word.removeprefix(bind).partition(",")
        return f"{bind}{names.get(source, source)}{comma}{rest}"
    name, colon, path = word.partition(":")
    return f"{names[name]}:{path}" if colon and path.startswith("/") and name in names else word


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execvp(plan["docker"], ["docker", *translated(sys.argv[2:], plan)])
