"""What the fields of an HTTP answer say, read without believing that they make sense."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_number(text: str) -> bool:
    """Whether a text is a number that `int` takes, without a sign."""
    # Other scripts have digits too, which int() does not take.
    return text.isascii() and text.isdigit()


def content_range(text: str) -> tuple[int | None, int | None]:
    """Return (first byte, whole length), with None for what is not said, from ``bytes 5-9/10``."""
    unit, _, rest = text.strip().partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0].strip()
    if unit.lower() != "bytes" or not is_number(first):
        return None, None
    return int(first), int(total) if is_number(total.strip()) else None


def retry_after(text: str) -> float | None:
    """Return the seconds that a Retry-After field asks for, as a number or as a date; None if it makes no sense."""
    if is_number(text):
        return float(text[:9])
    try:
        return max(0.0, _http_date(text).timestamp() - time.time())
    except ValueError:
        return None


def _http_date(text: str) -> datetime:
    """Read a date as servers write it: ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110, section 5.6.7, IMF-fixdate).

    Not with `email.utils`, which brings 200 kB of byte-code for electronic mail into the image.

    Raises:
        ValueError: it is something else.
    """
    _, day, month, year, clock, _ = text.split(" ")
    hour, minute, second = clock.split(":")
    # There is one second for which a minute has 61.
    whole = min(int(second), 59)
    return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), whole, tzinfo=UTC)
