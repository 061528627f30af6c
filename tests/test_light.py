from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
import typing
from typing import Any

import pytest

from tests.samples import ROOT
from tiktoken_cache_init import light


class Point(light.NamedTuple):
    """A point of ours, with a default and what classes have besides."""

    x: int
    y: int = 2
    label: str = ""

    @property
    def sum(self) -> int:
        return self.x + self.y


class RealPoint(typing.NamedTuple):
    x: int
    y: int = 2
    label: str = ""


@pytest.mark.parametrize(
    ("values", "named"),
    [((1,), {}), ((1, 3), {}), ((1, 3, "a"), {}), ((), {"x": 1}), ((1,), {"label": "b"}), ((), {"y": 5, "x": 4})],
)
def test_it_takes_its_fields_as_the_real_one_does(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, real = Point(*values, **named), RealPoint(*values, **named)
    assert tuple(ours) == tuple(real)
    assert (ours.x, ours.y, ours.label) == (real.x, real.y, real.label)
    assert repr(ours) == repr(real).removeprefix("Real")
    assert ours._asdict() == real._asdict()


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, "", 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1})]
)
def test_it_refuses_what_the_real_one_refuses(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Point, RealPoint):
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_it_compares_and_hashes_by_value() -> None:
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(1, 3)
    assert len({Point(1), Point(1, 2, ""), Point(2)}) == 2


def test_it_is_replaced_copied_and_taken_apart() -> None:
    point = Point(1)
    assert point._replace(y=7) == Point(1, 7)
    assert point == Point(1)
    unknown: dict[str, Any] = {"z": 1}
    with pytest.raises((TypeError, ValueError)):
        point._replace(**unknown)
    assert copy.copy(point) == pickle.loads(pickle.dumps(point)) == point
    x, y, label = point
    assert (x, y, label, point.sum) == (1, 2, "", 3)


def test_it_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        setattr(point, "x", 2)  # noqa: B010  a type checker refuses the plain way
    with pytest.raises(AttributeError):
        delattr(point, "x")


@pytest.mark.parametrize(
    ("error", "passes"), [(None, True), (ValueError(), True), (UnicodeError(), True), (KeyError(), False)]
)
def test_the_named_errors_are_suppressed_and_no_others(error: Exception | None, passes: bool) -> None:
    def run() -> None:
        with light.suppress(ValueError, IndexError):
            if error:
                raise error

    if passes:
        run()
    else:
        with pytest.raises(KeyError):
            run()


def test_suppressing_nothing_suppresses_nothing() -> None:
    with pytest.raises(ValueError), light.suppress():
        raise ValueError


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIG_IGN", "SIG_DFL"])
def test_the_signals_are_the_real_ones(name: str) -> None:
    assert getattr(light.signal, name) == getattr(signal, name)


def test_none_of_the_three_is_loaded_by_it() -> None:
    check = "import sys; import tiktoken_cache_init.light; print([n for n in ('typing', 'contextlib', 'signal') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-S", "-c", check], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
