from __future__ import annotations

import errno
import hashlib
from functools import partial
from pathlib import Path

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, staged_file, vocabulary
from tests.unit.conftest import Refuse
from tests.vocabularies import CL100K
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Delivery, Failure, Source, SourceError
from tiktoken_cache_init.sources.files import (
    copy,
    directory_of,
    from_baked,
    from_directories,
    from_volume,
    names_at_mirror,
)

KEY = TINY.cache_key


def failure_of(source: Source, volume: Path, wanted: Vocabulary = TINY) -> Failure:
    """Return the failure of a source, or a failure without a reason if it supplied the vocabulary."""
    with staged_file(volume, wanted) as staged:
        staged.write(b"of another source"[: wanted.max_size])
        delivery = Delivery(staged)
        source([delivery])
        assert delivery.staged.is_right == (not delivery.failures)
        return [*delivery.failures, Failure(delivery.label, "", "")][0]


# The volume itself.


def test_bytes_that_the_volume_holds_under_another_name_are_copied(volume: Path) -> None:
    (volume / "sub").mkdir()
    (volume / "sub/some (1)").write_bytes(CONTENT)
    with staged_file(volume) as first, staged_file(volume, OTHER) as second:
        found, missing = Delivery(first), Delivery(second)
        from_volume(str(volume), [found, missing])
        assert (found.staged.is_right, found.label) == (True, "sub/some (1) in the volume")
        assert (missing.label, missing.failures) == ("", [])
        (volume / "other").write_bytes(OTHER_CONTENT)
        from_volume(str(volume), [missing])
        assert missing.staged.is_right


# Baked vocabularies.


def test_a_baked_vocabulary_is_copied_from_its_cache_key(volume: Path, baked: Path) -> None:
    assert failure_of(from_baked, volume) == ("baked", "", "")
    # It may be baked in under another URL.
    assert failure_of(from_baked, volume, vocabulary(name="other")) == ("baked", "", "")
    (baked / "other name").write_bytes(CONTENT)
    (baked / KEY).write_bytes(b"wrong")
    digest = hashlib.sha256(b"wrong").hexdigest()
    assert failure_of(from_baked, volume).reason == f"wrong bytes: truncated (5 bytes of 21), SHA-256 {digest}"


def test_a_vocabulary_that_is_not_baked_is_a_failure(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (baked / KEY).unlink()
    for directory in (baked, baked / "none", __file__):
        monkeypatch.setattr("tiktoken_cache_init.place.BAKED_DIR", str(directory))
        assert failure_of(from_baked, volume) == ("baked", "it is not baked in", "")


# Mirrors that are directories.


def test_the_next_directory_supplies_only_what_is_missing(volume: Path, tmp_path: Path) -> None:
    for name, content in (("a", CONTENT), ("b", OTHER_CONTENT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(content)
    with staged_file(volume) as first, staged_file(volume, OTHER) as second:
        deliveries = [Delivery(first), Delivery(second)]
        from_directories([f"{tmp_path}/a", "http://m.example", f"file://{tmp_path}/b"], deliveries)
    assert [delivery.label for delivery in deliveries] == [f"{tmp_path}/a", f"file://{tmp_path}/b"]
    assert [len(delivery.failures) for delivery in deliveries] == [0, 1]


def test_a_named_file_may_be_a_link_and_a_wrong_one_does_not_hide_the_right_one(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    (tmp_path / "usb/tiny.tiktoken").symlink_to("../elsewhere")
    assert failure_of(partial(from_directories, [f"{tmp_path}/usb"]), volume).reason == ""
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "usb" / KEY).write_bytes(CONTENT)
    assert failure_of(partial(from_directories, [f"{tmp_path}/usb"]), volume).reason == ""


def test_a_directory_without_the_vocabulary_is_reported_with_both_names(volume: Path, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    source = partial(from_directories, [str(usb)])
    advice = f"mount the directory at {usb}"
    assert failure_of(source, volume) == (str(usb), f"there is no directory {usb}", advice)
    usb.mkdir()
    assert failure_of(source, volume) == (str(usb), f"{usb} holds no tiny.tiktoken and no {KEY}", "")
    (usb / KEY).write_bytes(b"")
    assert failure_of(source, volume).reason.startswith("wrong bytes: empty (0 bytes)")


def test_a_mirror_may_have_the_path_of_the_origin_the_published_name_or_the_cache_key() -> None:
    assert names_at_mirror(CL100K) == ["encodings/cl100k_base.tiktoken", "cl100k_base.tiktoken", CL100K.cache_key]
    assert names_at_mirror(TINY) == ["tiny.tiktoken", KEY]
    own = CL100K._replace(url="https://a.example/x")
    assert names_at_mirror(own) == ["x", own.cache_key, *names_at_mirror(CL100K)]


@pytest.mark.parametrize(
    ("mirror", "directory"),
    [
        ("/usb", "/usb"),
        ("file:///mnt/a%20b", "/mnt/a b"),
        ("FILE://localhost/mnt", "/mnt"),
        ("https://a.example", None),
    ],
)
def test_a_mirror_is_a_directory_or_is_reached_by_http(mirror: str, directory: str | None) -> None:
    assert directory_of(mirror) == directory


# Copies.


def reason(volume: Path, path: Path) -> str:
    """Return why a file cannot be copied."""
    with staged_file(volume) as staged, pytest.raises(SourceError) as caught:
        copy(staged, str(path))
    return str(caught.value)


def test_a_file_that_cannot_be_copied_is_a_failure(volume: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert reason(volume, file) == f"cannot read {file}: No such file or directory"
    file.write_bytes(CONTENT + b"x")
    assert reason(volume, file) == f"{file} has more than 21 bytes"


def test_too_many_open_files_are_reported_with_advice(volume: Path, baked: Path, refuse: Refuse) -> None:
    with staged_file(volume) as staged:
        refuse("open", errno.EMFILE)
        with pytest.raises(SourceError, match="Too many open files") as caught:
            copy(staged, str(baked / KEY))
    assert caught.value.advice.startswith("raise the limit of open files")


def test_an_error_of_the_volume_is_not_a_failure_of_the_source(volume: Path, baked: Path, refuse: Refuse) -> None:
    refuse("write", errno.EIO)
    with staged_file(volume) as staged, pytest.raises(VolumeError, match="Input/output error"):
        copy(staged, str(baked / KEY))
