from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from tests.samples import CONTENT, OTHER, TINY, as_nobody, left_behind, names_in, public_directory, staged_file
from tests.unit.conftest import Refuse
from tiktoken_cache_init.errors import DeadlinePassed, StorageError, VolumeError
from tiktoken_cache_init.volume import staging as module
from tiktoken_cache_init.volume.staging import (
    PREFIX,
    OccupiedError,
    StagedFile,
    TooLongError,
    VanishedError,
    sync,
)
from tiktoken_cache_init.volume.sweep import sweep


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_and_install(directory: Path, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    with staged_file(directory) as staged:
        staged.write(CONTENT)
        staged.finish(mode, owner)
        staged.install("key")


# From bytes to a file.


def test_the_right_bytes_are_installed_and_nothing_else_is_left(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT[:5])
        staged.write(CONTENT[5:])
        staged.finish(0o644, None)
        staged.install("key")
    assert names_in(volume) == ["key"]
    assert (volume / "key").read_bytes() == CONTENT


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o400])
def test_the_mode_does_not_depend_on_the_umask(volume: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        write_and_install(volume, mode)
    finally:
        os.umask(before)
    assert mode_of(volume / "key") == mode


def test_the_old_file_stays_until_the_new_one_is_whole(volume: Path) -> None:
    (volume / "key").write_bytes(b"old")
    with (volume / "key").open("rb") as reader, staged_file(volume) as staged:
        staged.write(CONTENT)
        staged.finish(0o644, None)
        assert (volume / "key").read_bytes() == b"old"
        staged.install("key")
        assert (volume / "key").read_bytes() == CONTENT
        assert reader.read() == b"old"


def test_a_file_is_synced_before_it_gets_its_name(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    write_and_install(volume)
    assert synced == [(volume / "key").stat().st_ino]
    sync(str(volume))
    assert synced[1:] == [volume.stat().st_ino]


def test_a_file_without_the_right_digest_is_never_installed(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT[:-1])
        with pytest.raises(AssertionError):
            staged.finish(0o644, None)
    assert names_in(volume) == []


def test_a_file_that_has_lost_bytes_is_not_installed(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        os.truncate(staged.path, 3)
        with pytest.raises(
            VolumeError, match=f"^{volume} has lost bytes that were written: check the volume's storage$"
        ):
            staged.finish(0o644, None)


@pytest.mark.parametrize("late", [False, True])
def test_a_deadline_during_a_write_never_makes_a_partial_file_right(volume: Path, late: bool) -> None:
    digest = hashlib.sha256()

    class Interrupted:
        hexdigest = digest.hexdigest

        def update(self, data: bytes) -> None:
            if late:
                digest.update(data)
            raise DeadlinePassed

    with staged_file(volume) as staged:
        staged._digest = Interrupted()  # type: ignore[assignment]
        with pytest.raises(DeadlinePassed):
            staged.write(CONTENT)
        assert staged.is_right == late
        if late:
            staged.finish(0o644, None)


def test_a_file_that_cannot_be_read_back_is_an_error(volume: Path, refuse: Refuse) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        refuse("pread", errno.EIO)
        with pytest.raises(VolumeError, match=f"^cannot read {staged.path}: Input/output error$"):
            staged.head()


def test_more_bytes_than_the_vocabulary_can_have_are_not_written(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        with pytest.raises(TooLongError):
            staged.write(b"x")
        assert (staged.position, staged.head()) == (len(CONTENT), CONTENT)


def test_a_file_can_be_started_again(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(b"wrong")
        assert not staged.is_right
        staged.restart()
        assert (staged.position, staged.head()) == (0, b"")
        staged.write(CONTENT)
        assert staged.is_right
        assert staged.head() == CONTENT


def test_a_short_write_is_continued(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        assert staged.is_right
        assert staged.head() == CONTENT


@pytest.mark.parametrize(
    ("call", "doing"), [("open", "write in"), ("write", "write in"), ("fsync", "write in"), ("rename", "install")]
)
def test_a_full_disk_is_reported_with_the_bytes_that_are_needed(
    volume: Path, refuse: Refuse, call: str, doing: str
) -> None:
    def install() -> None:
        with staged_file(volume, TINY, 1234) as staged:
            staged.write(CONTENT)
            staged.finish(0o644, None)
            staged.install("key")

    refuse(call, errno.ENOSPC)
    with pytest.raises(StorageError, match=f"cannot {doing} .*: No space left on device") as raised:
        install()
    assert raised.value.needed == 1234
    assert names_in(volume) == []


@pytest.mark.parametrize("call", ["ftruncate", "lseek"])
def test_a_file_that_cannot_be_started_again_is_an_error(volume: Path, refuse: Refuse, call: str) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        refuse(call, errno.EIO)
        with pytest.raises(VolumeError, match="Input/output error"):
            staged.restart()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_storage_without_sync_is_enough(volume: Path, refuse: Refuse, number: int) -> None:
    refuse("fsync", number)
    write_and_install(volume)
    sync(str(volume))
    assert (volume / "key").exists()


def test_storage_that_fails_to_sync_is_an_error(volume: Path, refuse: Refuse) -> None:
    refuse("fsync", errno.EIO)
    with pytest.raises(VolumeError, match="cannot sync"):
        sync(str(volume))


# Mode and owner.


def test_a_file_system_with_one_mode_for_all_files_is_enough_if_that_mode_fits(volume: Path, refuse: Refuse) -> None:
    refuse("fchmod", errno.EPERM)
    with pytest.raises(VolumeError, match=r"does not keep permissions: .* mode 0644, but 0664"):
        write_and_install(volume, 0o664)
    write_and_install(volume)
    assert mode_of(volume / "key") == 0o644


def test_a_file_system_that_ignores_modes_is_an_error(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with pytest.raises(VolumeError, match="does not keep permissions"):
        write_and_install(volume, 0o664)


def test_storage_that_fails_to_set_a_mode_is_an_error(volume: Path, refuse: Refuse) -> None:
    refuse("fchmod", errno.EIO)
    with pytest.raises(VolumeError, match="Input/output error"):
        write_and_install(volume, 0o664)


def test_a_file_gets_its_owner_before_it_gets_its_name(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: list[tuple[int, int]] = []

    def fchown(_: int, uid: int, gid: int) -> None:
        assert not (volume / "key").exists()
        owners.append((uid, gid))

    monkeypatch.setattr(os, "fchown", fchown)
    write_and_install(volume, owner=(7, -1))
    assert owners == [(7, -1)]


def test_a_user_who_cannot_set_the_owner_gets_advice(volume: Path, refuse: Refuse) -> None:
    refuse("fchown", errno.EPERM)
    with pytest.raises(VolumeError, match=r"cannot give the files to 7:8: "):
        write_and_install(volume, owner=(7, 8))
    assert names_in(volume) == []


def test_permissions_are_added_and_never_removed(volume: Path) -> None:
    file = volume / "file"
    file.touch()
    file.chmod(0o620)
    assert module.repair_permissions(str(file), 0o644, None)
    assert mode_of(file) == 0o664


# A directory under the name.


def test_an_empty_directory_under_the_name_is_replaced_and_one_with_content_is_an_error(volume: Path) -> None:
    (volume / "key").mkdir()
    write_and_install(volume)
    assert (volume / "key").read_bytes() == CONTENT
    (volume / "key").unlink()
    (volume / "key").mkdir()
    (volume / "key/precious").touch()
    with pytest.raises(OccupiedError, match=f"^{volume}/key is a directory with content: move or remove it"):
        write_and_install(volume)
    assert names_in(volume) == ["key"]
    assert names_in(volume / "key") == ["precious"]


def test_a_directory_that_another_program_makes_again_and_again_is_an_error(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume / "key").mkdir()
    monkeypatch.setattr(os, "rmdir", lambda _: None)
    with pytest.raises(VolumeError, match=f"^another program keeps making the directory {volume}/key: stop it"):
        write_and_install(volume)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_directory_that_another_run_removes_at_the_same_moment_is_no_error(
    volume: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    (volume / "key").mkdir()
    rmdir = os.rmdir

    def second(path: str) -> None:
        rmdir(path)
        if replaced:
            Path(path).write_bytes(CONTENT)
        rmdir(path)

    monkeypatch.setattr(os, "rmdir", second)
    write_and_install(volume)
    assert (volume / "key").read_bytes() == CONTENT


# Temporary files.


def test_a_file_that_another_program_removes_before_its_lock_is_made_again(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = StagedFile(str(volume), TINY)
    removed: list[str] = []

    def flock(*_: object) -> None:
        if not removed:
            removed.append(staged.path)
            Path(staged.path).unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    staged.create()
    staged.write(CONTENT)
    staged.finish(0o644, None)
    staged.install("key")
    staged.discard()
    assert removed
    assert names_in(volume) == ["key"]


def test_a_program_that_keeps_removing_temporary_files_is_an_error(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = StagedFile(str(volume), TINY)
    monkeypatch.setattr(fcntl, "flock", lambda *_: Path(staged.path).unlink())
    with pytest.raises(VolumeError, match=f"^another program keeps removing temporary files from {volume}: stop it"):
        staged.create()


def test_a_file_that_vanished_before_its_install_has_its_own_error(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        staged.finish(0o644, None)
        Path(staged.path).unlink()
        with pytest.raises(VanishedError):
            staged.install("key")


def test_a_kept_file_stays_after_its_run(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        staged.keep()
    [name] = left_behind(volume)
    assert (volume / name).read_bytes() == CONTENT


def test_the_temporary_files_of_killed_runs_are_removed(volume: Path) -> None:
    (volume / f"{PREFIX}0").write_bytes(CONTENT[:-1])
    (volume / "file").touch()
    sweep(str(volume), [TINY])
    assert names_in(volume) == ["file"]


@pytest.mark.parametrize("size", [TINY.size, None])
def test_one_copy_of_a_vocabulary_is_no_rubbish_until_it_has_its_final_name(volume: Path, size: int | None) -> None:
    known = TINY._replace(size=size)
    for number in range(3):
        (volume / f"{PREFIX}{number}").write_bytes(CONTENT if number else b"half")
    (volume / known.cache_key).write_bytes(b"wrong")
    sweep(str(volume), [OTHER, known])
    assert left_behind(volume) == [f"{PREFIX}1"]
    (volume / known.published_name).write_bytes(CONTENT)
    sweep(str(volume), [OTHER, known])
    assert not left_behind(volume)


def test_the_temporary_file_of_a_running_fill_is_kept_at_any_age(volume: Path) -> None:
    with staged_file(volume) as staged:
        os.utime(staged.path, (0, 0))
        sweep(str(volume), [TINY])
        assert left_behind(volume)
    sweep(str(volume), [TINY])
    assert names_in(volume) == []


@pytest.mark.parametrize(("age", "left"), [(3500, 1), (3700, 0)])
def test_age_decides_if_the_file_system_has_no_locks(volume: Path, refuse: Refuse, age: float, left: int) -> None:
    refuse("flock", errno.ENOLCK, fcntl)
    with staged_file(volume) as staged:
        os.utime(staged.path, (time.time() - age,) * 2)
        sweep(str(volume), [TINY])
        assert len(left_behind(volume)) == left


def test_a_link_a_fifo_or_a_directory_with_the_name_of_a_temporary_file_does_not_stop_the_removal(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume / "precious").touch()
    (volume / f"{PREFIX}link").symlink_to("precious")
    (volume / f"{PREFIX}directory").mkdir()
    os.mkfifo(volume / f"{PREFIX}fifo")
    (volume / f"{PREFIX}last").touch()
    names = names_in(volume)
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", lambda _: names)
        sweep(str(volume), [TINY])
    assert {"precious", f"{PREFIX}link", f"{PREFIX}directory"} <= set(names_in(volume))
    assert f"{PREFIX}last" not in names_in(volume)


def test_a_user_who_may_not_remove_temporary_files_leaves_them() -> None:
    with public_directory() as directory:
        (directory / f"{PREFIX}0").touch()
        directory.chmod(0o555)
        with as_nobody():
            sweep(str(directory), [TINY])
            sweep(str(directory / "none"), [TINY])
        assert left_behind(directory)
        directory.chmod(0o755)


def test_bytes_of_another_length_than_the_pinned_one_are_not_right(volume: Path) -> None:
    with staged_file(volume, TINY._replace(size=5, max_size=100)) as staged:
        staged.write(CONTENT)
        assert not staged.is_right
