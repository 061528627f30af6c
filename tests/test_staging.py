from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, left_behind, staging, vocabulary
from tiktoken_cache_init.access import User
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.findings import Target
from tiktoken_cache_init.leftovers import LAST_COPY
from tiktoken_cache_init.run import Closed, Run
from tiktoken_cache_init.staging import TooLong, move_aside

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
PIN = vocabulary()
TARGET = Target(PIN, "key")
BESIDE = Target(PIN, "published", "key")


def refuse(number: int) -> Callable[..., NoReturn]:
    def call(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return call


# From bytes to a file.


def test_the_right_bytes_are_installed_with_mode_and_nothing_else_is_left(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT[:5])
        staged.write(memoryview(CONTENT)[5:])
        staged.install(TARGET)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").read_bytes() == CONTENT
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o644


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with staging(tmp_path) as (_, staged):
            staged.write(CONTENT)
            staged.install(TARGET)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o644


def test_an_unfinished_file_is_nobody_s_business(tmp_path: Path) -> None:
    with staging(tmp_path):
        [name] = left_behind(tmp_path)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_what_was_there_before_is_there_until_the_new_file_is(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"old")
    reader = (tmp_path / "key").open("rb")
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        assert (tmp_path / "key").read_bytes() == b"old"
        staged.install(TARGET)
    assert (tmp_path / "key").read_bytes() == CONTENT
    assert reader.read() == b"old"
    reader.close()


def test_bytes_that_were_not_checked_are_never_installed(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT[:-1])
        with pytest.raises(AssertionError):
            staged.install(TARGET)
    assert not list(tmp_path.iterdir())


def test_a_file_that_somebody_cut_short_is_not_installed(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        [name] = left_behind(tmp_path)
        os.truncate(tmp_path / name, 3)
        with pytest.raises(VolumeError, match="the file has not the length that was written"):
            staged.install(TARGET)
    assert not list(tmp_path.iterdir())


def test_more_bytes_than_the_vocabulary_can_have_are_not_written(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        with pytest.raises(TooLong):
            staged.write(b"x")
        assert (staged.position, staged.beginning()) == (len(CONTENT), CONTENT)


def test_what_was_written_can_be_thrown_away(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.restart()
        assert (staged.restarts, staged.position) == (1, 0)
        staged.write(b"wrong")
        staged.restart()
        assert (staged.restarts, staged.position, staged.beginning()) == (2, 0, b"")
        staged.write(CONTENT)
        assert staged.is_right()


def test_bytes_are_copied_from_a_descriptor(tmp_path: Path) -> None:
    long = b"0123456789" * 100_000
    (tmp_path / "from").write_bytes(long)
    with staging(tmp_path, vocabulary(long)) as (_, staged):
        fd = os.open(tmp_path / "from", os.O_RDONLY)
        staged.copy(fd)
        os.close(fd)
        assert staged.is_right()


@pytest.mark.parametrize(("call", "doing"), [("write", "write in"), ("fsync", "install"), ("rename", "install")])
def test_a_full_disk_is_told_with_what_was_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, doing: str
) -> None:
    with staging(tmp_path) as (stage, staged):
        stage.needed = 1234
        if call != "write":
            staged.write(CONTENT)
        monkeypatch.setattr(os, call, refuse(errno.ENOSPC))
        with pytest.raises(VolumeError, match=f"cannot {doing} .*: No space left on device: 1,234 bytes are needed"):
            staged.write(CONTENT) if call == "write" else staged.install(TARGET)
        monkeypatch.undo()
    assert not list(tmp_path.iterdir())


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        assert staged.is_right()
        assert staged.beginning() == CONTENT


@pytest.mark.parametrize("call", ["ftruncate", "lseek"])
def test_a_volume_that_cannot_throw_away_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        monkeypatch.setattr(os, call, refuse(errno.EIO))
        with pytest.raises(VolumeError, match="Input/output error"):
            staged.restart()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_volume_that_offers_no_sync_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with staging(tmp_path) as (stage, staged):
        staged.write(CONTENT)
        monkeypatch.setattr(os, "fsync", refuse(number))
        staged.install(TARGET)
        stage.sync()
    assert (tmp_path / "key").exists()


def test_a_volume_that_fails_to_sync_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with staging(tmp_path) as (stage, _):
        monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
        with pytest.raises(VolumeError, match="cannot sync"):
            stage.sync()


# Mode and owner.


def test_a_file_system_with_one_mode_for_all_files_will_do_if_that_mode_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with staging(tmp_path) as (stage, staged):
        staged.write(CONTENT)
        monkeypatch.setattr(os, "fchmod", refuse(errno.EPERM))
        stage.mode = 0o644
        with pytest.raises(VolumeError, match=r"all have 0600 there: .* or set TIKTOKEN_INIT_MODE=0600"):
            staged.install(TARGET)
        stage.mode = 0o600
        staged.install(TARGET)


@ROOT_ONLY
def test_a_file_gets_its_owner_before_it_is_in_place(tmp_path: Path) -> None:
    for owner, ids in ((User(7, 8), (7, 8)), (User(9), (9, tmp_path.stat().st_gid))):
        with staging(tmp_path) as (stage, staged):
            stage.owner = owner
            staged.write(CONTENT)
            staged.install(TARGET)
        status = (tmp_path / "key").stat()
        assert (status.st_uid, status.st_gid) == ids


@pytest.mark.parametrize(("owner", "text"), [(User(0, 0), "0:0"), (User(1), "1")])
def test_who_cannot_give_files_away_is_told_how_to(owner: User, text: str) -> None:
    with folder_for_all() as folder:
        folder.chmod(0o777)
        with as_nobody(), staging(folder) as (stage, staged):
            stage.owner = owner
            staged.write(CONTENT)
            with pytest.raises(VolumeError) as caught:
                staged.install(TARGET)
        assert not list(folder.iterdir())
    assert str(caught.value).startswith(f"cannot give the files to {text}: Operation not permitted")
    assert "cap_add: [CHOWN]" in str(caught.value)
    assert f'user: "{text}"' in str(caught.value)


def test_who_may_not_write_is_told_who_may() -> None:
    with folder_for_all() as folder:
        folder.chmod(0o555)
        match = r"cannot write in .*: Permission denied: we are"
        with as_nobody(), pytest.raises(VolumeError, match=match), staging(folder):
            pass


# What stands in the way.


def test_a_directory_under_the_name_is_moved_aside_with_all_that_is_in_it(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / "key").unlink(missing_ok=True)
        (tmp_path / "key").mkdir()
        (tmp_path / "key/precious").touch()
        with staging(tmp_path) as (_, staged):
            staged.write(CONTENT)
            staged.install(TARGET)
        assert (tmp_path / "key").read_bytes() == CONTENT
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("precious")) == [
        "key.moved-aside-1/precious",
        "key.moved-aside-2/precious",
    ]


def test_a_file_that_came_in_the_meantime_is_not_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(CONTENT)
    fd = os.open(tmp_path, os.O_RDONLY)
    move_aside(fd, "key")
    os.close(fd)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_there_is_an_end_to_moving_aside(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    for number in range(1, 1000):
        (tmp_path / f"key.moved-aside-{number}").touch()
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        with pytest.raises(VolumeError, match="too many directories were moved aside already"):
            staged.install(TARGET)


def test_a_directory_that_keeps_coming_back_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def busy(source: str, target: str, **named: int) -> None:
        if target == "key":
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        rename(source, target, **named)
        (tmp_path / "key").mkdir()

    (tmp_path / "key").mkdir()
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        monkeypatch.setattr(os, "rename", busy)
        with pytest.raises(VolumeError, match="cannot install"):
            staged.install(TARGET)
    assert not left_behind(tmp_path)


def test_a_file_that_another_machine_s_sweeper_took_is_written_again(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        [name] = left_behind(tmp_path)
        (tmp_path / name).unlink()
        staged.install(TARGET)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").read_bytes() == CONTENT


def sweeping(folder: Path) -> Callable[..., NoReturn]:
    """Return a rename that always comes too late."""

    def rename(source: str, *_: object, **__: object) -> NoReturn:
        (folder / source).unlink()
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    return rename


def test_a_sweeper_that_never_rests_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        monkeypatch.setattr(os, "rename", sweeping(tmp_path))
        with pytest.raises(VolumeError, match="cannot install"):
            staged.install(TARGET)
    assert not list(tmp_path.iterdir())


# Links.


def test_a_link_takes_the_place_of_a_second_copy(tmp_path: Path) -> None:
    with staging(tmp_path) as (stage, _):
        assert stage.link(BESIDE)
    assert (tmp_path / "published").readlink() == Path("key")
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("x")])
def test_a_link_replaces_what_has_its_name(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "published")
    with staging(tmp_path) as (stage, _):
        assert stage.link(BESIDE)
    assert (tmp_path / "published").readlink() == Path("key")
    assert (tmp_path / "published.moved-aside-1").is_dir() == (make is Path.mkdir)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS])
