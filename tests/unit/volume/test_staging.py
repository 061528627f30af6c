from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from pathlib import Path

import pytest

from tests.samples import CONTENT, TINY, names_in, staged_file
from tests.unit.conftest import Refuse
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import DeadlinePassed, StorageError, VolumeError
from tiktoken_cache_init.volume.staging import TooLongError, sync


def install(directory: Path, mode: int = 0o644, owner: tuple[int, int] | None = None, name: str = "key") -> None:
    """Take a file through every step, as a fill does that starts a transfer again."""
    with staged_file(directory, TINY, 1234) as staged:
        staged.write(b"wrong")
        staged.restart()
        staged.write(CONTENT)
        assert staged.head() == CONTENT
        staged.finish(mode, owner)
        staged.install(str(directory / name))


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o400])
def test_the_old_file_stays_until_the_new_one_is_whole_and_has_its_mode_and_owner(
    volume: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    (volume / "key").write_bytes(b"old")
    with (volume / "key").open("rb") as reader, staged_file(volume) as staged:
        staged.write(CONTENT[:5])
        staged.write(CONTENT[5:])
        staged.finish(mode, None)
        assert (volume / "key").read_bytes() == b"old"
        staged.install(str(volume / "key"))
        assert reader.read() == b"old"
    assert names_in(volume) == ["key"]
    assert (volume / "key").read_bytes() == CONTENT
    assert stat.S_IMODE((volume / "key").stat().st_mode) == mode
    owners: list[tuple[int, int, bool]] = []
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: owners.append((uid, gid, (volume / "new").exists())))
    install(volume, owner=(7, -1), name="new")
    assert owners == [(7, -1, False)]


@pytest.mark.parametrize(("content", "wanted"), [(CONTENT[:-1], TINY), (CONTENT, TINY._replace(size=500)), (b"", TINY)])
def test_a_file_without_the_right_digest_and_length_is_never_installed(
    volume: Path, content: bytes, wanted: Vocabulary
) -> None:
    with staged_file(volume, wanted) as staged:
        staged.write(content)
        assert not staged.is_right
        with pytest.raises(AssertionError):
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


def test_more_bytes_than_the_vocabulary_can_have_are_not_written(volume: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        with pytest.raises(TooLongError):
            staged.write(b"x")
        assert (staged.position, staged.head()) == (len(CONTENT), CONTENT)


def test_a_short_write_is_continued(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    install(volume)
    assert (volume / "key").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("call", "number", "said"),
    [
        ("open", errno.ENOSPC, "cannot write in {}: No space left on device"),
        ("write", errno.ENOSPC, "cannot write in {}: No space left on device"),
        ("ftruncate", errno.EIO, "cannot write in {}: Input/output error"),
        ("lseek", errno.EIO, "cannot write in {}: Input/output error"),
        ("pread", errno.EIO, "cannot read {}/.tiktoken-cache-init-"),
        ("fchmod", errno.EIO, "cannot write in {}: Input/output error"),
        ("fchown", errno.EPERM, "cannot give the files to 7:8: "),
        ("fsync", errno.ENOSPC, "cannot write in {}: No space left on device"),
        ("rename", errno.ENOSPC, "cannot install {}/key: No space left on device"),
    ],
)
def test_a_system_call_that_fails_is_an_error_and_leaves_nothing(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, call: str, number: int, said: str
) -> None:
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    refuse(call, number)
    with pytest.raises(VolumeError) as raised:
        install(volume, 0o664, (7, 8))
    assert str(raised.value).startswith(said.format(volume))
    if number == errno.ENOSPC:
        assert isinstance(raised.value, StorageError)
        assert raised.value.needed == 1234
    assert names_in(volume) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EIO])
def test_storage_without_sync_is_enough_and_storage_that_fails_to_sync_is_not(
    volume: Path, refuse: Refuse, number: int
) -> None:
    refuse("fsync", number)
    if number == errno.EIO:
        with pytest.raises(VolumeError, match=f"^cannot sync {volume}: Input/output error$"):
            sync(str(volume))
    else:
        install(volume)
        sync(str(volume))
        assert names_in(volume) == ["key"]


# A directory under the name.


def test_an_empty_directory_under_the_name_is_replaced_and_one_with_content_is_an_error(volume: Path) -> None:
    (volume / "key").mkdir()
    install(volume)
    assert (volume / "key").read_bytes() == CONTENT
    (volume / "key").unlink()
    (volume / "key").mkdir()
    (volume / "key/precious").touch()
    with pytest.raises(StorageError, match=f"^cannot install {volume}/key: Directory not empty$"):
        install(volume)
    assert names_in(volume) == ["key"]
    assert names_in(volume / "key") == ["precious"]


# The temporary file.


def test_a_temporary_file_that_another_run_removes_before_its_lock_is_made_again(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def flock(fd: int, _: int) -> None:
        if len(removed) < 2:
            [name] = names_in(volume)
            removed.append(name)
            (volume / name).unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    before = len(names_in(Path("/dev/fd")))
    install(volume)
    sync(str(volume))
    assert names_in(volume) == ["key"]
    assert len(names_in(Path("/dev/fd"))) == before
