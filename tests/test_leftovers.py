from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, settings, staging
from tiktoken_cache_init import leftovers as module
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.findings import Target
from tiktoken_cache_init.leftovers import LAST_COPY, PREFIX, sweep, temporary_name
from tiktoken_cache_init.volume import open_volume


def refuse(number: int) -> Callable[..., NoReturn]:
    def call(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return call


def put(folder: Path, name: str, age: float = 0.0) -> Path:
    path = folder / name
    path.write_bytes(b"x")
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    return path


def swept(folder: Path, spare: Collection[str] = ()) -> set[str]:
    """Return the names that are left once a run has swept."""
    volume = open_volume(settings(folder), create=False)
    sweep(volume, spare)
    os.close(volume.fd)
    return {path.name for path in folder.iterdir()}


def test_what_a_dead_run_under_this_kernel_left_is_swept(tmp_path: Path) -> None:
    put(tmp_path, temporary_name())
    assert swept(tmp_path) == set()


def test_what_a_living_run_writes_is_left_alone(tmp_path: Path) -> None:
    with staging(tmp_path) as (_, staged):
        assert len(swept(tmp_path)) == 1
        staged.write(CONTENT)
        staged.install(Target(staged.vocabulary, "key"))
    assert swept(tmp_path) == {"key"}


def test_what_a_living_run_writes_for_hours_is_left_alone(tmp_path: Path) -> None:
    with staging(tmp_path):
        [path] = tmp_path.iterdir()
        os.utime(path, (0, 0))
        assert swept(tmp_path) == {path.name}


@pytest.mark.parametrize(("age", "left"), [(60.0, 1), (2 * 3600.0, 0)])
def test_what_another_machine_s_run_writes_is_swept_when_it_is_old(tmp_path: Path, age: float, left: int) -> None:
    put(tmp_path, f"{PREFIX}ffffffff-0123", age)
    assert len(swept(tmp_path)) == left


def test_where_the_kernel_tells_no_boot_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOOT_ID", str(tmp_path / "none"))
    put(tmp_path, f"{PREFIX}-new")
    put(tmp_path, f"{PREFIX}-old", 2 * 3600.0)
    assert swept(tmp_path) == {f"{PREFIX}-new"}


def vocab_bpe(vocabularies: Path) -> tuple[Vocabulary, bytes]:
    pin = next(known for known in VOCABULARIES if known.published_name == "vocab.bpe")
    return pin, (vocabularies / pin.cache_key).read_bytes()


@pytest.mark.parametrize("name", ["cache_key", "published_name"])
def test_a_last_copy_is_kept_until_its_vocabulary_is_in_its_place(
    tmp_path: Path, vocabularies: Path, name: str
) -> None:
    pin, content = vocab_bpe(vocabularies)
    copy = f"{temporary_name()}{LAST_COPY}"
    (tmp_path / copy).write_bytes(content)
    assert swept(tmp_path) == {copy}
    (tmp_path / getattr(pin, name)).write_bytes(content)
    assert swept(tmp_path) == {getattr(pin, name)}


def test_a_last_copy_is_not_taken_for_needless_by_the_length_of_what_is_in_its_place(
    tmp_path: Path, vocabularies: Path
) -> None:
    known, content = vocab_bpe(vocabularies)
    copy = tmp_path / f"{temporary_name()}{LAST_COPY}"
    copy.write_bytes(content)
    (tmp_path / known.cache_key).write_bytes(bytes(len(content)))
    swept(tmp_path)
    assert copy.exists()
    (tmp_path / known.cache_key).write_bytes(content)
    swept(tmp_path)
    assert not copy.exists()


def test_a_whole_file_that_was_on_its_way_when_its_run_died_is_swept(tmp_path: Path, vocabularies: Path) -> None:
    """It can be had again from where it came, and if nobody asks for it, it would stay for ever."""
    (tmp_path / temporary_name()).write_bytes(vocab_bpe(vocabularies)[1])
    assert swept(tmp_path) == set()


@pytest.mark.parametrize("spoil", [lambda content: b"x" * len(content), lambda content: content[:-1]])
def test_wrong_bytes_are_nobody_s_last_copy(
    tmp_path: Path, vocabularies: Path, spoil: Callable[[bytes], bytes]
) -> None:
    (tmp_path / f"{temporary_name()}{LAST_COPY}").write_bytes(spoil(vocab_bpe(vocabularies)[1]))
    assert swept(tmp_path) == set()


def test_what_is_still_of_use_is_spared(tmp_path: Path) -> None:
    names = {temporary_name(), temporary_name()}
    for name in names:
        put(tmp_path, name)
    assert swept(tmp_path, spare=names) == names


def test_where_locks_do_not_work_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    young, old = temporary_name(), temporary_name()
    put(tmp_path, young)
    put(tmp_path, old, 2 * 3600.0)
    assert swept(tmp_path) == {young}


def test_a_link_on_its_way_is_swept(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}x").symlink_to("/etc/passwd")
    assert swept(tmp_path) == set()


def test_what_we_do_not_make_is_never_swept(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}folder").mkdir()
    os.utime(tmp_path / f"{PREFIX}folder", (0, 0))
    os.mkfifo(tmp_path / f"{PREFIX}pipe")
    names = {"key", "key.tmp", ".hidden", "tiktoken-cache-init-x", ".tiktoken-cache-ini"}
    for name in names:
        put(tmp_path, name, 1e6)
    assert swept(tmp_path) == names | {f"{PREFIX}folder", f"{PREFIX}pipe"}


def test_who_may_not_remove_leaves_it_to_one_who_may() -> None:
    with folder_for_all() as folder:
        names = {temporary_name(), f"{PREFIX}ffffffff-0123"}
        for name in names:
            put(folder, name, 2 * 3600.0)
        folder.chmod(0o555)
        with as_nobody():
            assert swept(folder) == names


def test_a_volume_that_cannot_be_listed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", refuse(errno.EIO))
    with pytest.raises(VolumeError, match="cannot list"):
        swept(tmp_path)
