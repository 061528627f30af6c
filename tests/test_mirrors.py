from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.samples import CONTENT, staging, vocabulary
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.sources import RouteFailed
from tiktoken_cache_init.sources.mirrors import FolderMirror, folder_of, names_below, urls_at

CL100K = VOCABULARIES[0]
PIN = vocabulary(name="encodings/tiny.tiktoken")


def deliver(folder: Path, pin: Vocabulary = PIN, place: str = "usb") -> bytes:
    with staging(folder / "volume", pin) as (_, staged):
        FolderMirror(str(folder / place), str(folder / place)).deliver(pin, staged)
        return staged.beginning()


def put(folder: Path, name: str, content: bytes = CONTENT) -> None:
    path = folder / "usb" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_vocabulary_may_lie_under_the_origin_s_path_its_published_name_or_its_cache_key() -> None:
    assert names_below(CL100K) == ["encodings/cl100k_base.tiktoken", "cl100k_base.tiktoken", CL100K.cache_key]


def test_a_name_is_not_asked_for_twice() -> None:
    pin = vocabulary(name="tiny.tiktoken")
    assert names_below(pin) == ["tiny.tiktoken", pin.cache_key]


@pytest.mark.parametrize(
    ("base", "first"),
    [
        ("https://a.example", "https://a.example/encodings/cl100k_base.tiktoken"),
        ("https://a.example/x/", "https://a.example/x/encodings/cl100k_base.tiktoken"),
        ("https://a.example/x?sig=a/b", "https://a.example/x/encodings/cl100k_base.tiktoken?sig=a/b"),
    ],
)
def test_a_mirror_stands_in_for_the_origin_s_base(base: str, first: str) -> None:
    urls = urls_at(base, CL100K)
    assert urls[0] == first
    assert len(urls) == 3


@pytest.mark.parametrize(
    ("mirror", "folder"),
    [
        ("/mnt/usb", "/mnt/usb"),
        ("./usb", "./usb"),
        ("file:///mnt/usb%20stick", "/mnt/usb stick"),
        ("FILE:///mnt/usb", "/mnt/usb"),
        ("file://localhost/mnt", "/mnt"),
        ("http://a.example/x", None),
        ("HTTPS://a.example/x", None),
    ],
)
def test_a_mirror_is_a_folder_or_is_reached_by_http(mirror: str, folder: str | None) -> None:
    assert folder_of(mirror) == folder


@pytest.mark.parametrize("name", [*names_below(PIN), "tiny (1).tiktoken", "deep/er/x"])
def test_a_folder_has_it_wherever_it_is(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert deliver(tmp_path) == CONTENT


def test_a_wrong_file_under_the_first_name_does_not_hide_the_right_one(tmp_path: Path) -> None:
    put(tmp_path, PIN.path, CONTENT + b"longer")
    put(tmp_path, PIN.published_name, b"wrong")
    put(tmp_path, PIN.cache_key)
    assert deliver(tmp_path) == CONTENT


def test_wrong_bytes_are_delivered_if_there_are_no_others_for_they_tell_what_is_wrong(tmp_path: Path) -> None:
    put(tmp_path, PIN.path, b"wrong")
    assert deliver(tmp_path) == b"wrong"


def test_an_empty_file_is_not_called_missing(tmp_path: Path) -> None:
    put(tmp_path, PIN.path, b"")
    assert deliver(tmp_path) == b""


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.write_bytes(CONTENT * 2), "more than the 21 bytes"),
        (Path.mkdir, "is not a regular file"),
    ],
)
def test_the_first_thing_that_is_wrong_is_told(tmp_path: Path, make: object, text: str) -> None:
    (tmp_path / "usb").mkdir()
    assert callable(make)
    make(tmp_path / "usb/tiny.tiktoken")
    with pytest.raises(RouteFailed, match=text):
        deliver(tmp_path)


def test_a_link_that_leads_nowhere_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb/tiny.tiktoken").symlink_to("nowhere")
    with pytest.raises(RouteFailed, match="link"):
        deliver(tmp_path)


def test_what_a_folder_does_not_hold_is_told_by_both_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    with pytest.raises(RouteFailed, match=f"holds no tiny.tiktoken and no {PIN.cache_key}"):
        deliver(tmp_path)


def test_a_folder_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RouteFailed) as caught:
        deliver(tmp_path)
    assert str(caught.value) == f"there is no folder {tmp_path}/usb"
    assert caught.value.advice == f"mount the folder at {tmp_path}/usb"
    assert not caught.value.passing


def test_a_private_vocabulary_of_unknown_length_is_had_by_its_name(tmp_path: Path) -> None:
    put(tmp_path, PIN.published_name)
    assert deliver(tmp_path, PIN._replace(size=None, limit=100)) == CONTENT


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    os.mkfifo(tmp_path / "usb/tiny.tiktoken")
    with pytest.raises(RouteFailed):
        deliver(tmp_path)
