"""Shell that runs the commands of a page as they are written, in a scratch clone of the work tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from tests.containers import engine
from tests.machine import ROOT
from tests.vocabularies import shared_directory


class Shell:
    """Shell in a scratch clone, in which ``docker`` runs through `tests.docs.shim`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.directory = self.clone = place / "tiktoken-cache-init"
        self.name = f"tiktoken-page-{uuid.uuid4().hex[:12]}"
        self._programs = place / "programs"
        self._programs.mkdir()
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
        plan = {
            "docker": shutil.which("docker"),
            "label": self.name,
            "build": ["--build-context", f"vocabularies={shared_directory()}", *engine.trust()],
            "names": {
                "tiktoken-cache-init": self.image,
                "tiktoken-cache-init:latest": self.image,
                "calciumion/new-api:v0.8.2.0": gateway,
                "tiktoken": self.volume,
                "new-api": self.name,
                "3000:3000": "127.0.0.1::3000",
                "type=bind,source=/path/to/data,target=/data": f"type=bind,source={self.place}/data,target=/data",
            },
        }
        path = self.place / "plan.json"
        path.write_text(json.dumps(plan), encoding="utf-8")
        self.put("docker", f'exec {sys.executable} {Path(__file__).with_name("shim.py")} {path} "$@"')
        self.variables |= {"COMPOSE_PROJECT_NAME": self.name, "TIKTOKEN_CACHE_INIT_IMAGE": self.image}

    def put(self, name: str, script: str) -> None:
        """Put a program before the machine's program of that name."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh -e\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def run(self, command: str, code: int = 0) -> str:
        """Run commands as they are typed, and return their output. They must end with the exit code."""
        for text, ours in self.replaced.items():
            command = command.replace(text, ours)
        done = subprocess.run(
            ["sh", "-ec", command],
            check=False,
            cwd=self.directory,
            env=os.environ | self.variables | {"PATH": f"{self._programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}"
        return done.stdout

    def clean(self) -> None:
        """Remove everything that the commands have left in the engine."""
        if "COMPOSE_PROJECT_NAME" not in self.variables:
            return
        engine.docker("compose", "--project-name", self.name, "down", "--volumes", "--timeout", "1", check=False)
        left = engine.docker("ps", "--all", "--quiet", "--filter", f"label={self.name}").stdout.split()
        if left:
            engine.docker("rm", "--force", *left)
        engine.docker("volume", "rm", "--force", self.volume, check=False)
        engine.docker("image", "rm", self.image, check=False)
