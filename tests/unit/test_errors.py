from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tiktoken_cache_init.errors import (
    EXIT_CODES,
    DeadlinePassed,
    ExitCode,
    InitError,
    NotObtainedError,
    NotReadyError,
    SettingError,
    Stopped,
    StorageError,
    VolumeError,
    storage_errors,
)


def test_each_error_has_its_documented_exit_code() -> None:
    codes = {NotReadyError: 1, SettingError: 2, VolumeError: 3, NotObtainedError: 4, InitError: 70}
    assert {error: error.exit_code for error in codes} == codes
    assert (Stopped(15).code, DeadlinePassed().code) == (143, 3)


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_CODES) == {str(code.value) for code in ExitCode if code is not ExitCode.SIGNALLED} | {"128+N"}


@pytest.mark.parametrize(("number", "measured"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_an_error_of_the_storage_has_what_was_tried_and_the_free_space_of_a_full_disk(
    tmp_path: Path, number: int, measured: bool
) -> None:
    for path in (str(tmp_path), f"{tmp_path}/missing"):
        with pytest.raises(StorageError, match=f"^cannot write {path}: why$") as caught, storage_errors("write", path):
            raise OSError(number, "why")
        assert (caught.value.needed, caught.value.free is not None) == (0, measured)
