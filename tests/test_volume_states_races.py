"""Others at work on the same volume, at the very moment between two system calls of ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.injection.campaign import ROOT
from tests.injection.states import MERGES, RANKS, Content, key
from tiktoken_cache_init import staging, volume
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.findings import GOOD, MISSING, Target
from tiktoken_cache_init.leftovers import PREFIX
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.settings import Settings, load
from tiktoken_cache_init.staging import Stage
from tiktoken_cache_init.volume import Volume, open_volume

RIGHT = b"YQ== 0\nYg== 1\n"
VOCABULARY = Vocabulary(
    "https://vocabularies.test/a.tiktoken", hashlib.sha256(RIGHT).hexdigest(), len(RIGHT), len(RIGHT)
)
NAME = VOCABULARY.cache_key


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return load(["fill", "--cache-dir", str(tmp_path)], {})


@pytest.fixture
def opened(configured: Settings) -> Iterator[Volume]:
    opened = open_volume(configured, create=False)
    yield opened
    os.close(opened.fd)


@pytest.fixture
def stage(opened: Volume, configured: Settings) -> Iterator[Stage]:
    run = Run()
    yield Stage(opened, configured, run)
    run.close()


def _before(
    monkeypatch: pytest.MonkeyPatch, module: Any, call: str, name: str, meanwhile: Callable[[], object], times: int = 1
) -> None:
    """Let ``meanwhile`` happen just before the module's next calls of ``os.<call>`` on the name."""
    real = getattr(os, call)
    left = [times]

    def patched(*arguments: Any, **options: Any) -> Any:
        if left[0] and str(arguments[0]).startswith(name):
            left[0] -= 1
            meanwhile()
        return real(*arguments, **options)

    class Os:
        def __getattr__(self, attribute: str) -> Any:
            return patched if attribute == call else getattr(os, attribute)

    monkeypatch.setattr(module, "os", Os())


