from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER, TINY, as_nobody, not_mounted, public_directory, settings, unpack, vocabulary
from tiktoken_cache_init import export as module
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import NotMountedError, NotReadyError, VolumeError
from tiktoken_cache_init.export import export
from tiktoken_cache_init.volume.inspect import inspect


def exported(directory: Path, *wanted: Vocabulary, **changes: Any) -> bytes:
    stream = io.BytesIO()
    export(settings(directory, *(wanted or (TINY, OTHER)), **changes), stream)
    return stream.getvalue()


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


def refused(directory: Path, error: type[Exception]) -> str:
    stream = io.BytesIO()
    with pytest.raises(error) as caught:
        export(settings(directory, TINY, OTHER), stream)
    assert error is VolumeError or not stream.getvalue()
    assert not stream.getvalue().endswith(bytes(1024)), "the tar has an end marker, so it looks complete"
    return str(caught.value)


def test_the_tar_depends_only_on_the_files_and_unpacks_to_a_directory_that_is_ready(
    baked: Path, tmp_path: Path
) -> None:
    archive = exported(baked)
    found = members(archive)
    assert [member.name for member in found] == sorted([TINY.cache_key, OTHER.cache_key])
    for member in found:
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert (member.mtime, member.mode, member.type) == (0, 0o644, tarfile.REGTYPE)
    out = unpack(archive, tmp_path / "out")
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o644}
    with public_directory() as other:
        (other / "other file").touch()
        for path in out.iterdir():
            (other / path.name).write_bytes(path.read_bytes())
            (other / path.name).chmod(0o604)
            os.utime(other / path.name, (1, 1))
        with as_nobody():
            assert exported(other, OTHER, TINY) == archive
    assert {member.mode for member in members(exported(baked, mode=0o444))} == {0o444}


def test_a_link_is_exported_as_a_file_under_any_name(baked: Path) -> None:
    wanted = vocabulary(name=f"{'long' * 40}.tiktoken", size=None)
    (baked / TINY.cache_key).rename(baked / "file")
    (baked / wanted.published_name).symlink_to("file")
    [member] = members(exported(baked, wanted, layout="published"))
    assert (member.name, member.isreg(), member.size) == (wanted.published_name, True, len(CONTENT))


def test_a_directory_that_is_not_ready_is_refused_with_nothing_written(baked: Path, tmp_path: Path) -> None:
    (baked / OTHER.cache_key).write_bytes(b"")
    assert refused(baked, NotReadyError) == (
        f"{baked} is not ready to be exported: other.tiktoken (empty (0 bytes)): run fill first"
    )
    assert "tiny.tiktoken (missing)" in refused(tmp_path / "none", NotReadyError)


def test_a_missing_mount_is_reported_if_the_files_are_not_ready(baked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda: True)
    monkeypatch.setattr(module, "require_mount", not_mounted)
    assert len(members(exported(baked))) == 2
    (baked / TINY.cache_key).unlink()
    assert "nothing is mounted at" in refused(baked, NotMountedError)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda path: path.write_bytes(b"replaced"), "changed while it was exported: stop the program that writes it"),
        (lambda path: path.write_bytes(CONTENT + b"x"), "changed while it was exported"),
        (lambda path: path.write_bytes(b""), "changed while it was exported"),
        (Path.unlink, "cannot read"),
    ],
)
def test_a_file_that_changes_during_the_export_is_an_error(
    baked: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], object], said: str
) -> None:

    def then(*arguments: Any) -> Any:
        findings = inspect(*arguments)
        happens(baked / TINY.cache_key)
        return findings

    monkeypatch.setattr(module, "inspect", then)
    assert said in refused(baked, VolumeError)
    with (baked / OTHER.cache_key).open("rb", buffering=0) as file:
        content = module._Content("path", file, OTHER)
        (baked / OTHER.cache_key).write_bytes(b"short")
        with pytest.raises(VolumeError, match="changed while it was exported"):
            content.read(OTHER.size or 0)
