from __future__ import annotations

from tiktoken_cache_init.errors import (
    EXIT_CODES,
    DeadlinePassed,
    ExitCode,
    InitError,
    NotObtainedError,
    NotReadyError,
    OutputError,
    SettingError,
    Stopped,
    VolumeError,
)


def test_each_error_has_its_documented_exit_code() -> None:
    codes = {NotReadyError: 1, SettingError: 2, VolumeError: 3, OutputError: 3, NotObtainedError: 4, InitError: 70}
    assert {error: error.exit_code for error in codes} == codes
    assert (Stopped(15).code, DeadlinePassed().code) == (143, 3)


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_CODES) == {str(code.value) for code in ExitCode if code is not ExitCode.SIGNALLED} | {"128+N"}
