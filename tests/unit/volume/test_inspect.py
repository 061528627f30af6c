from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER, TINY, as_nobody, public_directory, vocabulary
from tests.unit.conftest import Refuse
from tiktoken_cache_init.catalogue import Target
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.volume.identify import Kind
from tiktoken_cache_init.volume.inspect import Finding, State, holds, inspect

KEY = TINY.cache_key


def look(directory: Path, name: str = KEY, **options: Any) -> Finding:
    return inspect(str(directory), [Target(TINY, name), Target(OTHER, OTHER.cache_key)], **options)[0]


def test_a_name_without_a_file_is_missing(volume: Path) -> None:
    finding = look(volume)
    assert (finding.state, finding.text, finding.ready) == (State.MISSING, "missing", False)


def test_a_file_with_the_right_bytes_is_right(volume: Path) -> None:
    (volume / KEY).write_bytes(CONTENT)
    finding = look(volume)
    assert (finding.state, finding.text, finding.ready, finding.readable) == (State.RIGHT, "right", True, True)


@pytest.mark.parametrize(
    ("found", "wanted", "readable"), [(0o644, 0o664, True), (0o640, 0o644, False), (0o600, 0o640, False)]
)
def test_a_file_is_readable_if_every_wanted_user_can_read_it(
    volume: Path, found: int, wanted: int, readable: bool
) -> None:
    (volume / KEY).write_bytes(CONTENT)
    (volume / KEY).chmod(found)
    [finding] = inspect(str(volume), [Target(TINY, KEY)], wanted)
    assert (bool(finding.lacks), finding.readable) == (True, readable)


def test_a_file_with_other_bytes_is_wrong_and_named(volume: Path) -> None:
    (volume / KEY).write_bytes(CONTENT[:8])
    finding = look(volume)
    assert (finding.state, finding.text) == (State.WRONG, "truncated (8 bytes of 21)")
    assert finding.identity
    assert finding.identity.kind is Kind.TRUNCATED
    assert not finding.ready


