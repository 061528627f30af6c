from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.unit.conftest import Refuse
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.volume.directory import directory_mode, missing_bits, permissions, prepare


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _usual_umask() -> None:
    os.umask(0o022)


@pytest.mark.parametrize(
    ("mode", "wanted"), [(0o644, 0o755), (0o640, 0o750), (0o400, 0o500), (0o664, 0o775), (0o604, 0o705)]
)
def test_the_mode_of_the_directory_fits_the_mode_of_its_files(mode: int, wanted: int) -> None:
    assert directory_mode(mode) == wanted


def test_a_missing_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    prepare(str(tmp_path / "a/b"), 0o644, None)
    assert mode_of(tmp_path / "a/b") == 0o755


def test_two_first_runs_may_make_the_directory_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makedirs = os.makedirs

    def second(path: str, **options: bool) -> None:
        makedirs(path)
        makedirs(path, **options)

    monkeypatch.setattr(os, "makedirs", second)
    prepare(str(tmp_path / "a/b"), 0o644, None)
    assert mode_of(tmp_path / "a/b") == 0o755


def test_a_new_directory_gets_its_owner_and_an_old_one_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *given: owners.append(given))
    for _ in range(2):
        prepare(str(tmp_path / "a"), 0o644, (7, 8))
    assert owners == [(str(tmp_path / "a"), 7, 8)]


def test_a_directory_that_cannot_be_given_to_its_owner_is_an_error(tmp_path: Path, refuse: Refuse) -> None:
    refuse("chown", errno.EPERM)
    with pytest.raises(VolumeError, match="cannot give the files to 7: Operation not permitted"):
        prepare(str(tmp_path / "a"), 0o644, (7, -1))


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_file_or_a_dead_link_is_not_a_directory(tmp_path: Path, make: object) -> None:
    make(tmp_path / "file")  # type: ignore[operator]
    with pytest.raises(VolumeError, match=r"file is not a directory: mount a volume or a directory there"):
        prepare(str(tmp_path / "file"), 0o644, None)


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path, refuse: Refuse) -> None:
    refuse("makedirs", errno.EROFS)
    with pytest.raises(VolumeError, match=r"cannot make .*: Read-only file system"):
        prepare(str(tmp_path / "a"), 0o644, None)


@pytest.mark.parametrize(
    ("before", "after"), [(0o700, 0o755), (0o711, 0o755), (0o1777, 0o1777), (0o1770, 0o1775), (0o555, 0o555)]
)
def test_permissions_are_added_and_never_removed(volume: Path, before: int, after: int) -> None:
    volume.chmod(before)
    prepare(str(volume), 0o644, None)
    assert mode_of(volume) == after


def test_no_permissions_are_added_that_the_files_do_not_need(volume: Path) -> None:
    volume.chmod(0o700)
    prepare(str(volume), 0o600, None)
    assert mode_of(volume) == 0o700


def test_an_unreadable_directory_of_another_user_is_reported_with_both_remedies(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume.chmod(0o705)
    refuse("chmod", errno.EPERM)
    monkeypatch.setattr(os, "geteuid", lambda: volume.stat().st_uid + 1)
    with pytest.raises(VolumeError) as caught:
        prepare(str(volume), 0o644, None)
    assert f"{volume} has mode 0705, so not every user can read its files" in str(caught.value)
    assert "its mode cannot be changed (Operation not permitted): run chmod 0755 on it, or, if " in str(caught.value)
    assert "TrueNAS" in str(caught.value)
    assert str(caught.value).endswith("or set TIKTOKEN_INIT_MODE=0604 if the gateway's user can read it")
    prepare(str(volume), 0o604, None)


def test_our_directory_that_keeps_no_permissions_is_reported_with_mount_options(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume.chmod(0o700)
    monkeypatch.setattr(os, "chmod", lambda *_: None)
    with pytest.raises(VolumeError, match=r"everything has mode 0700, but 0755 is needed"):
        prepare(str(volume), 0o644, None)


def test_a_directory_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="cannot open"):
        permissions(str(tmp_path / "none"))


def test_a_missing_write_bit_of_the_owner_is_ignored(volume: Path) -> None:
    volume.chmod(0o555)
    assert missing_bits(str(volume), 0o644) == 0
    volume.chmod(0o750)
    assert missing_bits(str(volume), 0o644) == 0o005


@pytest.mark.parametrize("mode", [0o000, 0o555, 0o111])
def test_a_directory_that_its_owner_may_not_write_in_is_opened_for_its_owner(
    volume: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    volume.chmod(mode)
    monkeypatch.setattr(os, "access", lambda *_: False)
    prepare(str(volume), 0o644, None)
    assert mode_of(volume) == 0o755


def test_storage_that_refuses_to_open_our_directory_is_reported_by_the_first_write(
    volume: Path, refuse: Refuse
) -> None:
    volume.chmod(0o555)
    refuse("chmod", errno.EPERM)
    prepare(str(volume), 0o644, None)


@pytest.mark.parametrize(
    ("before", "owner", "after"), [((0, 0), (7, 8), 0o705), ((0, 8), (7, 8), 0o750), ((7, 8), (7, 8), 0o700)]
)
def test_the_named_owner_of_the_files_can_reach_them(
    volume: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], owner: tuple[int, int], after: int
) -> None:
    volume.chmod(0o700)
    real = os.stat

    def stat_as(path: str) -> os.stat_result:
        found = real(path)
        return os.stat_result((*found[:4], *before, *found[6:]))

    monkeypatch.setattr(os, "stat", stat_as)
    assert 0o700 | missing_bits(str(volume), 0o600, owner) == after
    assert missing_bits(str(volume), 0o600, None) == 0
