from __future__ import annotations

from pathlib import Path

import pytest

from tests.samples import CONTENT, TINY, staged_file, vocabulary
from tests.vocabularies import CL100K
from tiktoken_cache_init.sources import Delivery
from tiktoken_cache_init.sources.directories import Directories, directory_of, names_at_mirror

KEY = TINY.cache_key


def from_directory(volume: Path, directory: Path, wanted: str = "tiny") -> str:
    private = vocabulary(size=None, max_size=1000) if wanted == "private" else TINY
    with staged_file(volume, private) as staged:
        delivery = Delivery(staged)
        Directories([str(directory)]).supply([delivery])
        assert delivery.label == str(directory)
        return delivery.failures[0].reason if delivery.failures else ""


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
    assert names_at_mirror(CL100K) == ["encodings/cl100k_base.tiktoken", "cl100k_base.tiktoken", CL100K.cache_key]
    assert names_at_mirror(TINY) == ["tiny.tiktoken", KEY]
    own = CL100K._replace(url="https://a.example/x")
    assert names_at_mirror(own) == ["x", own.cache_key, *names_at_mirror(CL100K)]


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
