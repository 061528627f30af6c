"""The volumes that the runs start on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary, encoding, vocabularies_of
from tiktoken_cache_init.leftovers import PREFIX

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Content:
    """The real bytes, by published name."""

    def __init__(self, vocabularies: Path) -> None:
        self.folder = vocabularies

    def __getitem__(self, published_name: str) -> bytes:
        [vocabulary] = [known for known in VOCABULARIES if known.published_name == published_name]
        return (self.folder / vocabulary.cache_key).read_bytes()


class State(NamedTuple):
    """One volume to start on."""

    name: str
    prepare: Callable[[Path, Content], None]
    """Makes the volume; the folder does not exist yet."""
    encodings: str = "gpt2"
    """gpt2 has two small vocabularies, so a run on them makes few calls."""
    arguments: tuple[str, ...] = ()
    layout: str = "cache"
    sources: bool = True
    """Whether there is any source beside the volume itself."""
    root: bool = False
    """Whether only root can run it."""

    @property
    def vocabularies(self) -> tuple[Vocabulary, ...]:
        """What the run must provide."""
        return vocabularies_of(tuple(encoding(name) for name in self.encodings.split(",")))

    @property
    def names(self) -> dict[str, Vocabulary]:
        """The final names, and what each must hold."""
        names: dict[str, Vocabulary] = {}
        for vocabulary in self.vocabularies:
            if self.layout != "published":
                names[vocabulary.cache_key] = vocabulary
            if self.layout != "cache":
                names[vocabulary.published_name] = vocabulary
        return names

    @property
    def flags(self) -> list[str]:
        """The run's flags, but for the folders."""
        return ["--encodings", self.encodings, "--layout", self.layout, *self.arguments]


def key(published_name: str) -> str:
    """Return the cache key of a catalogued vocabulary."""
    [vocabulary] = [known for known in VOCABULARIES if known.published_name == published_name]
    return vocabulary.cache_key


MERGES, RANKS = "vocab.bpe", "encoder.json"
HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body></body></html>\n"


def _no_folder(folder: Path, content: Content) -> None:
    pass


def _empty(folder: Path, content: Content) -> None:
    folder.mkdir(mode=0o755)


def _one_missing(folder: Path, content: Content) -> None:
    folder.mkdir(mode=0o755)
    (folder / key(MERGES)).write_bytes(content[MERGES])


def _poisoned(folder: Path, content: Content) -> None:
    folder.mkdir(mode=0o755)
    (folder / key(MERGES)).write_bytes(HTML)
    (folder / key(RANKS)).write_bytes(b"")
    (folder / "a note of the operator").write_text("keep me\n")


def _published_names(folder: Path, content: Content) -> None:
    folder.mkdir(mode=0o755)
    (folder / MERGES).write_bytes(content[MERGES])
    (folder / "deeper").mkdir()
    (folder / "deeper" / "encoder (1).json").write_bytes(content[RANKS])


def _swapped(folder: Path, content: Content) -> None:
    folder.mkdir(mode=0o755)
    (folder / key(MERGES)).write_bytes(content[RANKS])
    (folder / key(RANKS)).write_bytes(content[MERGES])


def _directory(folder: Path, content: Content) -> None:
    (folder / key(MERGES) / "deeper").mkdir(parents=True)
    (folder / key(MERGES) / "deeper" / "precious").write_text("keep me\n")
    (folder / key(RANKS)).write_bytes(content[RANKS])


def _leftovers(folder: Path, content: Content) -> None:
    _one_missing(folder, content)
    boot = BOOT_ID.read_text()[:8]
    (folder / f"{PREFIX}{boot}-0123456789abcdef").write_bytes(content[RANKS][:300_000])
    other = folder / f"{PREFIX}01234567-0123456789abcdef"
    other.write_bytes(b"of a machine that was switched off long ago")
    os.utime(other, (0, 0))
    (folder / f"{PREFIX}{boot}-fedcba9876543210").symlink_to(key(MERGES))


def _ready(folder: Path, content: Content) -> None:
    _one_missing(folder, content)
    (folder / key(RANKS)).write_bytes(content[RANKS])


def _modes(folder: Path, content: Content) -> None:
    _ready(folder, content)
    (folder / key(MERGES)).chmod(0o600)
    (folder / key(RANKS)).chmod(0o640)
    folder.chmod(0o700)


def _links(folder: Path, content: Content) -> None:
    folder.mkdir(mode=0o755)
    (folder / "kept").mkdir()
    (folder / "kept" / "merges").write_bytes(content[MERGES])
    (folder / key(MERGES)).symlink_to("kept/merges")
    (folder / key(RANKS)).symlink_to("/nowhere/at/all")


def _wrong_beside(folder: Path, content: Content) -> None:
    _one_missing(folder, content)
    (folder / MERGES).write_bytes(HTML)
    (folder / RANKS).symlink_to("nowhere")


STATES: tuple[State, ...] = (
    State("no folder, default encodings", _no_folder, "cl100k_base,o200k_base"),
    State("empty folder", _empty),
    State("one file missing", _one_missing),
    State("poisoned: HTML page and empty file", _poisoned),
    State("right bytes under other names", _published_names, sources=False),
    State("the two names swapped", _swapped, sources=False),
    State("directory under a final name", _directory),
    State("leftovers of dead runs", _leftovers),
    State("links, good and dangling", _links),
    State("layout both, empty folder", _empty, layout="both"),
    State("layout both, wrong published names", _wrong_beside, layout="both"),
    State("modes to mend", _modes),
    State("owner to give", _one_missing, arguments=("--owner", "1234:2345"), root=True),
    State("all ready", _ready),
)


def slug(state: State) -> str:
    """Return the state's name for a test's id."""
    return re.sub(r"[^a-z]+", "-", state.name.lower())
