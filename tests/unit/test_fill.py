from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.samples import (
    CONTENT,
    OTHER,
    OTHER_CONTENT,
    TINY,
    as_nobody,
    left_behind,
    names_in,
    not_mounted,
    process_state,
    public_directory,
    published,
    settings,
    vocabulary,
)
from tests.unit.conftest import Refuse
from tiktoken_cache_init import fill as module
from tiktoken_cache_init import interrupts, sources
from tiktoken_cache_init.advice import advised
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import (
    DeadlinePassed,
    ReadOnlyError,
    SettingError,
    Stopped,
    VolumeError,
)
from tiktoken_cache_init.fill import Action, Filled, fill
from tiktoken_cache_init.sources import Delivery, SourceError
from tiktoken_cache_init.volume.staging import PREFIX, StagedFile


def watch(_: object) -> None:
    """Ignore the progress."""


def filled(directory: Path, *wanted: Vocabulary, **changes: Any) -> Filled:
    result = fill(settings(directory, *(wanted or (TINY, OTHER)), **changes), watch)
    assert not left_behind(directory)
    return result


def actions(result: Filled) -> list[Action]:
    return [outcome.action for outcome in result.outcomes]


def failures(result: Filled) -> list[tuple[str, str]]:
    return [(failure.label, failure.reason) for outcome in result.outcomes for failure in outcome.failures]


