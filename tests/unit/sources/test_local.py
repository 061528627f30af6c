from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.samples import CONTENT, TINY, as_nobody, public_directory, settings, staged_file, vocabulary
from tests.unit.conftest import Refuse
from tiktoken_cache_init.catalogue import VOCABULARIES
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Delivery
from tiktoken_cache_init.sources.fetch import directory_of
from tiktoken_cache_init.sources.local import copy, copy_from_directory, names_at_mirror, supply

KEY = TINY.cache_key


def watch(_: object) -> None:
    """Ignore the progress."""


def copied(volume: Path, path: Path | str) -> str:
    """Copy a file; return the reason for its failure, or an empty text."""
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        copy(delivery, str(path), "label", "it is absent")
        assert delivery.complete == (not delivery.failures)
        return delivery.failures[0].reason if delivery.failures else ""


def from_directory(volume: Path, directory: Path, wanted: str = "tiny") -> str:
    private = vocabulary(size=None, max_size=1000) if wanted == "private" else TINY
    with staged_file(volume, private) as staged:
        delivery = Delivery(staged)
        copy_from_directory(delivery, "/usb", str(directory))
        assert delivery.label == "/usb"
        return delivery.failures[0].reason if delivery.failures else ""


def test_a_baked_vocabulary_is_copied_from_its_cache_key(volume: Path, baked: Path) -> None:
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        supply([delivery], settings(baked_dir=str(baked)), 0.0, watch)
        assert delivery.complete
        assert (delivery.label, delivery.failures) == ("baked", [])


def test_a_vocabulary_that_is_not_baked_is_a_failure(volume: Path, baked: Path) -> None:
    (baked / KEY).unlink()
    for directory in (baked, baked / "none", __file__):
        with staged_file(volume) as staged:
            delivery = Delivery(staged)
            supply([delivery], settings(baked_dir=str(directory)), 0.0, watch)
            assert delivery.failures == [("baked", f"{directory} does not hold it", "")]


def test_a_copy_replaces_the_bytes_of_another_source(volume: Path, baked: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(b"of another source")
        copy(Delivery(staged), str(baked / KEY), "", "")
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


def test_an_error_of_the_volume_is_not_a_failure_of_the_source(volume: Path, baked: Path, refuse: Refuse) -> None:
    refuse("write", errno.EIO)
    with pytest.raises(VolumeError, match="Input/output error"):
        copied(volume, baked / KEY)


# Directories as mirrors.


@pytest.mark.parametrize("name", [KEY, "tiny.tiktoken", "some (1)", "a/b/x"])
def test_a_directory_supplies_the_right_bytes_under_any_name(volume: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "usb" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert from_directory(volume, tmp_path / "usb") == ""


def test_a_wrong_file_does_not_hide_the_right_one(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.tiktoken").write_bytes(b"")
    (tmp_path / KEY).write_bytes(CONTENT)
    assert from_directory(volume, tmp_path) == ""


def test_a_private_vocabulary_of_unknown_size_is_found_by_its_name(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.tiktoken").write_bytes(CONTENT)
    assert from_directory(volume, tmp_path, "private") == ""


def test_a_directory_without_the_vocabulary_is_reported_with_both_names(volume: Path, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    assert from_directory(volume, usb) == f"there is no directory {usb}"
    usb.mkdir()
    assert from_directory(volume, usb) == f"{usb} holds no tiny.tiktoken and no {KEY}"
    (usb / "tiny.tiktoken").symlink_to("nowhere")
    assert from_directory(volume, usb) == f"{usb}/tiny.tiktoken is a link to a file that does not exist"
    (usb / KEY).write_bytes(b"")
    assert from_directory(volume, usb).startswith("wrong bytes: empty (0 bytes)")


def test_a_mirror_may_have_the_path_of_the_origin_the_published_name_or_the_cache_key() -> None:
    known = VOCABULARIES[0]
    assert names_at_mirror(known) == ["encodings/cl100k_base.tiktoken", "cl100k_base.tiktoken", known.cache_key]
    assert names_at_mirror(TINY) == ["tiny.tiktoken", KEY]


@pytest.mark.parametrize(
    ("mirror", "directory"),
    [
        ("/usb", "/usb"),
        ("usb", "usb"),
        ("file:///mnt/a%20b", "/mnt/a b"),
        ("FILE://localhost/mnt", "/mnt"),
        ("http://a.example/x", None),
        ("https://a.example", None),
    ],
)
def test_a_mirror_is_a_directory_or_is_reached_by_http(mirror: str, directory: str | None) -> None:
    assert directory_of(mirror) == directory
