from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.samples import (
    CONTENT,
    as_nobody,
    folder_for_all,
    left_behind,
    put_acl,
    settings,
    vocabulary,
    watch,
)
from tiktoken_cache_init import fill as module
from tiktoken_cache_init import supply
from tiktoken_cache_init.access import User, acl_of
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import BadSetting, NotObtained, VolumeError
from tiktoken_cache_init.fill import fill
from tiktoken_cache_init.leftovers import LAST_COPY
from tiktoken_cache_init.obtain import Attempts
from tiktoken_cache_init.outcomes import FAILED, INSTALLED, KEPT, MENDED, REPLACED, Filled
from tiktoken_cache_init.run import DeadlinePassed, Run
from tiktoken_cache_init.sources import Route, RouteFailed
from tiktoken_cache_init.staging import StagedFile
from tiktoken_cache_init.volume import Volume

PIN = vocabulary()
OTHER_CONTENT = b"QQ== 0\n"
OTHER = vocabulary(OTHER_CONTENT, "other.tiktoken")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def baked(tmp_path: Path) -> Path:
    """A folder that has both vocabularies under their cache keys."""
    folder = tmp_path / "baked"
    folder.mkdir()
    for pin, content in ((PIN, CONTENT), (OTHER, OTHER_CONTENT)):
        (folder / pin.cache_key).write_bytes(content)
    return folder


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


def filled(folder: Path, baked: Path | str, *wanted: Vocabulary, run: Run | None = None, **changes: Any) -> Filled:
    own = run or Run()
    try:
        return fill(settings(folder, *(wanted or (PIN, OTHER)), baked_dir=str(baked), **changes), own, watch)
    finally:
        own.close()
        if folder.is_dir():
            assert not left_behind(folder)


