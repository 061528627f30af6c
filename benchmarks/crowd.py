"""One volume, filled by many containers at once."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from pathlib import Path

from . import engine
from .results import Crowd


def fill_with(containers: int, image: str) -> Crowd:
    """Start so many containers at once on one empty volume, and wait for the last.

    Raises:
        RuntimeError: one of them failed, or the volume does not hold the two files and nothing else.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = engine.container(image, Path(folder))
        started = time.perf_counter()
        running = [
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for _ in range(containers)
        ]
        ended = [(process.communicate()[1], process.returncode) for process in running]
        seconds = time.perf_counter() - started
        for said, code in ended:
            if code:
                raise RuntimeError(
                    f"one of {containers} containers ended with {code}:\n{said.decode(errors='replace')}"
                )
        held = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir()}
    if held != {name: vocabulary.sha256 for name, vocabulary in engine.WANTED.items()}:
        raise RuntimeError(f"after {containers} containers at once the volume holds {held}")
    return Crowd(containers, round(seconds, 3))