def test_a_volume_without_links_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "symlink", refuse(number))
    with staging(tmp_path) as (stage, _):
        assert not stage.link(BESIDE)


@pytest.mark.parametrize("call", ["symlink", "rename"])
def test_a_link_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    with staging(tmp_path) as (stage, staged):
        staged.discard()
        monkeypatch.setattr(os, call, refuse(errno.ENOSPC))
        with pytest.raises(VolumeError, match=r"cannot install .*/published"):
            stage.link(BESIDE)
    assert not list(tmp_path.iterdir())


def test_a_link_that_is_always_swept_is_given_up_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "rename", sweeping(tmp_path))
    with staging(tmp_path) as (stage, _):
        assert not stage.link(BESIDE)


# The end of a run.


def test_the_end_of_the_run_takes_every_unfinished_file_along(tmp_path: Path) -> None:
    run = Run()
    with staging(tmp_path, run=run) as (stage, staged):
        other = stage.new(PIN)
        other.write(CONTENT)
        assert len(left_behind(tmp_path)) == 2
        run.close()
        assert not left_behind(tmp_path)
        # A worker that has not noticed yet does no harm.
        staged.write(CONTENT)
        for late in (staged, other):
            with pytest.raises(Closed):
                late.install(TARGET)
            late.discard()
        with pytest.raises(Closed):
            stage.new(PIN)
        with pytest.raises(Closed):
            stage.link(BESIDE)
    assert not list(tmp_path.iterdir())


