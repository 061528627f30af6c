from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.samples import CONTENT, published, vocabulary
from tiktoken_cache_init.catalogue import Target, Vocabulary, encoding
from tiktoken_cache_init.gateway import Consequence, also_loaded, predict
from tiktoken_cache_init.volume.identify import MAX_READ, Identity, Kind
from tiktoken_cache_init.volume.inspect import Finding, State

CL100K = published("cl100k_base.tiktoken")
O200K = published("o200k_base.tiktoken", b"QQ== 0\n")


def found(
    state: State, head: bytes = b"", wanted: Vocabulary = CL100K, name: str = "", readable: bool = True
) -> Finding:
    identity = Identity(Kind.WRONG_BYTES, "wrong") if state is State.WRONG else None
    return Finding(Target(wanted, name or wanted.cache_key), state, "text", identity, head, "lacks this", readable)


def consequence(head: bytes) -> Consequence:
    return predict(found(State.WRONG, head)).consequence


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        # Measured with tiktoken-go v0.1.7.
        (b"", Consequence.COUNTS_WRONG),
        (b"\n\n", Consequence.COUNTS_WRONG),
        (CONTENT[:7], Consequence.COUNTS_WRONG),
        (b"IQ== 0\n\nIg== 1", Consequence.COUNTS_WRONG),
        (b"IQ== 0 more\n", Consequence.COUNTS_WRONG),
        (b"IQ== -5\nIg== +6\n", Consequence.COUNTS_WRONG),
        (b"I\rQ== 0\n", Consequence.COUNTS_WRONG),
        (b"IQ== 9223372036854775808\n", Consequence.FAILS),
        (b"IQ==\n", Consequence.FAILS),
        (b"IQ== \n", Consequence.FAILS),
        (b"IQ== x\n", Consequence.FAILS),
        (b"IQ== 1_0\n", Consequence.FAILS),
        (b"IQ==  1\n", Consequence.FAILS),
        (b"IQ== -+5\n", Consequence.FAILS),
        (b"IQ== 0\r\n", Consequence.FAILS),
        (b"IQ=\n", Consequence.FAILS),
        (b"I Q== 0\n", Consequence.FAILS),
        (b"IQ==IQ== 0\n", Consequence.FAILS),
        (b"\0\0\0", Consequence.FAILS),
        (b"<!DOCTYPE html><html></html>", Consequence.FAILS),
        (b"IQ== 1\nIg== 1\n", Consequence.FAILS),
        (CONTENT + b"\n", Consequence.COUNTS_RIGHT),
        (CONTENT[:-1], Consequence.COUNTS_RIGHT),
        (CONTENT + CONTENT, Consequence.COUNTS_RIGHT),
        (CONTENT.replace(b"\n", b"\n\n"), Consequence.COUNTS_RIGHT),
        (CONTENT.replace(b"\n", b" \n"), Consequence.COUNTS_RIGHT),
    ],
)
def test_the_prognosis_for_these_bytes_is_what_was_measured(head: bytes, expected: Consequence) -> None:
    assert consequence(head) is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.RIGHT, Consequence.COUNTS_RIGHT),
        (State.MISSING, Consequence.FAILS),
        (State.UNREADABLE, Consequence.FAILS),
        (State.DIRECTORY, Consequence.FAILS),
        (State.LINK, Consequence.FAILS),
        (State.SPECIAL, Consequence.FAILS),
    ],
)
def test_a_gateway_starts_only_if_there_is_a_file(state: State, expected: Consequence) -> None:
    assert predict(found(state)).consequence is expected


@pytest.mark.parametrize(("wanted", "model"), [(CL100K, "gpt-3.5-turbo"), (O200K, "gpt-4o")])
def test_a_gateway_that_fails_names_the_model_of_the_file(wanted: Vocabulary, model: str) -> None:
    said = predict(found(State.MISSING, wanted=wanted)).text
    assert said == f"does not start: failed to get {model} token encoder"


def test_a_right_file_that_the_gateways_user_may_not_read_is_a_failure() -> None:
    prediction = predict(found(State.RIGHT, readable=False))
    assert prediction.consequence is Consequence.FAILS
    assert prediction.text == "does not start if its user cannot read the file: lacks this"


def test_a_right_file_that_lacks_something_else_is_not_a_failure() -> None:
    assert predict(found(State.RIGHT)).consequence is Consequence.COUNTS_RIGHT


def test_a_file_too_long_to_be_read_whole_is_a_failure() -> None:
    assert consequence(b"IQ== 0\n" + b"\n" * (MAX_READ - 7)) is Consequence.FAILS


def test_no_gateway_reads_another_vocabulary_or_another_name() -> None:
    assert predict(found(State.MISSING, wanted=vocabulary())).consequence is Consequence.NOT_READ
    assert predict(found(State.WRONG, name="cl100k_base.tiktoken")).consequence is Consequence.NOT_READ
    private = vocabulary(name="cl100k_base.tiktoken")
    assert predict(found(State.WRONG, wanted=private)).consequence is Consequence.NOT_READ
    assert also_loaded((private,)) == ()


def test_a_gateway_loads_both_files_if_it_loads_one() -> None:
    assert also_loaded((CL100K,)) == (encoding("o200k_base").vocabularies[0],)
    assert also_loaded((O200K, vocabulary())) == (encoding("cl100k_base").vocabularies[0],)
    assert also_loaded((CL100K, O200K)) == ()
    assert also_loaded((vocabulary(),)) == ()


LINES = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.builds(
            lambda token, rank: base64.b64encode(token) + b" " + rank.encode(),
            st.binary(max_size=5),
            st.text("+-0123456789 ", max_size=6),
        ),
    ),
    max_size=5,
)


@given(LINES)
@example([b"IQ== -+5"])
@example([b"IQ== " + b"1" * 5000])
def test_any_bytes_get_a_prognosis(lines: list[bytes]) -> None:
    assert consequence(b"\n".join(lines)) in (Consequence.COUNTS_WRONG, Consequence.FAILS)
