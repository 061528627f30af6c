from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.samples import CONTENT, TINY, as_nobody, public_directory, staged_file, vocabulary
from tests.unit.conftest import Refuse
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Delivery, SourceError
from tiktoken_cache_init.sources.baked import Baked, copy

KEY = TINY.cache_key


def copied(volume: Path, path: Path | str) -> str:
    """Copy a file; return the reason for its failure, or an empty text."""
    with staged_file(volume) as staged:
        try:
            copy(staged, str(path), "it is absent")
        except SourceError as error:
            assert not staged.is_right
            return str(error)
        assert staged.is_right
        return ""


def test_a_baked_vocabulary_is_copied_from_its_cache_key(volume: Path, baked: Path) -> None:
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        Baked().supply([delivery])
        assert delivery.complete
        assert (delivery.label, delivery.failures) == ("baked", [])


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_vocabulary_that_was_baked_under_another_url_is_found_by_its_digest(
    volume: Path, baked: Path, size: int | None
) -> None:
    (baked / "a").mkdir()
    (baked / "b").symlink_to("nowhere")
    (baked / "c").write_bytes(b"x" * len(CONTENT))
    with staged_file(volume, vocabulary(name="other", size=size, max_size=100)) as staged:
        delivery = Delivery(staged)
        Baked().supply([delivery])
        assert (delivery.complete, delivery.label) == (True, "baked")


def test_a_vocabulary_that_is_not_baked_is_a_failure(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (baked / KEY).unlink()
    for directory in (baked, baked / "none", __file__):
        monkeypatch.setattr("tiktoken_cache_init.place.BAKED_DIR", str(directory))
        with staged_file(volume) as staged:
            delivery = Delivery(staged)
            Baked().supply([delivery])
            assert delivery.failures == [("baked", "it is not baked in", "")]


def test_a_copy_replaces_the_bytes_of_another_source(volume: Path, baked: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(b"of another source")
        copy(staged, str(baked / KEY), "")
        assert staged.is_right


def test_a_file_that_cannot_be_copied_is_a_failure(volume: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert copied(volume, file) == "it is absent"
    file.write_bytes(CONTENT + b"x")
    assert copied(volume, file) == f"{file} has more than 21 bytes"
    file.write_bytes(b"wrong")
    assert copied(volume, file).startswith("wrong bytes: truncated (5 bytes of 21), SHA-256 ")
    assert copied(volume, tmp_path) == f"cannot read {tmp_path}: Is a directory"


def test_a_fifo_is_not_waited_for(volume: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert copied(volume, tmp_path / "fifo") == f"{tmp_path}/fifo is not a regular file"


def test_a_file_that_this_user_may_not_read_is_reported() -> None:
    with public_directory() as directory:
        (directory / "file").touch(0)
        directory.chmod(0o777)
        with as_nobody():
            assert copied(directory, directory / "file") == f"cannot read {directory}/file: Permission denied"


def test_too_many_open_files_are_reported_with_advice(volume: Path, baked: Path, refuse: Refuse) -> None:
    with staged_file(volume) as staged:
        refuse("open", errno.EMFILE)
        with pytest.raises(SourceError, match="Too many open files") as caught:
            copy(staged, str(baked / KEY), "")
    assert caught.value.advice.startswith("raise the limit of open files")


def test_an_error_of_the_volume_is_not_a_failure_of_the_source(volume: Path, baked: Path, refuse: Refuse) -> None:
    refuse("write", errno.EIO)
    with pytest.raises(VolumeError, match="Input/output error"):
        copied(volume, baked / KEY)
