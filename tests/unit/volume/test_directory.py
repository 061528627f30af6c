from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.unit.conftest import Refuse
from tiktoken_cache_init.errors import ModesError, StorageError, VolumeError
from tiktoken_cache_init.volume.directory import directory_mode, make_writable, missing_bits, permissions, prepare


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
    ("before", "mode", "owner", "after"),
    [
        (0o700, 0o644, None, 0o755),
        (0o711, 0o644, None, 0o755),
        (0o1777, 0o644, None, 0o1777),
        (0o1770, 0o644, None, 0o1775),
        (0o555, 0o644, None, 0o555),
        (0o000, 0o644, None, 0o555),
        (0o700, 0o600, None, 0o700),
        # The owner of the files is the user, in the group, or another user of the directory.
        (0o700, 0o600, (0, 0), 0o700),
        (0o700, 0o600, (1, 0), 0o750),
        (0o700, 0o600, (1, 1), 0o705),
        (0o700, 0o600, (1, -1), 0o705),
    ],
)
def test_the_permissions_that_readers_need_are_added_and_none_is_removed(
    volume: Path, before: int, mode: int, owner: tuple[int, int] | None, after: int
) -> None:
    volume.chmod(before)
    if owner:
        status = volume.stat()
        owner = (status.st_uid + owner[0], -1 if owner[1] < 0 else status.st_gid + owner[1])
    prepare(str(volume), mode, owner)
    assert mode_of(volume) == after
    assert missing_bits(str(volume), mode, owner) == 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOTSUP])
def test_a_directory_that_not_every_user_can_read_is_reported_with_remedies_if_its_mode_cannot_be_changed(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    volume.chmod(0o705)
    refuse("chmod", number)
    monkeypatch.setattr("tiktoken_cache_init.volume.directory.file_system", lambda _: "zfs")
    for mode, narrower in ((0o644, 0o604), (0o640, 0o600)):
        with pytest.raises(VolumeError) as caught:
            prepare(str(volume), mode, None)
        assert str(caught.value) == (
            f"{volume} has mode 0705, so not every user can read its files, and its mode cannot be changed "
            f"({os.strerror(number)}): run chmod 0755 on it, or, if the storage refuses that too (TrueNAS, ZFS with NFSv4 "
            "ACLs), let everyone@ read and traverse in its ACL, or set "
            f"TIKTOKEN_INIT_MODE={narrower:04o} if the gateway's user can read it"
        )


def test_no_other_mode_of_the_files_is_proposed_if_it_does_not_help(volume: Path, refuse: Refuse) -> None:
    volume.chmod(0o700)
    refuse("chmod", errno.EPERM)
    with pytest.raises(VolumeError) as caught:
        prepare(str(volume), 0o600, (volume.stat().st_uid + 1, -1))
    assert "run chmod 0705 on it" in str(caught.value)
    assert "TIKTOKEN_INIT_MODE" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o705, 0o755, 0o770, 0o777])
def test_a_mode_that_cannot_be_changed_is_enough_if_it_lets_every_reader_in(
    volume: Path, refuse: Refuse, mode: int
) -> None:
    volume.chmod(mode)
    refuse("chmod", errno.EPERM)
    prepare(str(volume), 0o604 if mode == 0o705 else 0o640 if mode == 0o770 else 0o644, None)


def test_storage_that_fails_to_change_a_mode_is_an_error(volume: Path, refuse: Refuse) -> None:
    volume.chmod(0o700)
    refuse("chmod", errno.EIO)
    with pytest.raises(StorageError, match=r"cannot change the mode of .*: Input/output error"):
        prepare(str(volume), 0o644, None)


def test_a_closed_directory_that_cannot_be_written_needs_one_remedy(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume.chmod(0o700)
    refuse("chmod", errno.EPERM)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageError, match=r"cannot write in .*: Permission denied"):
        prepare(str(volume), 0o644, None)


@pytest.mark.parametrize("kind", ["", "cifs", "fuseblk"])
def test_a_directory_that_keeps_no_permissions_is_reported_with_mount_options(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    volume.chmod(0o700)
    if kind:
        refuse("chmod", errno.EPERM)
        monkeypatch.setattr("tiktoken_cache_init.volume.directory.file_system", lambda _: kind)
    else:
        monkeypatch.setattr(os, "chmod", lambda *_: None)
    with pytest.raises(ModesError, match=r"everything has mode 0700, but 0755 is needed"):
        prepare(str(volume), 0o644, None)


@pytest.mark.parametrize(
    ("before", "after"), [(0o000, 0o700), (0o555, 0o755), (0o655, 0o755), (0o755, 0o755), (0o300, 0o300)]
)
def test_the_owner_gets_the_right_to_write(volume: Path, before: int, after: int) -> None:
    volume.chmod(before)
    make_writable(str(volume))
    assert mode_of(volume) == after


def test_the_directory_of_another_user_keeps_its_mode(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume.chmod(0o555)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: volume.stat().st_uid + 1)
        make_writable(str(volume))
    refuse("chmod", errno.EPERM)
    make_writable(str(volume))
    assert mode_of(volume) == 0o555


def test_a_directory_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="cannot open"):
        permissions(str(tmp_path / "none"))
