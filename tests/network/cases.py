"""Network cases: a fill of an empty directory from the servers of a test, and its outcome."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.drivers import Driver, Running
from tests.samples import Ended, names_in
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

PATH = f"/{CL100K.path}"
"""Path of cl100k_base at a mirror. Most cases fetch this file."""
SIZE = 1_681_126
"""Size of cl100k_base in bytes."""

PATIENT = {"TIKTOKEN_INIT_DEADLINE": "60"}
"""Settings of a case. Only a run that never ends reaches this deadline."""
QUICK = {"TIKTOKEN_INIT_TIMEOUT": "1", "TIKTOKEN_INIT_DEADLINE": "6"}
"""Settings against a server that fails at each attempt. They limit the retries, which are not the point of a test."""
if "PLATFORM" in os.environ:
    # An emulated processor needs seconds to start.
    QUICK = {"TIKTOKEN_INIT_TIMEOUT": "5", "TIKTOKEN_INIT_DEADLINE": "60"}

also_in_the_image = pytest.mark.parametrize("driver", ["host", "image"], indirect=True)
"""Mark of a test that runs on this host and in the image.

The image has its own trust store, interpreter, C library and limit of memory. All other behaviour of a fetch is the same.
"""


@dataclass
class Outcome:
    """Result of a run: its output and the volume."""

    ended: Ended
    volume: Path
    private: Mapping[str, bytes] = field(default_factory=dict)
    """Cache key -> content of vocabularies that are not in the catalogue."""

    @property
    def said(self) -> str:
        """Output on both streams."""
        return self.ended.said

    def is_clean(self) -> None:
        """Check the rules for every run: the volume holds only right files, and there is no traceback."""
        digests = {known.cache_key: known.sha256 for known in VOCABULARIES}
        digests |= {key: hashlib.sha256(content).hexdigest() for key, content in self.private.items()}
        for path in self.volume.iterdir():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digests.get(path.name), path.name
        assert "Traceback" not in self.said

    def is_ready(self, *vocabularies: Vocabulary) -> None:
        """Check that the run succeeded and that these vocabularies are in the volume. The default is cl100k_base."""
        assert self.ended.code == 0, self.said
        self.is_clean()
        wanted = {vocabulary.cache_key for vocabulary in vocabularies or (CL100K,)}
        assert names_in(self.volume) == sorted(wanted | self.private.keys())

    def is_failure(self, *patterns: str, about: str = CL100K.published_name) -> None:
        """Check that the run could not obtain a file, and that its output names the file, the reasons and the remedy.

        Args:
            patterns: each must match a part of the output, in upper or lower case.
            about: the file that the message must name.
        """
        assert self.ended.code == 4, self.said
        self.is_clean()
        assert about in self.said
        for pattern in (*patterns, r"TIKTOKEN_INIT_MIRRORS|--mirror"):
            assert re.search(pattern, self.said, re.IGNORECASE), f"no match for {pattern!r} in:\n{self.said}"


@dataclass
class Case:
    """Driver and volume of one case."""

    driver: Driver
    volume: Path
    """Directory to fill. It is empty at first."""

    def start(
        self,
        *mirrors: str,
        encodings: str = "cl100k_base",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        origin: str = "off",
        **how: Any,
    ) -> Running:
        """Start a fill that fetches only from these mirrors, and from the origin if it is on."""
        options = ["fill", "--sources", "fetch", "--encodings", encodings, "--origin", origin]
        for mirror in mirrors:
            options += ["--mirror", mirror]
        own = {"TIKTOKEN_CACHE_DIR": str(self.volume), **PATIENT, **(environment or {})}
        return self.driver.start(*options, *arguments, environment=own, **how)

    def fill(self, *mirrors: str, private: Mapping[str, bytes] | None = None, **how: Any) -> Outcome:
        """Run a fill to its end. The other arguments are those of `start`."""
        return Outcome(self.start(*mirrors, **how).wait(), self.volume, private or {})

    def stop(self, running: Running) -> None:
        """Send SIGTERM, and check that the fill ends within a second and leaves no file."""
        running.signal(signal.SIGTERM)
        outcome = Outcome(running.wait(), self.volume)
        assert outcome.ended.code == 128 + signal.SIGTERM, outcome.said
        assert outcome.ended.seconds < 1
        assert list(self.volume.iterdir()) == []
        assert "Traceback" not in outcome.said
