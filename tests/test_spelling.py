from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktoken_cache_init.spelling import nearest, slips

KNOWN = ("baked", "fetch", "wheel")


@pytest.mark.parametrize(
    ("word", "right"),
    [("bakd", "baked"), ("fetsh", "fetch"), ("wheels", "wheel"), ("ftech", "fetch"), ("bak", "baked")],
)
def test_a_slip_is_put_right(word: str, right: str) -> None:
    assert nearest(word, KNOWN) == right


@pytest.mark.parametrize("word", ["", "b", "zzz", "origin", "bothered", "--x"])
def test_nothing_is_guessed_where_nothing_is_near(word: str) -> None:
    assert nearest(word, KNOWN) is None


def test_a_beginning_that_two_words_share_is_no_guess() -> None:
    assert nearest("fet", ("fetching", "fetched")) is None


@pytest.mark.parametrize(
    ("word", "other", "count"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "abc", 0),
        ("ab", "ba", 1),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ],
)
def test_slips_are_counted(word: str, other: str, count: int) -> None:
    assert slips(word, other) == count


@given(st.text("abc"), st.text("abc"))
def test_slips_count_the_same_both_ways_and_from_either_end(word: str, other: str) -> None:
    assert slips(word, other) == slips(other, word) == slips(word[::-1], other[::-1])
    assert (slips(word, other) == 0) == (word == other)
    assert slips(word, other) <= max(len(word), len(other))
