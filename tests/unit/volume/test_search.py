from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, as_nobody, public_directory, vocabulary
from tiktoken_cache_init.volume import search as module
from tiktoken_cache_init.volume.search import find
from tiktoken_cache_init.volume.staging import PREFIX


def put(directory: Path, name: str, content: bytes = CONTENT) -> str:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("name", ["tiny.tiktoken", "tiny (1).tiktoken", "x", "a/b/c/x", "a b/ü", f"{PREFIX}0123"])
def test_the_right_bytes_are_found_under_any_name(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name)
    assert find(str(tmp_path), [TINY]) == {TINY: path}


def test_several_vocabularies_are_found_in_one_walk(tmp_path: Path) -> None:
    one, other = put(tmp_path, "a"), put(tmp_path, "b", OTHER_CONTENT)
    assert find(str(tmp_path), [OTHER, TINY]) == {TINY: one, OTHER: other}


def test_two_vocabularies_with_the_same_bytes_are_both_found(tmp_path: Path) -> None:
    path = put(tmp_path, "a")
    again = vocabulary(name="again.tiktoken")
    assert find(str(tmp_path), [TINY, again]) == {TINY: path, again: path}


def test_the_file_at_the_nearest_level_is_found(tmp_path: Path) -> None:
    put(tmp_path, "a/x")
    near = put(tmp_path, "z")
    assert find(str(tmp_path), [TINY]) == {TINY: near}


def test_the_right_length_is_not_enough(tmp_path: Path) -> None:
    put(tmp_path, "x", CONTENT[:-2] + b"3\n")
    assert find(str(tmp_path), [TINY]) == {}


@pytest.mark.parametrize(("name", "levels"), [("a/b/c/d/x", 4), ("a/x", 1), ("a/b/x", 2)])
def test_a_file_below_the_deepest_level_is_not_found(tmp_path: Path, name: str, levels: int) -> None:
    path = put(tmp_path, name)
    assert find(f"{tmp_path}/", [TINY], levels=levels) == {}
    assert find(f"{tmp_path}/", [TINY], levels=levels + 1) == {TINY: path}


def test_links_are_not_followed(tmp_path: Path, volume: Path) -> None:
    put(tmp_path / "elsewhere", "x")
    (volume / "file").symlink_to(tmp_path / "elsewhere/x")
    (volume / "directory").symlink_to(tmp_path / "elsewhere")
    (volume / "loop").symlink_to(volume)
    assert find(str(volume), [TINY]) == {}


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert find(str(tmp_path), [vocabulary(b"")]) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny.tiktoken", True),
        ("a/tiny.tiktoken", True),
        (TINY.cache_key, True),
        (OTHER.cache_key, True),
        ("cl100k_base.tiktoken", True),
        (f"{PREFIX}0123", True),
        ("x", False),
    ],
)
def test_a_vocabulary_of_unknown_size_is_found_under_the_name_of_a_vocabulary(
    tmp_path: Path, name: str, expected: bool
) -> None:
    path, wanted = put(tmp_path, name), TINY._replace(size=None, max_size=1000)
    assert find(str(tmp_path), [wanted, OTHER]) == ({wanted: path} if expected else {})


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert find(str(tmp_path / "none"), [TINY]) == {}


def test_the_search_ends_after_so_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path, name, b"")
    last = put(tmp_path, "d")
    monkeypatch.setattr(module, "_MAX_ENTRIES", 3)
    assert find(str(tmp_path), [TINY]) == {}
    monkeypatch.setattr(module, "_MAX_ENTRIES", 4)
    assert find(str(tmp_path), [TINY]) == {TINY: last}


def test_directories_count_as_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        (tmp_path / name).mkdir()
    put(tmp_path, "a/x")
    monkeypatch.setattr(module, "_MAX_ENTRIES", 4)
    assert find(str(tmp_path), [TINY]) == {}


def test_common_wrong_names_are_found_among_any_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_ENTRIES", 0)
    monkeypatch.setattr(module, "VOCABULARIES", (OTHER,))
    for name in (OTHER.cache_key, OTHER.published_name):
        path = put(tmp_path, name)
        assert find(str(tmp_path), [TINY]) == {TINY: path}
        Path(path).unlink()


def test_a_file_with_a_read_error_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = put(tmp_path, "a"), put(tmp_path, "b")

    def holds(file: Any, _: object) -> bool:
        if file.name == bad:
            raise OSError(errno.EIO, "Input/output error")
        return True

    monkeypatch.setattr(module, "holds", holds)
    assert find(str(tmp_path), [TINY]) == {TINY: good}


def test_files_and_directories_that_may_not_be_read_are_skipped() -> None:
    with public_directory() as directory:
        put(directory, "closed/x")
        put(directory, "a")
        good = put(directory, "z")
        (directory / "closed").chmod(0)
        (directory / "a").chmod(0)
        with as_nobody():
            assert find(str(directory), [TINY]) == {TINY: good}
        (directory / "closed").chmod(0o700)
