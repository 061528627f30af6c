from __future__ import annotations

import pytest

from tiktoken_cache_init.spelling import nearest

KNOWN = ("baked", "fetch", "wheel")


@pytest.mark.parametrize(("word", "right"), [("bakd", "baked"), ("fetsh", "fetch"), ("wheels", "wheel")])
def test_a_slip_is_put_right(word: str, right: str) -> None:
    assert nearest(word, KNOWN) == right


@pytest.mark.parametrize("word", ["", "zzz", "origin"])
def test_nothing_is_guessed_where_nothing_is_near(word: str) -> None:
    assert nearest(word, KNOWN) is None
