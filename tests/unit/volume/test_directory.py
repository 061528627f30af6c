from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.unit.conftest import Refuse
from tiktoken_cache_init.errors import ModesError, VolumeError
from tiktoken_cache_init.volume import directory as module
from tiktoken_cache_init.volume.directory import make_writable, permissions, prepare


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _usual_umask() -> None:
    os.umask(0o022)


def test_a_new_directory_gets_its_owner_and_an_old_one_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Refuse
) -> None:
    owners: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *given: owners.append(given))
    for _ in range(2):
        prepare(str(tmp_path / "a/b"), 0o604, (7, 8))
    assert owners == [(str(tmp_path / "a/b"), 7, 8)]
    assert mode_of(tmp_path / "a/b") == 0o755
    refuse("chown", errno.EPERM)
    with pytest.raises(VolumeError, match="cannot give the files to 7: Operation not permitted"):
        prepare(str(tmp_path / "c"), 0o644, (7, -1))


def test_two_first_runs_may_make_the_directory_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makedirs = os.makedirs

    def second(path: str, **options: bool) -> None:
        makedirs(path)
        makedirs(path, **options)

    monkeypatch.setattr(os, "makedirs", second)
    prepare(str(tmp_path / "a/b"), 0o644, None)
    assert (tmp_path / "a/b").is_dir()


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
        (0o700, 0o640, None, 0o750),
        (0o700, 0o664, None, 0o775),
        (0o700, 0o604, None, 0o705),
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
    assert permissions(str(volume), mode, owner) == (after, 0)


NO_ACCESS = (
    "{path} has mode {before:04o}, so not every user can read its files, and its mode cannot be changed ({reason}): run chmod "
    "{after} on it, or, if the storage refuses that too (TrueNAS, ZFS with NFSv4 ACLs), let everyone@ read and traverse in its ACL"
)
MODE = ", or set TIKTOKEN_INIT_MODE={} if the gateway's user can read it"
NO_MODES = "{path} does not keep permissions: everything has mode 0700, but 0755 is needed"


@pytest.mark.parametrize(
    ("number", "kind", "before", "mode", "owner", "after", "said"),
    [
        # A directory that lets every reader in needs no chmod.
        (errno.EPERM, "zfs", 0o755, 0o644, None, "", ""),
        (errno.EPERM, "zfs", 0o777, 0o644, None, "", ""),
        (errno.EPERM, "zfs", 0o770, 0o640, None, "", ""),
        (errno.EPERM, "zfs", 0o705, 0o604, None, "", ""),
        (errno.EPERM, "zfs", 0o705, 0o644, None, "0755", NO_ACCESS + MODE.format("0604")),
        (errno.EACCES, "zfs", 0o750, 0o644, None, "0755", NO_ACCESS + MODE.format("0640")),
        (errno.ENOTSUP, "zfs", 0o2770, 0o644, None, "2775", NO_ACCESS + MODE.format("0640")),
        (errno.EPERM, "zfs", 0o700, 0o600, (4711, -1), "0705", NO_ACCESS),
        # No mode that the setting accepts would be enough.
        (errno.EPERM, "zfs", 0o333, 0o644, None, "0777", NO_ACCESS),
        (errno.EPERM, "cifs", 0o700, 0o644, None, "", NO_MODES),
        (errno.EPERM, "fuseblk", 0o700, 0o644, None, "", NO_MODES),
        (0, "zfs", 0o700, 0o644, None, "", NO_MODES),
        (errno.EIO, "zfs", 0o700, 0o644, None, "", "cannot change the mode of {path}: {reason}"),
        (errno.EACCES, "closed", 0o700, 0o644, None, "", "cannot write in {path}: {reason}"),
    ],
)
def test_storage_that_does_not_change_modes_is_enough_or_one_error_names_every_remedy(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, number: int, kind: str, before: int, mode: int,
    owner: tuple[int, int] | None, after: str, said: str,
) -> None:  # fmt: skip
    volume.chmod(before)
    monkeypatch.setattr(os, "chmod", lambda *_: None)
    if number:
        refuse("chmod", number)
    monkeypatch.setattr(module, "file_system", lambda _: kind)
    monkeypatch.setattr(os, "access", lambda *_: kind != "closed")
    if not said:
        prepare(str(volume), mode, owner)
        return
    with pytest.raises(VolumeError) as caught:
        prepare(str(volume), mode, owner)
    assert str(caught.value) == said.format(path=volume, before=before, after=after, reason=os.strerror(number))
    assert isinstance(caught.value, ModesError) is (said == NO_MODES)


@pytest.mark.parametrize(
    ("before", "after"), [(0o000, 0o700), (0o555, 0o755), (0o655, 0o755), (0o755, 0o755), (0o301, 0o301)]
)
def test_the_owner_of_the_directory_gets_the_right_to_write(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    volume.chmod(before)
    owner = volume.stat().st_uid
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: owner + 1)
        make_writable(str(volume))
        assert mode_of(volume) == before
    make_writable(str(volume))
    assert mode_of(volume) == after
    volume.chmod(before)
    refuse("chmod", errno.EPERM)
    make_writable(str(volume))


def test_a_directory_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="cannot open"):
        permissions(str(tmp_path / "none"), 0o644, None)