def test_a_directory_under_the_name_is_not_a_file(volume: Path) -> None:
    (volume / KEY).mkdir()
    assert look(volume).state is State.DIRECTORY


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: socket.socket(socket.AF_UNIX).bind(str(path))])
def test_a_fifo_or_a_socket_is_not_a_regular_file_and_is_not_waited_for(
    volume: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(volume)
    make(Path(KEY))
    finding = look(volume)
    assert (finding.state, finding.text) == (State.SPECIAL, "not a regular file")


def test_a_link_to_a_file_in_the_directory_counts_as_a_file(volume: Path) -> None:
    (volume / "..data").mkdir()
    (volume / "..data/file").write_bytes(CONTENT)
    (volume / KEY).symlink_to("..data/file")
    finding = look(volume)
    assert (finding.state, finding.text) == (State.RIGHT, "right, a link to ..data/file")
    (volume / "..data/file").write_bytes(b"")
    assert look(volume).text == "empty (0 bytes), a link to ..data/file"


@pytest.mark.parametrize(
    "destination",
    [
        "nowhere",
        "../outside",
        "/etc/passwd",
        KEY,
        OTHER.cache_key,
        "../volume2/file",
        "nowhere/x",
        f"{OTHER.cache_key}/x",
        "x" * 300,
    ],
)
def test_a_link_that_consumers_may_not_be_able_to_follow_is_not_right(volume: Path, destination: str) -> None:
    (volume.parent / "outside").write_bytes(CONTENT)
    (volume.parent / "volume2").mkdir()
    (volume.parent / "volume2/file").write_bytes(CONTENT)
    (volume / OTHER.cache_key).write_bytes(CONTENT)
    (volume / KEY).symlink_to(destination)
    finding = look(volume)
    assert finding.state is State.LINK
    assert finding.text == f"a link to {destination}, which some consumers cannot follow"


def test_a_link_to_a_directory_is_reported_as_one(volume: Path) -> None:
    (volume / "sub").mkdir()
    (volume / KEY).symlink_to("sub")
    assert look(volume).text == "a directory, a link to sub"


def test_links_inside_a_directory_that_is_reached_through_a_link_are_right(volume: Path) -> None:
    (volume.parent / "link").symlink_to("volume")
    (volume / "file").write_bytes(CONTENT)
    (volume / KEY).symlink_to("file")
    assert look(volume.parent / "link").ready


def test_a_file_that_this_user_may_not_read_is_unreadable_and_not_wrong() -> None:
    with public_directory() as directory:
        (directory / KEY).touch(0)
        with as_nobody():
            finding = look(directory)
            assert finding.state is State.UNREADABLE
            assert finding.text == f"unreadable for user {os.geteuid()} (Permission denied)"


def test_an_error_of_the_storage_is_an_error_and_not_a_finding(volume: Path, refuse: Refuse) -> None:
    (volume / KEY).write_bytes(CONTENT)
    refuse("lstat", errno.ESTALE)
    with pytest.raises(VolumeError, match=f"cannot read {volume / KEY}: Stale file handle"):
        look(volume)


def test_a_file_that_goes_away_during_the_inspection_is_missing(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume / KEY).write_bytes(CONTENT)
    lstat = os.lstat

    def then_gone(path: str) -> os.stat_result:
        status = lstat(path)
        Path(path).unlink()
        return status

    monkeypatch.setattr(os, "lstat", then_gone)
    assert look(volume).state is State.MISSING


def test_a_right_file_must_have_the_permissions(volume: Path) -> None:
    (volume / KEY).write_bytes(CONTENT)
    (volume / KEY).chmod(0o600)
    finding = look(volume, mode=0o644)
    assert (finding.state, finding.lacks) == (State.RIGHT, "not readable by every user (mode 0600)")
    assert not finding.ready
    assert look(volume, mode=0o600).ready
    assert look(volume, mode=0o700).lacks == "lacks permissions (mode 0600)"
    (volume / KEY).chmod(0o664)
    assert look(volume, mode=0o644).ready


def test_a_right_file_must_have_the_owner(volume: Path) -> None:
    (volume / KEY).write_bytes(CONTENT)
    status = (volume / KEY).stat()
    assert look(volume, owner=(status.st_uid, status.st_gid)).ready
    assert look(volume, owner=(status.st_uid, -1)).ready
    for owner in ((4711, -1), (status.st_uid, 4711)):
        assert look(volume, owner=owner).lacks == f"owned by {status.st_uid}:{status.st_gid}"


def test_wrong_bytes_are_reported_without_their_permissions(volume: Path) -> None:
    (volume / KEY).write_bytes(b"")
    (volume / KEY).chmod(0o600)
    finding = look(volume, mode=0o644)
    assert (finding.text, finding.lacks) == ("empty (0 bytes)", "")


def test_only_the_beginning_of_a_huge_file_is_read(volume: Path) -> None:
    with (volume / KEY).open("wb") as file:
        file.truncate(1 << 40)
    assert look(volume).text == f"only NUL bytes ({1 << 40:,} bytes), as a crash can leave"


def test_a_file_of_another_length_is_not_read(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume / "file").write_bytes(CONTENT + b"x")
    monkeypatch.delattr(hashlib, "file_digest")
    with (volume / "file").open("rb", buffering=0) as file:
        assert not holds(file, TINY)
        assert not holds(file, vocabulary(size=None))
    monkeypatch.undo()


@pytest.mark.parametrize("hop", ["closed/right", "../volume/right"])
def test_a_link_through_a_closed_directory_or_out_of_the_volume_is_not_right(volume: Path, hop: str) -> None:
    (volume / "right").write_bytes(CONTENT)
    (volume / "closed").mkdir(mode=0o700)
    (volume / "closed/right").write_bytes(CONTENT)
    (volume / KEY).symlink_to(hop)
    assert look(volume).state is State.LINK
