"""Runs the commands of a page as they are written, in a scratch clone of the work tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.consumers.running import ROOT
from tests.containers import engine
from tests.vocabularies import shared_folder

Done = subprocess.CompletedProcess[str]


def clone(folder: Path) -> Path:
    """Copy what git has under its care, as it is in the work tree now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


class Shell:
    """A shell in a scratch clone, with ``docker`` behind `tests.docs.shim`."""

    def __init__(self, place: Path) -> None:
        self.folder = clone(place / "clone")
        self.name = f"tiktoken-cache-init-page-{uuid.uuid4().hex[:12]}"
        self._programs = place / "programs"
        self._programs.mkdir()
        self._output = place / "printed.txt"
        self._plan: dict[str, Any] = {}
        self.variables: dict[str, str] = {}

    def use_docker(self, gateway: str) -> None:
        """Have ``docker`` mean the machine's engine, with names of our own; ``gateway`` stands in for New-API."""
        real = shutil.which("docker")
        context = ["--build-context", f"vocabularies={shared_folder()}"]
        self._plan = {
            "docker": real,
            "label": self.name,
            "project": self.name,
            "build": [*context, *engine.trust()],
            "images": {"tiktoken-cache-init": self.image, "calciumion/new-api:v0.8.2.0": gateway},
            "volumes": {"tiktoken": self.volume},
            "overrides": {},
        }
        self.put("docker", f'exec {sys.executable} {Path(__file__).with_name("shim.py")} {self._write_plan()} "$@"')

    @property
    def image(self) -> str:
        """What the image is called that the page calls ``tiktoken-cache-init``."""
        return f"{self.name}:latest"

    @property
    def volume(self) -> str:
        """What the volume is called that the page calls ``tiktoken``."""
        return f"{self.name}-volume"

    def lay_over(self, file: str, changes: str) -> None:
        """Lay changes, a compose file of their own, over a compose file wherever it is the last that is named."""
        path = self._programs.parent / f"over-{file}"
        path.write_text(changes, encoding="utf-8")
        self._plan["overrides"][file] = str(path)
        self._write_plan()

    def _write_plan(self) -> Path:
        path = self._programs.parent / "plan.json"
        path.write_text(json.dumps(self._plan), encoding="utf-8")
        return path

    def put(self, name: str, script: str) -> None:
        """Put a program of ours before the machine's."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh -e\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command as it is typed; what it prints goes to `printed`."""
        path = f"{self._programs}:{os.environ['PATH']}"
        with self._output.open("w", encoding="utf-8") as output:
            # Its own group, as a terminal gives it, so that it can be interrupted as a whole.
            return subprocess.Popen(
                ["sh", "-ec", command],
                cwd=self.folder,
                env=os.environ | self.variables | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        """What the last command has printed so far."""
        return self._output.read_text(encoding="utf-8")

    def run(self, command: str) -> str:
        """Run a command as it is typed, and return what it printed; it must succeed."""
        with self.start(command) as process:
            process.wait(timeout=1200)
        assert process.returncode == 0, f"{command}\n{self.printed}"
        return self.printed

    def run_until(self, command: str, is_up: Callable[[], bool], hopeless: str) -> str:
        """Run a command that goes on until it is interrupted: once what it starts is up, or has said what is hopeless."""
        with self.start(command) as process:
            end = time.monotonic() + 1200
            while process.poll() is None and time.monotonic() < end and hopeless not in self.printed and not is_up():
                time.sleep(0.3)
            was_up = is_up()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=120)
        assert was_up, f"{command}\n{self.printed}"
        return self.printed

    def clean(self) -> None:
        """Take away what the commands have left in the engine."""
        if not self._plan:
            return
        engine.docker("compose", "--project-name", self.name, "down", "--volumes", "--timeout", "1", check=False)
        left = engine.docker("ps", "--all", "--quiet", "--filter", f"label={self.name}").stdout.split()
        if left:
            engine.docker("rm", "--force", *left)
        engine.docker("volume", "rm", "--force", self.volume, check=False)
        engine.docker("image", "rm", self.image, check=False)
