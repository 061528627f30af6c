from __future__ import annotations

from typing import Any

import pytest

from tests.samples import vocabulary
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.diagnosis import Diagnosis
from tiktoken_cache_init.findings import MISSING, UNREADABLE, WRONG, Finding, Target
from tiktoken_cache_init.gateway import DIES, Prognosis
from tiktoken_cache_init.plan import held_under, plan

A, B, C = (vocabulary(b"x" * size, f"{name}.tiktoken") for name, size in (("a", 10), ("b", 20), ("c", 30)))
UNSIZED = vocabulary(name="private.tiktoken", size=None)
WANTED = (A, B, C, UNSIZED)


def found(pin: Vocabulary, state: str = MISSING, beside: str = "", **more: Any) -> Finding:
    return Finding(Target(pin, pin.cache_key, beside), state, state)._replace(**more)


def bytes_of(other: Vocabulary | None) -> Diagnosis:
    return Diagnosis("other", "the bytes of another", Prognosis(DIES, "..."), other)


def test_second_names_come_after_the_first() -> None:
    first, second, third = found(A), found(A, beside=A.cache_key), found(B)
    assert plan([first, second, third]) == ((first, third), (second,))


def test_what_is_to_be_obtained_is_counted_once_and_as_far_as_it_is_known() -> None:
    assert plan([found(A), found(A, beside=A.cache_key), found(B), found(UNSIZED)]).size == 30


@pytest.mark.parametrize(
    ("finding", "places", "held"),
    [
        (found(A), {}, set()),
        # Right bytes were seen under the name, or elsewhere.
        (found(A, WRONG), {B: A.cache_key}, {B}),
        (found(A, WRONG), {B: f"deeper/{A.cache_key}"}, set()),
        (found(A, WRONG), {B: A.cache_key, C: A.cache_key}, {B, C}),
        # They were recognised when it was inspected.
        (found(A, WRONG, diagnosis=bytes_of(B)), {}, {B}),
        (found(A, WRONG, diagnosis=bytes_of(None)), {}, set()),
        # It cannot be read, and is as long as one of them.
        (found(A, UNREADABLE, size=20), {}, {B}),
        (found(A, UNREADABLE, size=21), {}, set()),
        # Its own bytes are nobody else's.
        (found(A, UNREADABLE, size=10), {A: A.cache_key}, set()),
    ],
)
def test_a_name_may_hold_what_others_need(
    finding: Finding, places: dict[Vocabulary, str], held: set[Vocabulary]
) -> None:
    assert held_under(finding, places, WANTED) == held


def test_what_nobody_needs_any_more_holds_nothing_up() -> None:
    assert not held_under(found(A, WRONG, diagnosis=bytes_of(B)), {B: A.cache_key}, [A, C])