def state(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Return for each name the values that change with any write."""
    return {path.name: (s.st_ino, s.st_mtime_ns, s.st_mode) for path in directory.iterdir() for s in [path.lstat()]}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def supply_by(monkeypatch: pytest.MonkeyPatch, told: Mapping[Vocabulary, bytes | BaseException]) -> None:
    """Replace every source except the volume itself by a table: the bytes of a vocabulary, or the error for it."""

    def supply(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            with delivery.attempt("told"):
                result = told[delivery.vocabulary]
                if isinstance(result, BaseException):
                    raise result
                delivery.staged.write(result)

    load = sources._load
    monkeypatch.setattr(sources, "_load", lambda name, *rest: load(name, *rest) if name == "volume" else supply)


RIGHT = {TINY.cache_key: CONTENT, OTHER.cache_key: OTHER_CONTENT}


# The contract.


@pytest.mark.parametrize(
    ("layout", "names"),
    [("both", [TINY.cache_key, "tiny.tiktoken"]), ("published", ["tiny.tiktoken"]), ("cache", [TINY.cache_key])],
)
def test_each_name_gets_its_own_file_and_a_second_fill_writes_nothing(
    volume: Path, baked: Path, layout: str, names: list[str]
) -> None:
    result = filled(volume, TINY, layout=layout)
    assert (result.error, actions(result)) == (None, [Action.INSTALLED] * len(names))
    assert {outcome.source for outcome in result.outcomes} == {"baked"}
    assert contents(volume) == dict.fromkeys(names, CONTENT)
    assert {stat.S_IMODE(path.lstat().st_mode) for path in volume.iterdir()} == {0o644}
    before = state(volume)
    result = filled(volume, TINY, layout=layout)
    assert (result.error, actions(result)) == (None, [Action.KEPT] * len(names))
    assert state(volume) == before


def test_a_directory_with_content_under_a_name_is_an_error_that_says_what_to_do(volume: Path, baked: Path) -> None:
    (volume / TINY.cache_key).write_bytes(OTHER_CONTENT)
    (volume / OTHER.cache_key).mkdir()
    (volume / OTHER.cache_key / "precious").touch()
    result = filled(volume)
    assert str(result.error) == (
        f"{volume}/{OTHER.cache_key} is a directory with content: move or remove it, then run again"
    )
    assert actions(result) == [Action.FAILED] * 2
    assert (volume / TINY.cache_key).read_bytes() == OTHER_CONTENT
    (volume / OTHER.cache_key / "precious").unlink()
    assert actions(filled(volume)) == [Action.REPLACED] * 2


def swap(directory: Path) -> None:
    (directory / TINY.cache_key).write_bytes(OTHER_CONTENT)
    (directory / OTHER.cache_key).write_bytes(CONTENT)


@pytest.mark.parametrize("succeed", [0, 1])
def test_the_last_copies_survive_if_a_rename_fails(volume: Path, monkeypatch: pytest.MonkeyPatch, succeed: int) -> None:
    swap(volume)
    rename, renamed = os.rename, list[str]()

    def fail(source: str, target: str) -> None:
        renamed.append(target)
        if len(renamed) > succeed:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail)
        result = fill(settings(volume, TINY, OTHER), watch)
    assert isinstance(result.error, VolumeError)
    assert actions(result) == [*[Action.REPLACED] * succeed, *[Action.FAILED] * (2 - succeed)]
    assert set(contents(volume).values()) == {CONTENT, OTHER_CONTENT}
    # Only after the first rename, a temporary file is the last copy.
    assert len(left_behind(volume)) == succeed
    assert filled(volume).error is None
    assert contents(volume) == RIGHT


def test_every_file_is_synced_before_the_first_rename_and_the_directory_after_the_last(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    rename, fsync = os.rename, os.fsync

    def recorded_rename(source: str, target: str) -> None:
        steps.append("rename")
        rename(source, target)

    def recorded_fsync(fd: int) -> None:
        steps.append("sync directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    monkeypatch.setattr(os, "rename", recorded_rename)
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    filled(volume)
    assert steps == [*["sync file"] * 2, *["rename"] * 2, "sync directory"]


@pytest.mark.parametrize(
    ("mode", "content", "kept"),
    [
        (0, OTHER_CONTENT, True),
        (0, b"x" * len(OTHER_CONTENT), True),
        (0, CONTENT, False),
        (0, b"", False),
        (0o644, OTHER_CONTENT, True),
        (0o644, b"x" * len(OTHER_CONTENT), False),
    ],
)
def test_a_file_that_may_be_the_only_copy_of_a_vocabulary_that_failed_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch, refuse: Refuse, mode: int, content: bytes, kept: bool
) -> None:
    with public_directory() as volume:
        volume.chmod(0o777)
        file = volume / TINY.cache_key
        file.write_bytes(content)
        file.chmod(mode)
        supply_by(monkeypatch, {TINY: CONTENT, OTHER: SourceError("no")})
        refuse("chmod", errno.EPERM)
        monkeypatch.setattr("tiktoken_cache_init.sources.files.from_volume", lambda *_: None)
        with as_nobody():
            result = filled(volume)
        assert actions(result) == [Action.FAILED if kept else Action.REPLACED, Action.FAILED]
        assert (file.stat().st_size == len(content)) is (kept or content == CONTENT)
        advice = f"{'move away' if mode else 'run fill as a user who can read'} {TINY.cache_key}"
        reason = "it is not replaced, because it may be the only copy of other.tiktoken"
        assert ((TINY.cache_key, reason) in failures(result)) is kept
        assert str(result.error).startswith("could not obtain ")
        assert (advice in str(result.error)) is kept


def test_a_file_that_is_not_replaced_keeps_others_from_being_replaced(
    monkeypatch: pytest.MonkeyPatch, refuse: Refuse
) -> None:
    third = vocabulary(b"third", "third.tiktoken")
    supply_by(monkeypatch, {TINY: CONTENT, OTHER: SourceError("no"), third: b"third"})
    with public_directory() as volume:
        volume.chmod(0o777)
        (volume / TINY.cache_key).write_bytes(OTHER_CONTENT)
        (volume / TINY.cache_key).chmod(0)
        (volume / third.cache_key).write_bytes(CONTENT)
        # An ordinary user owns the file, and would make it readable.
        refuse("chmod", errno.EPERM)
        with as_nobody():
            result = filled(volume, third, TINY, OTHER)
        assert actions(result) == [Action.FAILED] * 3
        assert "may be the only copy of tiny.tiktoken" in failures(result)[0][1]
        assert (volume / third.cache_key).read_bytes() == CONTENT


@pytest.mark.parametrize("spoil", [b"", OTHER_CONTENT])
def test_a_temporary_file_of_a_killed_run_is_used_and_then_removed(volume: Path, spoil: bytes) -> None:
    (volume / TINY.cache_key).write_bytes(spoil)
    (volume / f"{PREFIX}0123").write_bytes(CONTENT)
    [outcome] = filled(volume, TINY).outcomes
    assert outcome.source == f"{PREFIX}0123 in the volume"
    assert contents(volume) == {TINY.cache_key: CONTENT}


# Sources.


@pytest.mark.parametrize(("advice", "first"), [("pull the plug", "pull the plug; or "), ("", "")])
def test_the_advice_of_each_failure_is_given_once(
    volume: Path, monkeypatch: pytest.MonkeyPatch, advice: str, first: str
) -> None:
    supply_by(monkeypatch, dict.fromkeys((TINY, OTHER), SourceError("no", advice=advice)))
    assert str(filled(volume).error) == (
        f"could not obtain tiny.tiktoken, other.tiktoken: {first}set TIKTOKEN_INIT_MIRRORS to a mirror or a "
        "directory that holds the files; or build an image that holds them"
    )


@pytest.mark.parametrize(
    ("name", "source", "passes", "pauses"),
    [(TINY.cache_key, "another run", 1, 1), ("x", "x in the volume", 2, 1), ("x", "", 5, 5), ("", "", 1, 1)],
)
def test_bytes_that_another_run_writes_meanwhile_are_found(
    volume: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str, passes: int, pauses: int
) -> None:
    supply, calls, slept = sources.supply, list[int](), list[float]()

    def meanwhile(*arguments: Any) -> None:
        _, chosen, end, called = arguments
        assert (called, round(end - time.monotonic(), -1)) == (watch, chosen.deadline)
        calls.append(len(calls))
        if len(calls) > 1 and source:
            supply(*arguments)
        elif name:
            (volume / name).write_bytes(CONTENT)
            (volume / name).chmod(0o644)

    monkeypatch.setattr(sources, "supply", meanwhile)
    monkeypatch.setattr("time.sleep", slept.append)
    [outcome] = filled(volume, TINY).outcomes
    assert (outcome.action, outcome.source) == (Action.INSTALLED if source else Action.FAILED, source)
    assert (len(calls), slept) == (passes, [0.1] * pauses)


# Deadline and signals.


@pytest.mark.parametrize("step", ["finish", "install", "discard"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM])
def test_a_signal_or_the_deadline_does_not_interrupt_the_install(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: signal.Signals
) -> None:
    real = getattr(StagedFile, step)

    def interrupted(self: StagedFile, *arguments: Any) -> Any:
        signal.raise_signal(number)
        return real(self, *arguments)

    swap(volume)
    monkeypatch.setattr(StagedFile, step, interrupted)
    with process_state():
        interrupts.listen()
        if number == signal.SIGTERM:
            with pytest.raises(Stopped):
                filled(volume)
        else:
            result = filled(volume)
            assert (result.error, actions(result)) == (None, [Action.REPLACED] * 2)
    assert contents(volume) == RIGHT


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (
            DeadlinePassed(),
            "could not obtain other.tiktoken (the deadline of 0.5 s passed): increase TIKTOKEN_INIT_DEAD",
        ),
        (SettingError("no such bundle"), "no such bundle"),
        (VolumeError("no such disk"), "no such disk"),
        (Stopped(signal.SIGTERM), ""),
    ],
)
def test_files_that_are_right_are_installed_whatever_ends_the_staging(
    volume: Path, monkeypatch: pytest.MonkeyPatch, ended: BaseException, said: str
) -> None:
    supply_by(monkeypatch, {TINY: CONTENT, OTHER: ended})
    with pytest.raises(Stopped) if not said else contextlib.nullcontext():
        result = filled(volume, deadline=0.5)
        assert actions(result) == [Action.INSTALLED, Action.FAILED]
        assert str(result.error).startswith(said)
    assert contents(volume) == {TINY.cache_key: CONTENT}


def test_a_deadline_that_passes_before_a_source_is_tried_is_reported_with_its_setting(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep(*_: Any) -> None:
        raise DeadlinePassed

    monkeypatch.setattr(module, "sweep", sweep)
    said = "(the deadline of 0.5 s passed): increase TIKTOKEN_INIT_DEADLINE; or set TIKTOKEN_INIT_MIRRORS"
    assert said in str(filled(volume, deadline=0.5).error)


def test_the_deadline_during_the_last_sweep_is_ignored(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep(*_: Any, **options: Any) -> None:
        if contents(volume) == RIGHT:
            raise DeadlinePassed

    monkeypatch.setattr(module, "sweep", sweep)
    assert filled(volume).error is None


def test_the_deadline_does_not_pass_after_the_work(volume: Path, baked: Path) -> None:
    signal.setitimer(signal.ITIMER_REAL, 100)
    filled(volume)
    assert signal.setitimer(signal.ITIMER_REAL, 0) == (0, 0)


# Errors.


def test_a_full_disk_leaves_the_files_that_were_there(volume: Path, baked: Path, refuse: Refuse) -> None:
    (volume / TINY.cache_key).write_bytes(b"old")
    refuse("write", errno.ENOSPC)
    result = filled(volume, TINY, OTHER, vocabulary(name="private.tiktoken", size=None))
    assert isinstance(result.error, VolumeError)
    assert f"free at least {len(CONTENT) + len(OTHER_CONTENT)} bytes" in str(result.error and advised(result.error))
    assert actions(result) == [Action.FAILED] * 3
    assert contents(volume) == {TINY.cache_key: b"old"}


def test_a_directory_of_the_image_without_a_mount_is_not_filled(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda: True)
    monkeypatch.setattr(module, "require_mount", not_mounted)
    with pytest.raises(VolumeError, match=f"nothing is mounted at {volume}"):
        filled(volume)
    assert not names_in(volume)
    monkeypatch.setattr(module, "require_mount", lambda _: None)
    assert filled(volume).error is None


class ReadOnly:
    f_flag = os.ST_RDONLY


def test_a_read_only_directory_is_ready_or_reported_with_what_it_lacks(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(volume)
    monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly)
    assert filled(volume).error is None
    (volume / TINY.cache_key).unlink()
    (volume / OTHER.cache_key).chmod(0o600)
    result = filled(volume)
    assert isinstance(result.error, ReadOnlyError)
    assert str(result.error) == (
        f"{volume} is mounted read-only and is not ready: tiny.tiktoken (missing); other.tiktoken (right, but not "
        "readable by every user (mode 0600))"
    )
    assert actions(result) == [Action.FAILED] * 2


# Mode and owner.


@pytest.mark.parametrize(("before", "after"), [(0o620, 0o664), (0, 0o644)])
def test_a_right_file_that_not_every_user_can_read_is_repaired_in_place(before: int, after: int) -> None:
    with public_directory() as volume, as_nobody(volume):
        file = volume / TINY.cache_key
        file.write_bytes(CONTENT)
        file.chmod(before)
        inode = file.stat().st_ino
        result = filled(volume, TINY)
        assert actions(result) == [Action.REPAIRED]
        assert (file.stat().st_ino, stat.S_IMODE(file.stat().st_mode)) == (inode, after)


@pytest.mark.parametrize("ignored", [False, True])
def test_storage_that_does_not_change_modes_is_enough_if_new_files_get_theirs(
    volume: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, ignored: bool
) -> None:
    volume.chmod(0o775)
    (volume / TINY.cache_key).write_bytes(CONTENT)
    (volume / TINY.cache_key).chmod(0o600)
    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, lambda *_: None) if ignored else refuse(name, errno.EPERM)
    with monkeypatch.context() as patch:
        made = os.open
        patch.setattr(os, "open", lambda path, flags, mode=0o777: made(path, flags, mode & 0o600))
        result = filled(volume, TINY)
        assert "does not keep permissions: everything has mode 0600, but 0644 is needed" in str(result.error)
        assert (volume / TINY.cache_key).read_bytes() == CONTENT
    with process_state():
        os.umask(0o077)
        mode = 0o664 if ignored else 0o775
        [outcome] = filled(volume, TINY, mode=mode).outcomes
        assert os.umask(0o077) == 0o077
    assert (outcome.action, outcome.source) == (Action.REPLACED, f"{TINY.cache_key} in the volume")
    assert stat.S_IMODE((volume / TINY.cache_key).stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_a_closed_directory_of_this_user_is_opened(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    supply_by(monkeypatch, {TINY: CONTENT})
    with public_directory() as above, as_nobody(above):
        volume = above / "volume"
        volume.mkdir(mode)
        assert filled(volume, TINY).error is None
        assert stat.S_IMODE(volume.stat().st_mode) == 0o755
        volume.chmod(0o555)
        assert filled(volume, TINY).error is None
        assert stat.S_IMODE(volume.stat().st_mode) == 0o555, "a directory that is ready keeps its mode"


# Warnings.


def test_a_fill_warns_if_a_gateway_needs_another_file_that_is_not_there(volume: Path, baked: Path) -> None:
    cl100k = published("cl100k_base.tiktoken")
    (baked / cl100k.cache_key).write_bytes(CONTENT)
    [warning] = filled(volume, cl100k).warnings
    assert "also loads o200k_base.tiktoken when it starts: add o200k_base to TIKTOKEN_INIT_ENCODINGS" in warning
    assert filled(volume, cl100k, layout="published").warnings == ()
    assert filled(volume, TINY).warnings == ()


def test_a_fill_in_the_image_warns_if_the_next_container_gets_another_volume(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "require_mount", lambda _: None)
    monkeypatch.setattr(module, "short_lived", lambda _: "a tmpfs")
    assert filled(volume).warnings == ()
    monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda: True)
    [warning] = filled(volume).warnings
    assert f"{volume} is a tmpfs, which is empty for the next container: mount a named volume" in warning
    monkeypatch.setattr("tiktoken_cache_init.place.in_pod", lambda: True)
    assert filled(volume).warnings == ()
