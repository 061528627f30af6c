"""Stands in front of ``docker`` while the pages' commands are run as they are written, so that they touch nothing of this
machine: images, volumes, ports and compose projects get names of the test's own. Builds get what this machine needs to reach
its package index.

Run as ``python shim.py PLAN ARGUMENTS...``, where PLAN is a file made by `tests.docs.shell`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def translated(arguments: list[str], plan: dict[str, Any]) -> list[str]:
    """Return the command with the test's names in it."""
    command, *rest = [_renamed(word, plan) for word in arguments]
    if command == "build":
        return [command, *plan["build"], *rest]
    if command == "run":
        return [command, "--label", plan["label"], *rest]
    if command == "compose":
        last = max((index + 2 for index, word in enumerate(rest) if word == "-f"), default=0)
        # Where no file is named, compose finds those with the usual names.
        usual = (name for name in ("docker-compose.yml", "docker-compose.override.yml") if Path(name).exists())
        named = [] if last else [word for name in usual for word in ("-f", name)]
        own = [*named, "-f", plan["overrides"][arguments[last] if last else "docker-compose.yml"]]
        return [command, "--project-name", plan["project"], *rest[:last], *own, *rest[last:]]
    return [command, *rest]


def _renamed(word: str, plan: dict[str, Any]) -> str:
    name, colon, path = word.partition(":")
    if word == "3000:3000":
        return "127.0.0.1::3000"
    if colon and path.startswith("/") and name in plan["volumes"]:
        return f"{plan['volumes'][name]}:{path}"
    return str(plan["images"].get(word.removesuffix(":latest"), word))


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execv(plan["docker"], ["docker", *translated(sys.argv[2:], plan)])