def _install(stage: Stage) -> None:
    staged = stage.new(VOCABULARY)
    staged.write(RIGHT)
    staged.install(Target(VOCABULARY, NAME))
    staged.discard()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_that_a_consumer_deletes_while_it_is_inspected_is_missing(
    opened: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(b"wrong")
    _before(monkeypatch, volume, "open", NAME, (tmp_path / NAME).unlink)
    assert opened.inspect(Target(VOCABULARY, NAME)).state == MISSING


def test_a_wrong_file_that_another_run_replaces_by_a_link_while_it_is_inspected_is_looked_at_again(
    opened: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(b"wrong")
    (tmp_path / "right").write_bytes(RIGHT)

    def link() -> None:
        (tmp_path / NAME).unlink()
        (tmp_path / NAME).symlink_to("right")

    _before(monkeypatch, volume, "open", NAME, link)
    assert opened.inspect(Target(VOCABULARY, NAME)).state == GOOD


def test_a_good_link_that_another_run_removes_while_it_is_inspected_is_missing(
    opened: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "right").write_bytes(RIGHT)
    (tmp_path / NAME).symlink_to("right")
    _before(monkeypatch, volume, "stat", NAME, (tmp_path / NAME).unlink)
    assert opened.inspect(Target(VOCABULARY, NAME)).state == MISSING


def test_a_link_that_becomes_a_file_while_it_is_inspected_is_looked_at_again(
    opened: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).symlink_to("nowhere")

    def install() -> None:
        (tmp_path / NAME).unlink()
        (tmp_path / NAME).write_bytes(RIGHT)

    _before(monkeypatch, volume, "readlink", NAME, install)
    assert opened.inspect(Target(VOCABULARY, NAME)).state == GOOD


def test_a_directory_that_another_run_moves_aside_first_is_in_nobodys_way(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME / "inside").mkdir(parents=True)
    aside = f"{NAME}.moved-aside-1"
    _before(monkeypatch, staging, "lstat", aside, lambda: (tmp_path / NAME).rename(tmp_path / "theirs"))
    _install(stage)
    assert (tmp_path / NAME).read_bytes() == RIGHT
    assert _names(tmp_path) == {NAME, "theirs"}


def test_a_good_file_that_appears_while_a_directory_is_moved_aside_stays(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).mkdir()

    def install() -> None:
        (tmp_path / NAME).rename(tmp_path / "theirs")
        (tmp_path / NAME).write_bytes(RIGHT)

    _before(monkeypatch, staging, "lstat", f"{NAME}.moved-aside-1", install)
    _install(stage)
    assert (tmp_path / NAME).read_bytes() == RIGHT
    assert _names(tmp_path) == {NAME, "theirs"}


def test_a_directory_that_another_run_exchanges_for_a_file_first_is_in_nobodys_way(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME / "inside").mkdir(parents=True)
    aside = f"{NAME}.moved-aside-1"

    def install() -> None:
        (tmp_path / NAME).rename(tmp_path / aside)
        (tmp_path / NAME).write_bytes(RIGHT)

    _before(monkeypatch, staging, "rename", NAME, install)
    _install(stage)
    assert (tmp_path / NAME).read_bytes() == RIGHT
    assert _names(tmp_path) == {NAME, aside}


def test_a_temporary_file_that_a_sweeper_takes_for_dead_is_made_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep() -> None:
        for path in tmp_path.glob(f"{PREFIX}*"):
            path.unlink()

    _before(monkeypatch, staging, "rename", PREFIX, sweep, times=3)
    _install(stage)
    assert (tmp_path / NAME).read_bytes() == RIGHT
    assert _names(tmp_path) == {NAME}


def test_a_link_that_a_sweeper_takes_for_dead_is_made_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(RIGHT)

    def sweep() -> None:
        for path in tmp_path.glob(f"{PREFIX}*"):
            path.unlink()

    _before(monkeypatch, staging, "rename", PREFIX, sweep, times=3)
    assert stage.link(Target(VOCABULARY, "a.tiktoken", NAME))
    assert (tmp_path / "a.tiktoken").read_bytes() == RIGHT


def test_a_link_replaces_a_directory_that_another_run_moves_aside_first(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(RIGHT)
    (tmp_path / "a.tiktoken" / "inside").mkdir(parents=True)
    _before(
        monkeypatch,
        staging,
        "lstat",
        "a.tiktoken.moved-aside-1",
        lambda: (tmp_path / "a.tiktoken").rename(tmp_path / "theirs"),
    )
    assert stage.link(Target(VOCABULARY, "a.tiktoken", NAME))
    assert (tmp_path / "a.tiktoken").read_bytes() == RIGHT


def test_a_descriptor_whose_closing_fails_is_not_closed_a_second_time(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Network file systems report a late error of writing here. The descriptor is gone all the same, and its number may
    # belong to another thread's file by then.
    closed: list[int] = []

    class Os:
        def __getattr__(self, attribute: str) -> Any:
            return getattr(os, attribute)

        @staticmethod
        def close(fd: int) -> None:
            closed.append(fd)
            os.close(fd)
            if len(closed) == 1:
                raise OSError(5, os.strerror(5))

    monkeypatch.setattr(staging, "os", Os())
    staged = stage.new(VOCABULARY)
    staged.write(RIGHT)
    with pytest.raises(VolumeError):
        staged.install(Target(VOCABULARY, NAME))
    staged.discard()
    assert len(closed) == len(set(closed))


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("strace") is None, reason="strace is not installed here")
@pytest.mark.parametrize("slow", [MERGES, RANKS])
def test_swapped_names_are_put_right_from_each_other_however_slow_one_is_to_open(
    slow: str, vocabularies: Path, tmp_path: Path
) -> None:
    content = Content(vocabularies)
    folder = tmp_path / "volume"
    folder.mkdir()
    (folder / key(MERGES)).write_bytes(content[RANKS])
    (folder / key(RANKS)).write_bytes(content[MERGES])
    delay = ["strace", "-f", "-o", "/dev/null", "-P", str(folder / key(slow)), "-e", "inject=openat:delay_enter=700000"]
    fill = [sys.executable, str(ROOT / "entrypoint.py"), "fill", "--cache-dir", str(folder), "--encodings", "gpt2"]
    nowhere = ["--sources", "baked", "--baked-dir", str(tmp_path / "none")]
    done = subprocess.run([*delay, *fill, *nowhere], env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for name in (MERGES, RANKS):
        assert (folder / key(name)).read_bytes() == content[name]
