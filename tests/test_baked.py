from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, staging, vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Route, RouteFailed
from tiktoken_cache_init.sources.baked import Baked
from tiktoken_cache_init.sources.local import LocalFile

PIN = vocabulary()


def failure(folder: Path, route: Route) -> RouteFailed:
    with staging(folder / "volume") as (_, staged), pytest.raises(RouteFailed) as caught:
        route.deliver(PIN, staged)
    return caught.value


def baked(folder: Path) -> Route:
    [route] = Baked(str(folder)).routes(PIN)
    return route


def test_a_vocabulary_lies_under_its_cache_key(tmp_path: Path) -> None:
    (tmp_path / PIN.cache_key).write_bytes(CONTENT)
    route = baked(tmp_path)
    assert route.label == "baked"
    with staging(tmp_path / "volume") as (_, staged):
        route.deliver(PIN, staged)
        assert staged.is_right()


def test_what_another_route_began_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with staging(tmp_path / "volume") as (_, staged):
        staged.write(b"other")
        LocalFile("x", str(tmp_path / "file"), "").deliver(PIN, staged)
        assert staged.is_right()


def test_what_the_image_does_not_hold_cannot_come_later(tmp_path: Path) -> None:
    found = failure(tmp_path, baked(tmp_path))
    assert (str(found), found.passing) == (f"{tmp_path} does not hold it", False)


def test_a_folder_that_is_a_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert str(failure(tmp_path, baked(tmp_path / "file"))).endswith("does not hold it")


def test_a_file_that_is_too_long_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / PIN.cache_key).write_bytes(CONTENT + b"x")
    assert "more than the 21 bytes" in str(failure(tmp_path, baked(tmp_path)))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / PIN.cache_key).mkdir()
    assert str(failure(tmp_path, baked(tmp_path))).endswith("is not a regular file")


def test_a_file_that_we_may_not_read_says_so() -> None:
    with folder_for_all() as folder:
        folder.chmod(0o777)
        (folder / PIN.cache_key).touch(mode=0)
        with as_nobody():
            assert str(failure(folder, baked(folder))).endswith("Permission denied")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PIN.cache_key)
    assert str(failure(tmp_path, baked(tmp_path))).endswith("is not a regular file")


def test_a_volume_that_does_not_take_the_bytes_is_not_the_route_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PIN.cache_key).write_bytes(CONTENT)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tiktoken_cache_init.staging.os.write", full)
    with staging(tmp_path / "volume") as (_, staged), pytest.raises(VolumeError):
        baked(tmp_path).deliver(PIN, staged)
