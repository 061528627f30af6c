from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tiktoken_cache_init.catalogue import VOCABULARIES
from tiktoken_cache_init.ustar import Writer

KEYS = [vocabulary.cache_key for vocabulary in VOCABULARIES]
NAMES = [
    *("a", "a b.tiktoken", "n" * 99, "n" * 100, "n" * 101, "n" * 250),
    # Not ASCII: as many characters as fit, more than fit, and a mixture.
    *("ü", "词" * 85, "词" * 33 + "a", "ü" * 50 + "n" * 60),
    # Where the length of a pax record gets another digit: its own digits count.
    *("n" * count for count in range(85, 115)),
    *("词" * 30 + "n" * count for count in range(10)),
]
SIZES = [0, 1, 511, 512, 513, 5000, 10_240 - 512, 10_240 - 1024, 10_240 - 1536, 10_240, 10_241, 300_000]
NOT_TEXT = b"not \xff text".decode("utf-8", "surrogateescape")

File = tuple[str, bytes]


def archive(*files: File, mode: int = 0o644) -> bytes:
    stream = io.BytesIO()
    tar = Writer(stream)
    for name, content in files:
        tar.add(name, len(content), mode, [content[:7], content[7:]])
    tar.close()
    return stream.getvalue()


def by_tarfile(*files: File, mode: int = 0o644) -> bytes:
    """Return what the standard library writes for them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def content_of(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


@pytest.mark.parametrize("mode", [0o644, 0o444, 0o600, 0o777, 0o7777, 0])
def test_the_vocabularies_go_out_as_the_standard_library_writes_them(mode: int) -> None:
    files = [(key, content_of(2000 * index)) for index, key in enumerate(KEYS)]
    assert archive(*files, mode=mode) == by_tarfile(*files, mode=mode)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_goes_out_as_the_standard_library_writes_it(name: str) -> None:
    assert archive((name, b"content"), ("next", b"")) == by_tarfile((name, b"content"), ("next", b""))


@pytest.mark.parametrize("size", SIZES)
def test_an_archive_is_filled_up_as_the_standard_library_fills_it_up(size: int) -> None:
    assert archive(("a", content_of(size))) == by_tarfile(("a", content_of(size)))


def test_an_empty_archive_is_one() -> None:
    assert archive() == by_tarfile()


def test_a_size_that_no_ustar_header_holds_is_in_a_pax_record() -> None:
    for size in (8**11 - 1, 8**11):
        stream = io.BytesIO()
        Writer(stream).add("a", size, 0o644, ())
        entry = tarfile.TarInfo("a")
        entry.size = size
        headers = entry.tobuf(tarfile.PAX_FORMAT)
        assert stream.getvalue()[: len(headers)] == headers


def test_a_name_that_is_no_text_stays_the_bytes_that_it_is() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive((NOT_TEXT, b"")))) as tar:
        assert tar.getnames() == [NOT_TEXT]


@pytest.mark.parametrize("reader", [["tar"], ["busybox", "tar"]])
def test_what_people_unpack_with_reads_it(reader: list[str], tmp_path: Path) -> None:
    if not shutil.which(reader[0]):
        pytest.skip(f"{reader[0]} is not installed here")
    files = {name: content_of(size) for name, size in zip(("a", *KEYS, "n" * 180, "词" * 50), SIZES, strict=False)}
    data = archive(*files.items(), mode=0o640)
    done = subprocess.run([*reader, "-xpf", "-"], cwd=tmp_path, input=data, capture_output=True, check=True)
    assert not done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {0o640}
    assert {path.stat().st_mtime for path in tmp_path.iterdir()} == {0.0}
