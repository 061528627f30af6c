from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, names_in, vocabulary
from tiktoken_cache_init import search
from tiktoken_cache_init.content import holds_under
from tiktoken_cache_init.search import find

WANTED = vocabulary()
OTHER = vocabulary(b"QQ== 0\n", "other.tiktoken")


def put(folder: Path, name: str, content: bytes = CONTENT) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("name", ["tiny.tiktoken", "tiny (1).tiktoken", "x", "a/b/c/x", "a b/ü"])
def test_the_right_bytes_are_found_under_any_name(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name)
    assert find(str(tmp_path), [WANTED]) == {WANTED: path}


def test_several_are_found_in_one_walk(tmp_path: Path) -> None:
    one, other = put(tmp_path, "a"), put(tmp_path, "b", b"QQ== 0\n")
    assert find(str(tmp_path), [OTHER, WANTED]) == {WANTED: one, OTHER: other}


def test_two_pins_with_the_same_bytes_are_both_found(tmp_path: Path) -> None:
    path = put(tmp_path, "a")
    again = vocabulary(name="again.tiktoken")
    assert find(str(tmp_path), [WANTED, again]) == {WANTED: path, again: path}


def test_the_nearest_level_wins(tmp_path: Path) -> None:
    put(tmp_path, "a/x")
    near = put(tmp_path, "z")
    assert find(str(tmp_path), [WANTED]) == {WANTED: near}


def test_the_right_length_is_not_enough(tmp_path: Path) -> None:
    put(tmp_path, "x", CONTENT[:-2] + b"3\n")
    assert find(str(tmp_path), [WANTED]) == {}


def test_a_folder_too_deep_is_not_looked_into(tmp_path: Path) -> None:
    put(tmp_path, "a/b/c/d/x")
    assert find(str(tmp_path), [WANTED]) == {}


def test_fewer_levels_can_be_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "a/x")
    assert find(str(tmp_path), [WANTED], levels=1) == {}


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, "x")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").symlink_to(elsewhere / "x")
    (volume / "folder").symlink_to(elsewhere)
    (volume / "loop").symlink_to(volume)
    assert find(str(volume), [WANTED]) == {}


def test_what_a_killed_run_has_left_counts_if_it_is_whole(tmp_path: Path) -> None:
    put(tmp_path, ".tiktoken-cache-init-0-1")
    assert find(str(tmp_path), [WANTED]) == {WANTED: str(tmp_path / ".tiktoken-cache-init-0-1")}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert find(str(tmp_path), [vocabulary(b"")]) == {}


def test_a_private_vocabulary_of_unknown_length_is_not_searched_for(tmp_path: Path) -> None:
    put(tmp_path, "x")
    assert find(str(tmp_path), [vocabulary(size=None, limit=100)]) == {}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert find(str(tmp_path / "none"), [WANTED]) == {}


def test_the_walk_ends_after_so_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_MOST_ENTRIES", 3)
    for name in ("a", "b", "c"):
        put(tmp_path, name, b"")
    put(tmp_path, "d")
    assert find(str(tmp_path), [WANTED]) == {}
    monkeypatch.setattr(search, "_MOST_ENTRIES", 4)
    assert find(str(tmp_path), [WANTED]) == {WANTED: str(tmp_path / "d")}


def test_a_file_that_fails_to_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a")
    good = put(tmp_path, "b")
    readv = os.readv
    failing = (tmp_path / "a").stat().st_ino

    def read(fd: int, buffers: list[memoryview]) -> int:
        if os.fstat(fd).st_ino == failing:
            raise OSError(errno.EIO, "Input/output error")
        return readv(fd, buffers)

    monkeypatch.setattr(os, "readv", read)
    assert find(str(tmp_path), [WANTED]) == {WANTED: good}


def test_what_goes_away_in_mid_walk_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a", CONTENT[::-1])
    put(tmp_path, "b")
    good = put(tmp_path, "c")

    def remove_next(*given: Any) -> bool:
        (tmp_path / "b").unlink(missing_ok=True)
        return holds_under(*given)

    monkeypatch.setattr(search, "holds_under", remove_next)
    assert find(str(tmp_path), [WANTED]) == {WANTED: good}


def test_no_file_is_left_open(tmp_path: Path) -> None:
    put(tmp_path, "a")
    put(tmp_path, "b", CONTENT[::-1])
    before = names_in(Path("/proc/self/fd"))
    find(str(tmp_path), [WANTED, OTHER])
    assert names_in(Path("/proc/self/fd")) == before


def test_what_cannot_be_read_is_passed_over() -> None:
    with folder_for_all() as folder:
        put(folder, "a")
        (folder / "a").chmod(0)
        put(folder, "b/x")
        (folder / "b").chmod(0)
        readable = put(folder, "c/x")
        with as_nobody():
            assert find(str(folder), [WANTED]) == {WANTED: readable}
