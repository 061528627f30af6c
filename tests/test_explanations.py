from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tiktoken_cache_init.explanations import explain


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "mount it read-write in the init container (without ':ro')"),
        (errno.EBUSY, "a single file is mounted there; mount the folder instead"),
        (errno.EIO, "check the volume's storage, then run again"),
        (errno.EACCES, "run the init container as its owner"),
        (errno.EPERM, "take an 'i' away with chattr -i"),
    ],
)
def test_each_cause_comes_with_its_way_out(tmp_path: Path, number: int, advice: str) -> None:
    said = explain(OSError(number, os.strerror(number)), "write in", str(tmp_path))
    assert said.startswith(f"cannot write in {tmp_path}: {os.strerror(number)}: ")
    assert advice in said
    assert "\n" not in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_is_needed_and_what_is_free(tmp_path: Path, number: int) -> None:
    said = explain(OSError(number, "full"), "install", str(tmp_path), needed=1681126)
    assert "1,681,126 bytes are needed" in said
    assert "are free" in said
    gone = explain(OSError(number, "full"), "install", str(tmp_path / "gone"), needed=1)
    assert "1 bytes are needed; what was there before is untouched" in gone


def test_a_cause_without_a_text_is_still_told() -> None:
    assert explain(OSError("odd"), "read", "/x").startswith("cannot read /x: odd")


def test_the_owner_of_the_folder_is_named_where_the_path_is_a_file_in_it(tmp_path: Path) -> None:
    said = explain(PermissionError(errno.EACCES, "no"), "install", str(tmp_path / "key"))
    assert f"the folder belongs to {tmp_path.stat().st_uid}:{tmp_path.stat().st_gid} with mode 0700" in said
