from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.samples import CONTENT, published, vocabulary
from tests.unit.conftest import Refuse
from tiktoken_cache_init import gateway as module
from tiktoken_cache_init.catalogue import Target, Vocabulary, encoding
from tiktoken_cache_init.gateway import Consequence, Prediction, also_loaded, predict
from tiktoken_cache_init.volume.identify import Identity, Kind
from tiktoken_cache_init.volume.inspect import Finding, State

CL100K = published("cl100k_base.tiktoken")
O200K = published("o200k_base.tiktoken", b"QQ== 0\n")

COUNTS_WRONG, FAILS = Consequence.COUNTS_WRONG, Consequence.FAILS
NO_START = "does not start: failed to get gpt-3.5-turbo token encoder"
UNCLEAR = f"{NO_START}; or it starts and counts wrong"


def found(state: State, wanted: Vocabulary = CL100K, name: str = "", readable: bool = True) -> Finding:
    return Finding(Target(wanted, name or wanted.cache_key), state, "text", None, "lacks this", readable)


def of(state: State, **options: object) -> Prediction:
    return predict(found(state, **options), "/nowhere")  # type: ignore[arg-type]


def of_bytes(directory: Path, content: bytes, kind: Kind = Kind.EMPTY) -> Prediction:
    (directory / CL100K.cache_key).write_bytes(content)
    return predict(found(State.WRONG)._replace(identity=Identity(kind, "wrong")), str(directory))


@pytest.mark.parametrize(
    ("content", "expected", "text"),
    [
        # Measured with tiktoken-go v0.1.7.
        (b"", COUNTS_WRONG, "starts and counts wrong"),
        (b"\n\n", COUNTS_WRONG, None),
        (CONTENT[:7], COUNTS_WRONG, None),
        (b"IQ== 0\n\nIg== 1", COUNTS_WRONG, None),
        (b"IQ== 0 more\n", COUNTS_WRONG, None),
        (b"IQ==\n", FAILS, NO_START),
        (b"IQ== \n", FAILS, NO_START),
        (b"IQ== x\n", FAILS, NO_START),
        (b"IQ== 1_0\n", FAILS, NO_START),
        (b"IQ==  1\n", FAILS, NO_START),
        (b"IQ== 0\r\n", FAILS, NO_START),
        (b"IQ=\n", FAILS, NO_START),
        (b"IQ= 0\n", FAILS, NO_START),
        (b"I Q== 0\n", FAILS, NO_START),
        (b"IQ==IQ== 0\n", FAILS, NO_START),
        (b"\0\0\0", FAILS, NO_START),
        (b"<!DOCTYPE html><html></html>", FAILS, NO_START),
        (b"IQ== " + b"1" * 5000, FAILS, NO_START),
        (b"IQ== 1\nIg== 1\n", FAILS, UNCLEAR),
        (b"IQ== 10\nIg== 1", FAILS, UNCLEAR),
    ],
)
def test_the_prediction_for_these_bytes_is_what_was_measured(
    tmp_path: Path, content: bytes, expected: Consequence, text: str | None
) -> None:
    prediction = of_bytes(tmp_path, content)
    assert prediction.consequence is expected
    assert text is None or prediction.text == text


@pytest.mark.parametrize("kind", Kind)
def test_only_missing_or_other_tokens_are_sure_to_be_counted_wrong(tmp_path: Path, kind: Kind) -> None:
    surely = kind in (Kind.EMPTY, Kind.CUT_AT_LINE, Kind.OTHER_VOCABULARY)
    expected = "starts and counts wrong" if surely else "starts and may count wrong"
    assert of_bytes(tmp_path, CONTENT + b"\n", kind) == (COUNTS_WRONG, expected)


def test_a_file_that_is_too_long_to_be_read_whole_or_cannot_be_read_is_unclear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Refuse
) -> None:
    monkeypatch.setattr(module, "_MAX_READ", len(CONTENT) + 1)
    assert of_bytes(tmp_path, CONTENT).consequence is COUNTS_WRONG
    assert of_bytes(tmp_path, CONTENT + b"\n") == (FAILS, UNCLEAR)
    refuse("open", errno.EIO, __import__("builtins"))
    assert predict(found(State.WRONG), str(tmp_path)) == (FAILS, UNCLEAR)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.RIGHT, (Consequence.COUNTS_RIGHT, "starts and counts correctly")),
        (State.MISSING, (FAILS, NO_START)),
        (State.UNREADABLE, (FAILS, NO_START)),
        (State.DIRECTORY, (FAILS, NO_START)),
        (State.LINK, (FAILS, UNCLEAR)),
        (State.SPECIAL, (FAILS, UNCLEAR)),
    ],
)
def test_a_gateway_starts_only_if_there_is_a_file(state: State, expected: tuple[Consequence, str]) -> None:
    assert of(state) == expected


def test_a_link_counts_correctly_if_it_leads_to_the_right_bytes(tmp_path: Path) -> None:
    (tmp_path / CL100K.cache_key).symlink_to(tmp_path / "file")
    for content, expected in (
        (CONTENT, (Consequence.COUNTS_RIGHT, "starts and counts correctly if it can follow the link")),
        (b"", (FAILS, UNCLEAR)),
    ):
        (tmp_path / "file").write_bytes(content)
        assert predict(found(State.LINK), str(tmp_path)) == expected
    (tmp_path / "file").unlink()
    (tmp_path / "file").mkdir()
    assert predict(found(State.LINK), str(tmp_path)) == (FAILS, UNCLEAR)


@pytest.mark.parametrize(("wanted", "model"), [(CL100K, "gpt-3.5-turbo"), (O200K, "gpt-4o")])
def test_a_gateway_that_fails_names_the_model_of_the_file(wanted: Vocabulary, model: str) -> None:
    said = of(State.MISSING, wanted=wanted).text
    assert said == f"does not start: failed to get {model} token encoder"


def test_a_right_file_that_the_gateways_user_may_not_read_is_a_failure() -> None:
    assert of(State.RIGHT, readable=False) == (
        FAILS,
        "does not start if its user cannot read the file: lacks this",
    )


def test_no_gateway_reads_another_vocabulary_or_another_name() -> None:
    assert of(State.MISSING, wanted=vocabulary()).consequence is Consequence.NOT_READ
    assert of(State.WRONG, name="cl100k_base.tiktoken").consequence is Consequence.NOT_READ
    private = vocabulary(name="cl100k_base.tiktoken")
    assert of(State.WRONG, wanted=private).consequence is Consequence.NOT_READ
    assert also_loaded((private,)) == ()


def test_a_gateway_loads_both_files_if_it_loads_one() -> None:
    assert also_loaded((CL100K,)) == (encoding("o200k_base").vocabularies[0],)
    assert also_loaded((O200K, vocabulary())) == (encoding("cl100k_base").vocabularies[0],)
    assert also_loaded((CL100K, O200K)) == ()
    assert also_loaded((vocabulary(),)) == ()
