from __future__ import annotations

import errno
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, settings, unpack, vocabulary
from tiktoken_cache_init import export as module
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.content import CHUNK, holds
from tiktoken_cache_init.errors import NotReady, VolumeError
from tiktoken_cache_init.export import export
from tiktoken_cache_init.findings import Finding, Target
from tiktoken_cache_init.volume import Volume

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OTHER_CONTENT = b"QQ== 0\n" * 2000
PIN = vocabulary()
OTHER = vocabulary(OTHER_CONTENT, "other.tiktoken")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    for pin, content in ((OTHER, OTHER_CONTENT), (PIN, CONTENT)):
        (folder / pin.cache_key).write_bytes(content)
    return folder


def exported(folder: Path, *wanted: Vocabulary, **changes: Any) -> bytes:
    stream = io.BytesIO()
    export(settings(folder, *(wanted or (PIN, OTHER)), **changes), stream)
    return stream.getvalue()


def test_the_tar_has_the_files_sorted_and_nothing_of_this_machine(volume: Path) -> None:
    (volume / PIN.cache_key).chmod(0o600)
    (volume / "other file").touch()
    with tarfile.open(fileobj=io.BytesIO(exported(volume))) as tar:
        members = tar.getmembers()
        contents = {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert [member.name for member in members] == sorted([PIN.cache_key, OTHER.cache_key])
    assert contents == {PIN.cache_key: CONTENT, OTHER.cache_key: OTHER_CONTENT}
    for member in members:
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert (member.mtime, member.mode, member.type) == (0, 0o644, tarfile.REGTYPE)


def test_it_is_the_same_bytes_whenever_wherever_and_whoever(volume: Path, tmp_path: Path) -> None:
    first = exported(volume)
    with folder_for_all() as other:
        for pin, content in ((PIN, CONTENT), (OTHER, OTHER_CONTENT)):
            (other / pin.cache_key).write_bytes(content)
            (other / pin.cache_key).chmod(0o604)
            os.utime(other / pin.cache_key, (0, 0))
        with as_nobody():
            assert exported(other, OTHER, PIN) == first
    assert exported(volume) == first


def test_the_mode_is_the_one_that_was_asked_for(volume: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(exported(volume, mode=0o444))) as tar:
        assert {member.mode for member in tar} == {0o444}


def test_it_unpacks_to_a_volume_that_is_ready(volume: Path, tmp_path: Path) -> None:
    archive = exported(volume)
    out = unpack(archive, tmp_path / "out")
    assert {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()} == {
        PIN.cache_key: 0o644,
        OTHER.cache_key: 0o644,
    }
    assert exported(out) == archive


def test_links_go_out_as_the_files_that_they_lead_to(volume: Path) -> None:
    (volume / "tiny.tiktoken").symlink_to(PIN.cache_key)
    with tarfile.open(fileobj=io.BytesIO(exported(volume, PIN, layout="both"))) as tar:
        assert [(member.name, member.isreg(), member.size) for member in tar] == [
            (PIN.cache_key, True, len(CONTENT)),
            ("tiny.tiktoken", True, len(CONTENT)),
        ]


def test_a_long_name_goes_out_too(volume: Path) -> None:
    pin = vocabulary(name=f"{'long' * 40}.tiktoken")
    (volume / pin.published_name).write_bytes(CONTENT)
    with tarfile.open(fileobj=io.BytesIO(exported(volume, pin, layout="published"))) as tar:
        assert tar.getnames() == [pin.published_name]


# Refusals.


def refused(folder: Path, error: type[Exception], **changes: Any) -> str:
    stream = io.BytesIO()
    with pytest.raises(error) as caught:
        export(settings(folder, PIN, OTHER, **changes), stream)
    assert not stream.getvalue()
    return str(caught.value)


def test_a_volume_that_is_not_ready_is_refused_with_nothing_written(volume: Path) -> None:
    (volume / OTHER.cache_key).write_bytes(b"")
    assert refused(volume, NotReady) == (
        f"{volume} is not ready to be exported: other.tiktoken (empty (0 bytes)): run fill first"
    )


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "there is no folder" in refused(tmp_path / "none", NotReady)


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], object]) -> None:
    """Let something happen to each file once it has been inspected."""
    inspect = Volume.inspect

    def inspected_first(self: Volume, target: Target) -> Finding:
        finding = inspect(self, target)
        happens(Path(self.path, target.name))
        return finding

    monkeypatch.setattr(Volume, "inspect", inspected_first)


def test_what_is_replaced_in_mid_export_does_not_go_out(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda path: path.write_bytes(b"replaced"))
    assert "changed while it was exported: run export again" in refused(volume, VolumeError)


def test_what_goes_away_in_mid_export_is_told(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, Path.unlink)
    assert "cannot read" in refused(volume, VolumeError)


@pytest.mark.parametrize("content", [b"x" * len(CONTENT), CONTENT[:-1], b""])
def test_what_is_written_over_as_it_goes_out_ends_a_tar_that_nothing_takes_for_whole(
    volume: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    def held(*arguments: Any) -> bool:
        assert holds(*arguments)
        (volume / PIN.cache_key).write_bytes(content)
        return True

    monkeypatch.setattr(module, "holds", held)
    stream = io.BytesIO()
    with pytest.raises(VolumeError, match="changed while it was exported: run export again"):
        export(settings(volume, PIN), stream)
    assert subprocess.run(["tar", "--list"], input=stream.getvalue(), capture_output=True, check=False).returncode


def test_a_volume_that_fails_in_mid_export_is_not_taken_for_the_stream(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    for call in ("read", "lseek"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(VolumeError, match=f"cannot read {volume}/.*: Input/output error"):
                export(settings(volume, PIN), io.BytesIO())


def test_a_large_file_goes_out_in_pieces(volume: Path) -> None:
    """The whole of a private vocabulary need not fit in the memory of an init container."""
    content = os.urandom(8 * CHUNK + 1)
    pin = vocabulary(content, "large.tiktoken")
    (volume / pin.cache_key).write_bytes(content)
    written = list[int]()

    class Stream(io.BytesIO):
        def write(self, data: ReadableBuffer) -> int:
            written.append(super().write(data))
            return written[-1]

    export(settings(volume, pin), Stream())
    assert sum(written) > len(content)
    assert max(written) <= CHUNK


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone has files that others cannot read")
def test_what_we_cannot_read_is_refused() -> None:
    with folder_for_all() as folder:
        for pin, content in ((PIN, CONTENT), (OTHER, OTHER_CONTENT)):
            (folder / pin.cache_key).write_bytes(content)
        (folder / PIN.cache_key).chmod(0o600)
        with as_nobody():
            assert "tiny.tiktoken (cannot be read: Permission denied)" in refused(folder, NotReady)
