from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.samples import CONTENT, vocabulary
from tiktoken_cache_init.content import CHUNK, MOST_DIAGNOSED, beginning, holds, holds_under

PIN = vocabulary()


def test_only_a_file_of_the_right_length_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT + b"x")
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    status = os.fstat(fd)
    assert not holds(fd, status, vocabulary(limit=1000))
    assert not holds(fd, status, vocabulary(size=None))
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    os.close(fd)


def test_a_file_that_grows_while_it_is_read_is_not_read_for_ever(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    short = (tmp_path / "file").stat()
    with (tmp_path / "file").open("ab") as file:
        file.truncate(1 << 30)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    assert not holds(fd, short, PIN)
    assert os.lseek(fd, 0, os.SEEK_CUR) <= 2 * CHUNK
    os.close(fd)


def test_a_folder_holds_no_vocabulary(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    assert not holds(fd, os.fstat(fd), PIN)
    os.close(fd)


def test_a_link_is_followed_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "link").symlink_to("file")
    folder = os.open(tmp_path, os.O_RDONLY)
    assert holds_under("file", PIN, folder=folder)
    assert holds_under("link", PIN, folder=folder, follow=True)
    with pytest.raises(OSError, match="symbolic links"):
        holds_under("link", PIN, folder=folder)
    os.close(folder)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not holds_under(str(tmp_path / "pipe"), PIN)


def test_no_more_than_the_beginning_is_read(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        file.write(CONTENT)
        file.truncate(2 * MOST_DIAGNOSED)
        file.seek(0)
        found = beginning(file.fileno())
    assert len(found) == MOST_DIAGNOSED
    assert found.startswith(CONTENT)
