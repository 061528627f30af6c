"""Shell that runs the commands of a page as they are written, in a scratch clone of the work tree."""

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

from tests.containers import engine
from tests.machine import ROOT
from tests.vocabularies import shared_directory


class Shell:
    """Shell in a scratch clone, in which ``docker`` and ``git`` run through `tests.docs.shim`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.directory = self.clone = place / "clone"
        self.name = f"tiktoken-page-{uuid.uuid4().hex[:12]}"
        self._programs = place / "programs"
        self._programs.mkdir()
        self._output = place / "printed.txt"
        self._plan: dict[str, Any] = {}
        self.variables: dict[str, str] = {}
        self.replaced: dict[str, str] = {}
        """Text in the commands -> what this machine has in its place, such as another mirror."""
        # The clone has the files that git tracks, as they are in the work tree now.
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.clone / name)

    @property
    def image(self) -> str:
        """Image that the page calls ``tiktoken-cache-init``."""
        return f"{self.name}:latest"

    @property
    def volume(self) -> str:
        """Volume that the page calls ``tiktoken``."""
        return f"{self.name}-volume"

    def use_docker(self, gateway: str) -> None:
        """Let ``docker`` use the machine's engine with names of this test. ``gateway`` stands in for New-API."""
        bundle = engine.machine_bundle()
        self._plan = {
            "docker": shutil.which("docker"),
            "label": self.name,
            "clone": str(self.clone),
            "build": ["--build-context", f"vocabularies={shared_directory()}", *engine.trust()],
            "names": {
                "tiktoken-cache-init": self.image,
                "tiktoken-cache-init:latest": self.image,
                "calciumion/new-api:v0.8.2.0": gateway,
                "tiktoken": self.volume,
                "new-api": self.name,
                "3000:3000": "127.0.0.1::3000",
                "type=bind,source=/path/to/data,target=/data": f"type=bind,source={self.place}/data,target=/data",
                "id=ca,src=/path/to/ca.pem": f"id=ca,src={bundle or '/dev/null'}",
            },
            "changes": "/dev/null",
        }
        for program in ("docker", "git"):
            self.put(
                program,
                f'exec {sys.executable} {Path(__file__).with_name("shim.py")} {self._write_plan()} {program} "$@"',
            )

    def change_compose(self, changes: str) -> None:
        """Add a compose file with changes to the files that Compose reads."""
        path = self.place / "changes.yml"
        path.write_text(changes, encoding="utf-8")
        self._plan["changes"] = str(path)
        self._write_plan()

    def _write_plan(self) -> Path:
        path = self.place / "plan.json"
        path.write_text(json.dumps(self._plan), encoding="utf-8")
        return path

    def put(self, name: str, script: str) -> None:
        """Put a program before the machine's program of that name."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh -e\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start commands as they are typed. Their output goes to `printed`."""
        for text, ours in self.replaced.items():
            command = command.replace(text, ours)
        path = f"{self._programs}:{os.environ['PATH']}"
        with self._output.open("w", encoding="utf-8") as output:
            # The command gets its own process group, as in a terminal, so that all of it can be interrupted.
            return subprocess.Popen(
                ["sh", "-ec", command],
                cwd=self.directory,
                env=os.environ | self.variables | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        """Output of the last commands so far."""
        return self._output.read_text(encoding="utf-8")

    def run(self, command: str, code: int = 0) -> str:
        """Run commands as they are typed, and return their output. They must end with the exit code."""
        with self.start(command) as process:
            process.wait(timeout=1200)
        assert process.returncode == code, f"{command}\n{self.printed}"
        return self.printed

    def run_until(self, command: str, is_up: Callable[[], bool], hopeless: str) -> str:
        """Run a command that does not end by itself. Interrupt it if ``is_up`` holds, or if it prints ``hopeless``."""
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
        """Remove everything that the commands have left in the engine."""
        if not self._plan:
            return
        engine.docker("compose", "--project-name", self.name, "down", "--volumes", "--timeout", "1", check=False)
        left = engine.docker("ps", "--all", "--quiet", "--filter", f"label={self.name}").stdout.split()
        if left:
            engine.docker("rm", "--force", *left)
        engine.docker("volume", "rm", "--force", self.volume, check=False)
        engine.docker("image", "rm", self.image, check=False)