def actions(result: Filled) -> list[str]:
    return [outcome.action for outcome in result.outcomes]


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells whether anything was written."""
    return {path.name: (s.st_ino, s.st_mtime_ns, s.st_mode) for path in folder.iterdir() for s in [path.lstat()]}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class Told:
    """A source with one route, which does as it is told."""

    label = "told"
    strikes = 0

    def __init__(self, deliver: Callable[[Vocabulary, StagedFile], None]) -> None:
        self.deliver = deliver

    def routes(self, _: Vocabulary) -> Sequence[Route]:
        return [self]


def told(monkeypatch: pytest.MonkeyPatch, deliver: Callable[[Vocabulary, StagedFile], None]) -> None:
    monkeypatch.setattr(supply, "sources_of", lambda *_: [Told(deliver)])


# The contract.


def test_an_empty_volume_is_filled(volume: Path, baked: Path) -> None:
    result = filled(volume, baked)
    assert result.ready
    assert actions(result) == [INSTALLED] * 2
    assert {outcome.source for outcome in result.outcomes} == {"baked"}
    assert {path.name: path.read_bytes() for path in volume.iterdir()} == {
        PIN.cache_key: CONTENT,
        OTHER.cache_key: OTHER_CONTENT,
    }
    assert {mode_of(path) for path in volume.iterdir()} == {0o644}


def test_a_folder_that_is_not_there_is_made(tmp_path: Path, baked: Path) -> None:
    assert filled(tmp_path / "a/b", baked).ready


def test_a_second_fill_writes_nothing(volume: Path, baked: Path) -> None:
    filled(volume, baked)
    before = state(volume)
    result = filled(volume, "/nowhere")
    assert actions(result) == [KEPT] * 2
    assert state(volume) == before


@pytest.mark.parametrize(
    "spoil",
    [
        Path.touch,
        lambda path: path.write_bytes(CONTENT[:-1]),
        lambda path: path.write_bytes(CONTENT[:-2] + b"3\n"),
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to(path.name),
    ],
)
def test_whatever_has_the_name_and_is_not_right_is_replaced(
    volume: Path, baked: Path, spoil: Callable[[Path], object]
) -> None:
    (volume / OTHER.cache_key).write_bytes(OTHER_CONTENT)
    before = state(volume)
    spoil(volume / PIN.cache_key)
    result = filled(volume, baked)
    assert actions(result) == [REPLACED, KEPT]
    assert (volume / PIN.cache_key).read_bytes() == CONTENT
    assert not (volume / PIN.cache_key).is_symlink()
    assert state(volume)[OTHER.cache_key] == before[OTHER.cache_key]


def test_what_the_volume_holds_under_another_name_needs_no_source(volume: Path) -> None:
    (volume / "sub").mkdir()
    (volume / "sub/tiny (1).tiktoken").write_bytes(CONTENT)
    [outcome] = filled(volume, "/nowhere", PIN).outcomes
    assert (outcome.action, outcome.source) == (INSTALLED, "sub/tiny (1).tiktoken in the volume")
    assert (volume / "sub/tiny (1).tiktoken").exists()


def test_two_files_under_each_other_s_names_are_put_right_without_a_source(volume: Path) -> None:
    (volume / PIN.cache_key).write_bytes(OTHER_CONTENT)
    (volume / OTHER.cache_key).write_bytes(CONTENT)
    result = filled(volume, "/nowhere")
    assert result.ready, failures_of_all(result)
    assert (volume / PIN.cache_key).read_bytes() == CONTENT
    assert (volume / OTHER.cache_key).read_bytes() == OTHER_CONTENT


def test_what_would_be_nowhere_else_outlives_a_run_that_fails_between_the_two(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume / PIN.cache_key).write_bytes(OTHER_CONTENT)
    (volume / OTHER.cache_key).write_bytes(CONTENT)
    rename, installed = os.rename, list[str]()

    def once(source: str, target: str, **named: int) -> None:
        if target in (PIN.cache_key, OTHER.cache_key):
            installed.append(target)
            if len(installed) > 1:
                raise OSError(errno.EIO, "Input/output error")
        rename(source, target, **named)

    run = Run()
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", once)
        result = fill(settings(volume, PIN, OTHER), run, watch)
        run.close()
    assert isinstance(result.error, VolumeError)
    [left] = left_behind(volume)
    assert left.endswith(LAST_COPY)
    contents = {CONTENT, OTHER_CONTENT}
    assert {path.read_bytes() for path in volume.iterdir()} == contents
    assert filled(volume, "/nowhere").ready
    assert {(volume / pin.cache_key).read_bytes() for pin in (PIN, OTHER)} == contents


def failures_of_all(result: Filled) -> list[tuple[str, str]]:
    return [(failure.label, failure.reason) for outcome in result.outcomes for failure in outcome.failures]


# Sources.


def test_what_cannot_be_had_is_told_and_the_rest_is_installed(volume: Path, baked: Path) -> None:
    (baked / PIN.cache_key).unlink()
    result = filled(volume, baked)
    assert actions(result) == [FAILED, INSTALLED]
    assert isinstance(result.error, NotObtained)
    assert str(result.error).startswith("could not obtain tiny.tiktoken: ")
    assert failures_of_all(result) == [("baked", f"{baked} does not hold it")]


def test_the_next_source_is_tried_where_one_fails(volume: Path, baked: Path, tmp_path: Path) -> None:
    (baked / PIN.cache_key).write_bytes(b"wrong")
    mirror = tmp_path / "usb"
    mirror.mkdir()
    (mirror / "tiny.tiktoken").write_bytes(CONTENT)
    result = filled(volume, baked, sources=("baked", "fetch"), mirrors=(str(mirror),))
    assert result.ready
    [(label, reason)] = failures_of_all(result)
    assert label == "baked"
    assert "wrong" in reason


def test_wrong_bytes_are_installed_by_no_route(volume: Path, baked: Path) -> None:
    (baked / PIN.cache_key).write_bytes(b"x" * len(CONTENT))
    result = filled(volume, baked, PIN)
    assert actions(result) == [FAILED]
    assert not list(volume.iterdir())


def test_the_advice_of_each_failure_is_given_once(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise RouteFailed("no", advice="pull the plug")

    told(monkeypatch, fail)
    error = str(filled(volume, "/nowhere").error)
    assert error.startswith("could not obtain tiny.tiktoken, other.tiktoken: pull the plug; ")
    assert error.count("pull the plug") == 1


def test_the_deadline_ends_it_and_what_was_had_stays(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(0.5)

    def deliver(pin: Vocabulary, staged: StagedFile) -> None:
        if pin == OTHER:
            staged.write(b"QQ")
            run.sleep(60)
        staged.write(CONTENT)

    told(monkeypatch, deliver)
    result = filled(volume, "/nowhere", run=run, deadline=0.5)
    assert actions(result) == [INSTALLED, FAILED]
    assert str(result.error).startswith("could not obtain other.tiktoken (the deadline of 0.5 s passed): ")
    assert failures_of_all(result) == [("told", "2 of 7 bytes when the deadline passed")]
    assert (volume / PIN.cache_key).read_bytes() == CONTENT


def test_a_volume_that_does_not_answer_within_the_deadline_is_not_called_anything(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    monkeypatch.setattr(Volume, "inspect", lambda *_: end.wait(60))
    with pytest.raises(DeadlinePassed):
        filled(volume, "/nowhere", run=Run(0.05))
    end.set()


def test_a_setting_that_shows_to_be_bad_when_it_is_used_is_raised(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise BadSetting("no such bundle")

    told(monkeypatch, fail)
    with pytest.raises(BadSetting, match="no such bundle"):
        filled(volume, "/nowhere")


def test_progress_is_watched_while_bytes_are_awaited(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[tuple[int, str]]()
    run = Run(60)

    def look(attempts: Sequence[Attempts]) -> None:
        seen.extend((each.staged.position, each.label) for each in attempts if each.staged)

    def deliver(_: Vocabulary, staged: StagedFile) -> None:
        staged.write(CONTENT[:5])
        while not seen or not seen[-1][0]:
            run.sleep(0.01)
        staged.write(CONTENT[5:])

    told(monkeypatch, deliver)
    assert fill(settings(volume, PIN), run, look).ready
    run.close()
    assert (5, "told") in seen


def test_a_volume_that_fails_is_told_as_that(volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(*_: object) -> NoReturn:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstatvfs", stale)
        result = filled(volume, baked)
        assert isinstance(result.error, VolumeError)
        assert "Stale file handle" in str(result.error)
    monkeypatch.setattr(module, "_open_up", stale)
    with pytest.raises(VolumeError, match="Stale file handle"):
        filled(volume, baked)


# Mode and owner.


def test_a_right_file_that_not_everybody_can_read_is_mended_in_place(volume: Path) -> None:
    (volume / PIN.cache_key).write_bytes(CONTENT)
    (volume / PIN.cache_key).chmod(0o600)
    inode = (volume / PIN.cache_key).stat().st_ino
    assert actions(filled(volume, "/nowhere", PIN)) == [MENDED]
    assert mode_of(volume / PIN.cache_key) == 0o644
    assert (volume / PIN.cache_key).stat().st_ino == inode


def test_a_file_that_was_replaced_meanwhile_is_not_mended(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume / PIN.cache_key).write_bytes(CONTENT)
    (volume / PIN.cache_key).chmod(0o600)
    # What a fill does between looking and mending.
    monkeypatch.setattr(module, "_open_up", lambda *_: (volume / PIN.cache_key).write_bytes(b"other"))
    assert actions(filled(volume, baked, PIN)) == [REPLACED]
    assert (volume / PIN.cache_key).read_bytes() == CONTENT


def test_a_volume_that_keeps_no_modes_is_not_called_ready(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume / PIN.cache_key).write_bytes(CONTENT)
    (volume / PIN.cache_key).chmod(0o600)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    result = filled(volume, baked, PIN)
    assert isinstance(result.error, VolumeError)
    assert "does not keep the mode of a file, all have 0600 there" in str(result.error)
    assert str(result.error).endswith("or set TIKTOKEN_INIT_MODE=0600")
    assert (volume / PIN.cache_key).read_bytes() == CONTENT


def test_a_file_keeps_the_permissions_that_it_has_beyond_what_is_wanted(volume: Path) -> None:
    (volume / PIN.cache_key).write_bytes(CONTENT)
    (volume / PIN.cache_key).chmod(0o660)
    filled(volume, "/nowhere", PIN)
    assert mode_of(volume / PIN.cache_key) == 0o664


@ROOT_ONLY
def test_a_right_file_of_another_owner_is_mended_in_place(volume: Path) -> None:
    (volume / PIN.cache_key).write_bytes(CONTENT)
    assert actions(filled(volume, "/nowhere", PIN, owner=User(7, 8))) == [MENDED]
    status = (volume / PIN.cache_key).stat()
    assert (status.st_uid, status.st_gid) == (7, 8)
    assert actions(filled(volume, "/nowhere", PIN, owner=User(9))) == [MENDED]
    assert (volume / PIN.cache_key).stat().st_gid == 8


@ROOT_ONLY
def test_a_file_that_we_cannot_mend_is_replaced_by_a_copy_of_ours() -> None:
    with folder_for_all() as folder:
        folder.chmod(0o777)
        (folder / PIN.cache_key).write_bytes(CONTENT)
        (folder / PIN.cache_key).chmod(0o604)
        with as_nobody():
            [outcome] = filled(folder, "/nowhere", PIN, mode=0o644).outcomes
        assert (outcome.action, outcome.source) == (REPLACED, f"{PIN.cache_key} in the volume")
        assert mode_of(folder / PIN.cache_key) == 0o644


def test_a_folder_that_not_everybody_can_look_into_is_opened_up(volume: Path, baked: Path) -> None:
    volume.chmod(0o700)
    assert filled(volume, baked).ready
    assert mode_of(volume) == 0o755


def test_a_folder_keeps_the_permissions_that_it_has(volume: Path, baked: Path) -> None:
    volume.chmod(0o1777)
    filled(volume, baked)
    assert mode_of(volume) == 0o1777


@ROOT_ONLY
def test_a_folder_that_we_cannot_open_up_is_told_with_both_ways_out() -> None:
    with folder_for_all() as folder:
        folder.chmod(0o705)
        with as_nobody(), pytest.raises(VolumeError) as caught:
            filled(folder, "/nowhere", PIN)
    said = str(caught.value)
    assert f"{folder} has mode 0705, so that not every user can read in it" in said
    assert "chmod 0755 it, or set TIKTOKEN_INIT_DIR_MODE=0705" in said


# Layouts.


def test_published_names_stand_beside_the_cache_keys_as_links(volume: Path, baked: Path) -> None:
    result = filled(volume, baked, PIN, layout="both")
    assert actions(result) == [INSTALLED] * 2
    assert (volume / "tiny.tiktoken").readlink() == Path(PIN.cache_key)
    assert result.outcomes[1].source == f"a link to {PIN.cache_key}"
    before = state(volume)
    assert actions(filled(volume, "/nowhere", PIN, layout="both")) == [KEPT] * 2
    assert state(volume) == before


def test_published_names_stand_alone_if_that_is_asked_for(volume: Path, baked: Path) -> None:
    filled(volume, baked, PIN, layout="published")
    assert [path.name for path in volume.iterdir()] == ["tiny.tiktoken"]
    assert not (volume / "tiny.tiktoken").is_symlink()


def no_links(*_: object, **__: object) -> NoReturn:
    raise PermissionError(1, "Operation not permitted")


def test_where_there_are_no_links_the_second_name_is_a_copy(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "symlink", no_links)
    result = filled(volume, baked, PIN, layout="both")
    assert result.outcomes[1].source == f"a copy of {PIN.cache_key}"
    assert (volume / "tiny.tiktoken").read_bytes() == CONTENT


def test_a_copy_of_what_changed_meanwhile_is_refused(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(*_: object, **__: object) -> NoReturn:
        (volume / PIN.cache_key).write_bytes(b"changed")
        no_links()

    monkeypatch.setattr(os, "symlink", spoil)
    result = filled(volume, baked, PIN, layout="both")
    assert actions(result) == [INSTALLED, FAILED]
    assert "changed while it was read: is another program writing to it?" in str(result.error)
    assert not (volume / "tiny.tiktoken").exists()


def test_no_second_name_is_given_to_what_could_not_be_had(volume: Path) -> None:
    result = filled(volume, "/nowhere", PIN, layout="both")
    assert actions(result) == [FAILED, FAILED]
    assert str(result.error).startswith("could not obtain tiny.tiktoken: ")
    assert not list(volume.iterdir())


def test_a_right_file_under_the_published_name_serves_both_names(volume: Path) -> None:
    (volume / "tiny.tiktoken").write_bytes(CONTENT)
    assert actions(filled(volume, "/nowhere", PIN, layout="both")) == [INSTALLED, KEPT]


# A volume that is mounted read-only.


class ReadOnly:
    f_flag = os.ST_RDONLY


def test_a_read_only_volume_that_is_ready_is_ready(volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(volume, baked)
    monkeypatch.setattr(os, "fstatvfs", lambda _: ReadOnly)
    assert filled(volume, "/nowhere").ready


def test_a_read_only_volume_that_is_not_ready_is_told_with_what_it_lacks(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume / OTHER.cache_key).write_bytes(OTHER_CONTENT)
    (volume / OTHER.cache_key).chmod(0o600)
    monkeypatch.setattr(os, "fstatvfs", lambda _: ReadOnly)
    result = filled(volume, "/nowhere")
    assert isinstance(result.error, VolumeError)
    said = str(result.error)
    assert "is mounted read-only and is not ready: tiny.tiktoken (missing); other.tiktoken (not readable" in said
    assert actions(result) == [FAILED, FAILED]


def test_a_right_file_whose_list_keeps_a_user_out_is_mended(tmp_path: Path) -> None:
    file = tmp_path / PIN.cache_key
    file.write_bytes(CONTENT)
    file.chmod(0o644)
    put_acl(file, user=12345, rights=0)
    assert actions(filled(tmp_path, "/nowhere", PIN)) == [MENDED]
    assert acl_of(str(file)) == ()
    assert actions(filled(tmp_path, "/nowhere", PIN)) == [KEPT]


def test_a_folder_whose_list_keeps_a_user_out_is_told_with_what_lifts_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    put_acl(tmp_path, user=12345, rights=0)
    with pytest.raises(VolumeError, match=f"setfacl -b {tmp_path}, or set TIKTOKEN_INIT_DIR_MODE"):
        filled(tmp_path, "/nowhere", PIN)


def test_a_folder_above_is_left_as_closed_as_it_is(tmp_path: Path, baked: Path) -> None:
    # There may be more in it than vocabularies, as in a gateway's own data.
    tmp_path.chmod(0o700)
    assert actions(filled(tmp_path / "a", baked, PIN)) == [INSTALLED]
    assert tmp_path.stat().st_mode & 0o777 == 0o700
