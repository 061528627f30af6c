from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktoken_cache_init.sources.headers import content_range, retry_after


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 5-9/10", (5, 10)),
        (" Bytes  0-0/1 ", (0, 1)),
        ("bytes 5-9/*", (5, None)),
        ("bytes 5-9", (5, None)),
        ("bytes */10", (None, None)),
        ("lines 5-9/10", (None, None)),
        ("bytes", (None, None)),
        ("", (None, None)),
        ("bytes -5/10", (None, None)),
        ("bytes ²-9/10", (None, None)),
        ("bytes 5-9/²", (5, None)),
    ],
)
def test_a_content_range_is_read_or_left_unsaid(text: str, found: tuple[int | None, int | None]) -> None:
    assert content_range(text) == found


@given(st.text(max_size=30))
def test_no_content_range_makes_trouble(text: str) -> None:
    content_range(f"bytes {text}")


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("9" * 400, 999999999.0),
        ("", None),
        ("-7", None),
        ("7.5", None),
        ("soon", None),
    ],
)
def test_a_wait_in_seconds(text: str, wait: float | None) -> None:
    assert retry_after(text) == wait


def test_a_wait_until_a_date() -> None:
    later = email.utils.formatdate(time.time() + 100, usegmt=True)
    earlier = email.utils.formatdate(time.time() - 100, usegmt=True)
    assert retry_after(later) == pytest.approx(100, abs=5)
    assert retry_after(earlier) == 0


@pytest.mark.parametrize(
    "text", ["\xb2", "Fri, 31 Dec 99999 23:59:59 GMT", "Fri, 99 Foo 2026 00:00:00 GMT", "\xff\xfe"]
)
def test_a_wait_that_makes_no_sense_is_none(text: str) -> None:
    assert retry_after(text) is None