def test_a_file_is_discarded_once(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.discard()
        staged.discard()
        assert not list(tmp_path.iterdir())


def test_a_last_copy_outlives_its_run(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        staged.outlive()
    [name] = left_behind(tmp_path)
    assert name.endswith(LAST_COPY)
    assert (tmp_path / name).read_bytes() == CONTENT


def test_a_last_copy_is_installed_like_any_other_file(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        staged.outlive()
        staged.install(TARGET)
        staged.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_last_copy_that_is_none_any_more_goes_with_its_run(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        staged.outlive()
        staged.last_copy = False
        staged.discard()
    assert not list(tmp_path.iterdir())


def test_a_last_copy_is_synced_before_it_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse(errno.EIO))
            with pytest.raises(VolumeError, match=r"cannot write in .*: Input/output error"):
                staged.outlive()
        assert not staged.last_copy
    assert not list(tmp_path.iterdir())


def test_a_last_copy_that_another_machine_s_sweeper_took_is_written_again(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        [name] = left_behind(tmp_path)
        (tmp_path / name).unlink()
        staged.outlive()
    [name] = left_behind(tmp_path)
    assert name.endswith(LAST_COPY)
    assert (tmp_path / name).read_bytes() == CONTENT


def test_nothing_outlives_a_run_that_is_over(tmp_path: Path) -> None:
    run = Run()
    with staging(tmp_path, run=run) as (_, staged):
        staged.write(CONTENT)
        run.close()
        with pytest.raises(Closed):
            staged.outlive()
    assert not list(tmp_path.iterdir())


# Locks.


def test_where_locks_do_not_work_a_file_is_still_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    with staging(tmp_path) as (_, staged):
        staged.write(CONTENT)
        staged.install(TARGET)


def test_the_lock_is_the_writer_s_for_as_long_as_it_lives(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        [name] = left_behind(tmp_path)
        fd = os.open(tmp_path / name, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        staged.discard()
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
