from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from tests.samples import CONTENT, OTHER, TINY, as_nobody, left_behind, names_in, public_directory, staged_file
from tests.unit.conftest import Refuse
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.volume import sweep as module
from tiktoken_cache_init.volume.staging import PREFIX
from tiktoken_cache_init.volume.sweep import sweep


@pytest.mark.parametrize("final", [TINY.cache_key, TINY.published_name])
@pytest.mark.parametrize(
    ("catalogue", "wanted"), [((), (OTHER, TINY)), ((), (TINY._replace(size=None),)), ((OTHER, TINY), ())]
)
def test_one_copy_of_a_vocabulary_is_no_rubbish_until_it_has_its_final_name(
    volume: Path,
    monkeypatch: pytest.MonkeyPatch,
    catalogue: tuple[Vocabulary, ...],
    wanted: tuple[Vocabulary, ...],
    final: str,
) -> None:
    monkeypatch.setattr(module, "VOCABULARIES", catalogue)
    for number in range(3):
        (volume / f"{PREFIX}{number}").write_bytes(CONTENT if number else b"half")
    (volume / final).write_bytes(b"wrong")
    sweep(str(volume), wanted)
    assert left_behind(volume) == [f"{PREFIX}1"]
    (volume / final).unlink()
    (volume / final).symlink_to(f"{PREFIX}1")
    sweep(str(volume), wanted)
    assert left_behind(volume) == [f"{PREFIX}1"]
    (volume / final).unlink()
    (volume / final).write_bytes(CONTENT)
    sweep(str(volume), wanted)
    assert names_in(volume) == [final]


def test_the_temporary_file_of_a_running_fill_is_kept_at_any_age(volume: Path) -> None:
    with staged_file(volume) as staged:
        os.utime(staged.path, (0, 0))
        sweep(str(volume), [TINY])
        assert left_behind(volume)


@pytest.mark.parametrize(("age", "left"), [(3500, 1), (3700, 0)])
def test_age_decides_if_the_file_system_has_no_locks(volume: Path, refuse: Refuse, age: float, left: int) -> None:
    refuse("flock", errno.ENOLCK, fcntl)
    with staged_file(volume) as staged:
        os.utime(staged.path, (time.time() - age,) * 2)
        sweep(str(volume), [TINY])
        assert len(left_behind(volume)) == left


def test_a_link_a_fifo_or_a_directory_with_the_name_of_a_temporary_file_does_not_stop_the_removal(volume: Path) -> None:
    (volume / "precious").touch()
    (volume / f"{PREFIX}a-link").symlink_to("precious")
    (volume / f"{PREFIX}b-directory").mkdir()
    os.mkfifo(volume / f"{PREFIX}c-fifo")
    (volume / f"{PREFIX}last").touch()
    sweep(str(volume), [TINY])
    assert {"precious", f"{PREFIX}a-link", f"{PREFIX}b-directory"} <= set(names_in(volume))
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
