from __future__ import annotations

import builtins
import errno
import tracemalloc
from pathlib import Path

import pytest

from tests.samples import CONTENT, published, vocabulary
from tests.unit.conftest import Refuse
from tiktoken_cache_init import gateway as module
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.gateway import Consequence, Prediction, also_needed, predict
from tiktoken_cache_init.volume.identify import Identity, Kind
from tiktoken_cache_init.volume.inspect import Finding, State

CL100K = published("cl100k_base.tiktoken")
O200K = published("o200k_base.tiktoken", b"QQ== 0\n")

COUNTS_RIGHT, COUNTS_WRONG, FAILS, NOT_READ = Consequence
NO_START = "does not start: failed to get gpt-3.5-turbo token encoder"
UNCLEAR = f"{NO_START}; or it starts and counts wrong"


def of(
    state: State, wanted: Vocabulary = CL100K, name: str = "", readable: bool = True, place: Path | str = "/nowhere"
) -> Prediction:
    return predict(Finding(wanted, f"{place}/{name or wanted.cache_key}", state, "text", None, "lacks this", readable))


def of_bytes(directory: Path, content: bytes, kind: Kind = Kind.EMPTY) -> Prediction:
    path = directory / CL100K.cache_key
    path.write_bytes(content)
    return predict(Finding(CL100K, str(path), State.WRONG, "text", Identity(kind, "wrong")))


# Measured with tiktoken-go v0.1.7.
PARSED = (b"", b"\n\n", CONTENT[:7], b"IQ== 0\n\nIg== 1", b"IQ== 0 more\n")
REFUSED = (
    *(b"IQ==\n", b"IQ== \n", b"IQ== x\n", b"IQ== 1_0\n", b"IQ==  1\n", b"IQ== 0\r\n", b"IQ== " + b"1" * 5000),
    *(b"IQ=\n", b"IQ= 0\n", b"I Q== 0\n", b"IQ==IQ== 0\n", b"\0\0\0", b"<!DOCTYPE html><html></html>"),
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        *((content, (COUNTS_WRONG, "starts and counts wrong")) for content in PARSED),
        *((content, (FAILS, NO_START)) for content in REFUSED),
        *((content, (FAILS, UNCLEAR)) for content in (b"IQ== 1\nIg== 1\n", b"IQ== 10\nIg== 1")),
    ],
)
def test_the_prediction_for_these_bytes_is_what_was_measured(
    tmp_path: Path, content: bytes, expected: tuple[Consequence, str]
) -> None:
    assert of_bytes(tmp_path, content) == expected


@pytest.mark.parametrize("kind", Kind)
def test_only_missing_or_other_tokens_are_sure_to_be_counted_wrong(tmp_path: Path, kind: Kind) -> None:
    surely = kind in (Kind.EMPTY, Kind.CUT_AT_LINE, Kind.OTHER_VOCABULARY)
    expected = "starts and counts wrong" if surely else "starts and may count wrong"
    assert of_bytes(tmp_path, CONTENT + b"\n", kind) == (COUNTS_WRONG, expected)


def test_a_line_of_many_fields_needs_little_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        of_bytes(tmp_path, b" " * (4 << 20))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_long_to_be_read_whole_or_cannot_be_read_is_unclear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Refuse
) -> None:
    monkeypatch.setattr(module, "_MAX_READ", len(CONTENT) + 1)
    assert of_bytes(tmp_path, CONTENT).consequence is COUNTS_WRONG
    assert of_bytes(tmp_path, CONTENT + b"\n") == (FAILS, UNCLEAR)
    refuse("open", errno.EIO, builtins)
    assert of(State.WRONG, place=tmp_path) == (FAILS, UNCLEAR)


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (of(State.RIGHT), (COUNTS_RIGHT, "starts and counts correctly")),
        (of(State.RIGHT, readable=False), (FAILS, "does not start if its user cannot read the file: lacks this")),
        (of(State.MISSING), (FAILS, NO_START)),
        (of(State.MISSING, O200K), (FAILS, "does not start: failed to get gpt-4o token encoder")),
        (of(State.UNREADABLE), (FAILS, NO_START)),
        (of(State.DIRECTORY), (FAILS, NO_START)),
        (of(State.LINK), (FAILS, UNCLEAR)),
        (of(State.SPECIAL), (FAILS, UNCLEAR)),
        (of(State.MISSING, vocabulary()), (NOT_READ, "does not read it at start")),
        (of(State.WRONG, vocabulary(name="cl100k_base.tiktoken")), (NOT_READ, "does not read it at start")),
        (of(State.WRONG, name="cl100k_base.tiktoken"), (NOT_READ, "does not read this name")),
    ],
)
def test_a_gateway_starts_only_if_there_is_a_file(prediction: Prediction, expected: tuple[Consequence, str]) -> None:
    assert prediction == expected


def test_a_link_counts_correctly_if_it_leads_to_the_right_bytes(tmp_path: Path) -> None:
    (tmp_path / CL100K.cache_key).symlink_to(tmp_path / "file")
    for content, expected in (
        (CONTENT, (COUNTS_RIGHT, "starts and counts correctly if it can follow the link")),
        (b"", (FAILS, UNCLEAR)),
    ):
        (tmp_path / "file").write_bytes(content)
        assert of(State.LINK, place=tmp_path) == expected
    (tmp_path / "file").unlink()
    (tmp_path / "file").mkdir()
    assert of(State.LINK, place=tmp_path) == (FAILS, UNCLEAR)


def test_a_gateway_needs_both_files_if_it_loads_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VOCABULARIES", (vocabulary(), CL100K, O200K))
    private = vocabulary(name="cl100k_base.tiktoken")
    assert also_needed(str(tmp_path), (CL100K,)) == [O200K]
    assert also_needed(str(tmp_path), (O200K, private)) == [CL100K]
    assert also_needed(str(tmp_path), (CL100K, O200K)) == also_needed(str(tmp_path), (private,)) == []
    (tmp_path / O200K.cache_key).write_bytes(b"QQ== 0\n")
    assert also_needed(str(tmp_path), (CL100K,)) == []
    (tmp_path / O200K.cache_key).write_bytes(b"QQ== 1\n")
    assert also_needed(str(tmp_path), (CL100K,)) == [O200K]
