from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, as_nobody, public_directory, vocabulary
from tests.unit.conftest import Refuse
from tiktoken_cache_init.catalogue import Target
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.volume.inspect import Finding, State, inspect

KEY = TINY.cache_key


def look(directory: Path, **options: Any) -> Finding:
    return inspect([Target(each, str(directory / each.cache_key)) for each in (TINY, OTHER)], **options)[0]


@pytest.mark.parametrize(
    ("make", "state", "text"),
    [
        (lambda _: None, State.MISSING, "missing"),
        (lambda path: path.write_bytes(CONTENT), State.RIGHT, "right"),
        (lambda path: path.write_bytes(CONTENT[:8]), State.WRONG, "truncated (8 bytes of 21)"),
        (Path.mkdir, State.DIRECTORY, "an empty directory"),
        (lambda path: (path / "x").mkdir(parents=True), State.DIRECTORY, "a directory with content"),
        (os.mkfifo, State.SPECIAL, "not a regular file"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(path.name), State.SPECIAL, "not a regular file"),
    ],
)
def test_each_kind_of_entry_has_its_state(
    volume: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], state: State, text: str
) -> None:
    monkeypatch.chdir(volume)
    make(volume / KEY)
    finding = look(volume)
    assert (finding.state, finding.text, finding.ready) == (state, text, state is State.RIGHT)
    assert finding.occupied is (text == "a directory with content")
    assert (finding.identity is not None) is (state is State.WRONG)


@pytest.mark.parametrize(
    ("found", "options", "lacks", "readable"),
    [
        (0o664, {"mode": 0o644}, "", True),
        (0o600, {"mode": 0o600}, "", True),
        (0o644, {"mode": 0o664}, "lacks permissions (mode 0644)", True),
        (0o754, {"mode": 0o755}, "lacks permissions (mode 0754)", True),
        (0o640, {"mode": 0o644}, "not readable by every user (mode 0640)", False),
        (0o600, {"mode": 0o640}, "not readable by every user (mode 0600)", False),
    ],
)
def test_a_right_file_must_have_the_permissions(
    volume: Path, found: int, options: dict[str, Any], lacks: str, readable: bool
) -> None:
    (volume / KEY).write_bytes(CONTENT)
    (volume / KEY).chmod(found)
    finding = look(volume, **options)
    assert (finding.lacks, finding.readable, finding.ready) == (lacks, readable, not lacks)
    (volume / KEY).write_bytes(b"")
    assert (look(volume, **options).text, look(volume, **options).lacks) == ("empty (0 bytes)", "")


def test_a_right_file_must_have_the_owner(volume: Path) -> None:
    (volume / KEY).write_bytes(CONTENT)
    status = (volume / KEY).stat()
    assert look(volume, owner=(status.st_uid, status.st_gid)).ready
    assert look(volume, owner=(status.st_uid, -1)).ready
    for owner in ((4711, -1), (status.st_uid, 4711)):
        assert look(volume, owner=owner).lacks == f"owned by {status.st_uid}:{status.st_gid}"


# Links.


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        ("file", "right"),
        ("..data/file", "right"),
        ("empty", "empty (0 bytes)"),
        ("sub", "a directory"),
        *((destination, "") for destination in (KEY, OTHER.cache_key, f"{OTHER.cache_key}/x", "x" * 300, "nowhere/x")),
        *((destination, "") for destination in ("nowhere", "/etc/passwd", "out", "sub/closed/file")),
        *((destination, "") for destination in (f"./{OTHER.cache_key}", f"here/./{OTHER.cache_key}")),
        *((destination, "") for destination in ("../outside", "../volume/file", "../volume2/file")),
    ],
)
def test_a_link_counts_as_its_file_if_every_consumer_can_follow_it(volume: Path, destination: str, text: str) -> None:
    (volume.parent / "volume2").mkdir()
    (volume / "sub/closed").mkdir(parents=True)
    for name in ("file", "../outside", "../volume2/file", "sub/file", "sub/closed/file", OTHER.cache_key):
        (volume / name).write_bytes(CONTENT)
    (volume / "empty").touch()
    (volume / "out").symlink_to("../outside")
    (volume / "here").symlink_to(".")
    (volume / "..data").symlink_to("sub")
    (volume / "sub/closed").chmod(0o700)
    (volume / KEY).symlink_to(destination)
    # The directory itself may be reached through a link.
    (volume.parent / "link").symlink_to("volume")
    for directory in (volume, volume.parent / "link"):
        finding = look(directory)
        assert (finding.state is State.LINK) == (not text)
        note = f"a link to {destination}"
        assert finding.text == (f"{text}, {note}" if text else f"{note}, which some consumers cannot follow")


# What cannot be read.


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_this_user_may_not_read_is_unreadable_and_not_wrong(linked: bool) -> None:
    with public_directory() as directory:
        file = directory / ("file" if linked else KEY)
        file.write_bytes(CONTENT)
        file.chmod(0)
        if linked:
            (directory / KEY).symlink_to("file")
        with as_nobody():
            finding = look(directory)
            assert finding.text == f"unreadable for user {os.geteuid()} (Permission denied)"
        # To replace a link does not overwrite its file.
        assert (finding.state, finding.size) == (State.UNREADABLE, 0 if linked else len(CONTENT))


def test_the_size_of_a_file_that_this_user_may_not_even_look_at_is_unknown(volume: Path, refuse: Refuse) -> None:
    refuse("lstat", errno.EACCES)
    assert (look(volume).state, look(volume).size) == (State.UNREADABLE, 0)


def test_a_file_may_hold_another_vocabulary_by_its_size_if_it_is_unreadable_and_else_by_its_digest(
    volume: Path,
) -> None:
    unreadable = Finding(TINY, KEY, State.UNREADABLE, "unreadable", size=len(OTHER_CONTENT))
    assert unreadable.may_hold(OTHER)
    assert unreadable.may_hold(OTHER._replace(size=None))
    assert not unreadable._replace(size=6).may_hold(OTHER)
    assert unreadable._replace(size=1).may_hold(OTHER._replace(size=None))
    assert not Finding(TINY, KEY, State.UNREADABLE, "of unknown size").may_hold(OTHER._replace(size=None))
    assert not unreadable._replace(size=len(CONTENT)).may_hold(TINY)
    (volume / KEY).write_bytes(OTHER_CONTENT)
    # The same bytes may be published under several URLs.
    assert look(volume).may_hold(vocabulary(OTHER_CONTENT, "same.tiktoken"))
    assert not look(volume).may_hold(vocabulary(b"x", "third.tiktoken"))
    assert not look(volume.parent).may_hold(OTHER)


def test_an_error_of_the_storage_is_an_error_and_not_a_finding(volume: Path, refuse: Refuse) -> None:
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


@pytest.mark.parametrize("call", ["listdir", "readlink"])
def test_a_directory_or_a_link_that_becomes_a_file_during_the_inspection_is_missing(
    volume: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = volume / KEY
    path.mkdir() if call == "listdir" else path.symlink_to("elsewhere")
    called = getattr(os, call)

    def replaced(name: str) -> object:
        path.rmdir() if call == "listdir" else path.unlink()
        path.write_bytes(CONTENT)
        return called(name)

    monkeypatch.setattr(os, call, replaced)
    assert look(volume).state is State.MISSING
