from __future__ import annotations

import re
import signal

import pytest

from tests.samples import ROOT
from tiktoken_cache_init import errors
from tiktoken_cache_init.errors import EXIT_CODES, BadSetting, InitError, NotObtained, NotReady, Stopped, VolumeError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotReady("x"), 1),
        (BadSetting("x"), 2),
        (VolumeError("x"), 3),
        (NotObtained("x"), 4),
        (InitError("x"), 70),
        (Stopped(signal.SIGTERM), 143),
        (Stopped(signal.SIGINT), 130),
        (Stopped(signal.SIGHUP), 129),
    ],
)
def test_each_error_has_its_exit_code(error: InitError, code: int) -> None:
    assert error.exit_code == code


def test_every_exit_code_is_in_the_table() -> None:
    codes = {errors.READY, errors.NOT_READY, errors.BAD_SETTING, errors.VOLUME_FAILED, errors.NOT_OBTAINED, errors.BUG}
    assert {str(code) for code in codes} | {"128+n"} == set(EXIT_CODES)


def test_the_readme_gives_the_exit_codes_as_the_program_does() -> None:
    said = " ".join((ROOT / "README.md").read_text().partition("Exit codes:")[2].partition("\n\n")[0].split())
    meanings = {code.replace(" ", ""): text for code, text in re.findall(r"(\d+(?: \+ n)?) ([^;.]+)[;.]", said)}
    assert set(meanings) == set(EXIT_CODES)
    for code, text in meanings.items():
        assert EXIT_CODES[code].startswith(text.replace("`", "")), code
