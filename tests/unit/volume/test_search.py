from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, as_nobody, public_directory, vocabulary
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.volume import search as module
from tiktoken_cache_init.volume.search import find
from tiktoken_cache_init.volume.staging import PREFIX

SAME = vocabulary(name="same.tiktoken")
NO_SIZE = TINY._replace(size=None)
EMPTY = vocabulary(b"")


def put(directory: Path, name: str, content: bytes = CONTENT) -> str:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        *(([name], TINY, name) for name in ("tiny.tiktoken", "tiny (1).tiktoken", "a b/ü", "a/b/c/x", f"{PREFIX}0")),
        # The nearest level comes first, and a name of the catalogue before all others.
        (["a/x", "z"], TINY, "z"),
        (["a", "cl100k_base.tiktoken"], TINY, "cl100k_base.tiktoken"),
        (["a/b/c/d/x"], TINY, ""),
        # If the size is not known, the name decides.
        *(([name], NO_SIZE, name) for name in ("a/tiny.tiktoken", TINY.cache_key, OTHER.cache_key, f"{PREFIX}0")),
        (["cl100k_base.tiktoken"], NO_SIZE, "cl100k_base.tiktoken"),
        (["x"], NO_SIZE, ""),
    ],
)
def test_the_right_bytes_are_found_under_another_name(
    volume: Path, names: list[str], wanted: Vocabulary, found: str
) -> None:
    for name in names:
        put(volume, name)
    put(volume, "0", CONTENT[:-2] + b"3\n")
    expected = {wanted: str(volume / found)} if found else {}
    assert find(str(volume), [wanted, OTHER]) == expected


def test_several_vocabularies_are_found_in_one_walk(volume: Path) -> None:
    one, other = put(volume, "a"), put(volume, "b", OTHER_CONTENT)
    assert find(str(volume), [OTHER, TINY, SAME]) == {TINY: one, SAME: one, OTHER: other}
    assert find(str(volume), []) == find(str(volume / "none"), [TINY]) == {}


@pytest.mark.parametrize(("name", "levels"), [("a/b/c/d/x", 4), ("a/x", 1), ("a/b/x", 2)])
def test_a_file_below_the_deepest_level_is_not_found(volume: Path, name: str, levels: int) -> None:
    path = put(volume, name)
    assert find(f"{volume}/", [TINY], levels=levels) == {}
    assert find(f"{volume}/", [TINY], levels=levels + 1) == {TINY: path}


@pytest.mark.parametrize("directories", [0, 2])
def test_the_walk_ends_after_so_many_entries(volume: Path, monkeypatch: pytest.MonkeyPatch, directories: int) -> None:
    for number in range(3 - directories):
        put(volume, f"{number}", b"")
    for number in range(directories):
        (volume / f"d{number}").mkdir()
    last = put(volume, "d0/x" if directories else "x")
    monkeypatch.setattr(module, "_MAX_ENTRIES", 3)
    assert find(str(volume), [TINY]) == {}
    monkeypatch.setattr(module, "_MAX_ENTRIES", 4)
    assert find(str(volume), [TINY]) == {TINY: last}
    monkeypatch.setattr(module, "_MAX_ENTRIES", 0)
    likely = put(volume, TINY.published_name)
    assert find(str(volume), [TINY]) == {TINY: likely}


def test_links_are_not_followed_and_a_fifo_is_not_waited_for(tmp_path: Path, volume: Path) -> None:
    put(tmp_path / "elsewhere", "x")
    (volume / "file").symlink_to(tmp_path / "elsewhere/x")
    (volume / "directory").symlink_to(tmp_path / "elsewhere")
    (volume / "loop").symlink_to(volume)
    os.mkfifo(volume / "fifo")
    assert find(str(volume), [TINY, EMPTY]) == {}


def test_files_and_directories_that_cannot_be_read_are_skipped() -> None:
    with public_directory() as directory:
        put(directory, "closed/x")
        put(directory, "b")
        good = put(directory, "z")
        (directory / "closed").chmod(0)
        (directory / "b").chmod(0)
        with as_nobody():
            assert find(str(directory), [TINY]) == {TINY: good}
        (directory / "closed").chmod(0o700)
