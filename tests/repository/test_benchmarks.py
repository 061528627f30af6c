"""Table and picture of the benchmarks, made from invented results."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks.report import SIZES, Results, all_met, panels, picture, rows, table

SVG = "{http://www.w3.org/2000/svg}"


def results(cold: float = 0.26, copy: float = 0.23, memory: float = 20e6, default: float = 14.5e6) -> Results:
    """Return results that meet every limit, unless a value is given."""
    times = {"cold": cold, "warm": 0.25, "copy": copy, "careful": 0.26}
    sizes = {"default": default, "two-encodings": 13.2e6, "offline": 9.9e6, "copy": 3.5e6}
    return Results({key: [value] * 3 for key, value in times.items()}, {"cold": memory}, sizes, "a day, a machine")


def test_results_within_every_limit_are_met() -> None:
    assert all_met(results())
    assert "MISSED" not in table(results())


@pytest.mark.parametrize(
    "missed", [results(cold=0.28), results(copy=0.2), results(memory=26e6), results(default=14.81e6)]
)
def test_a_limit_that_is_exceeded_is_reported(missed: Results) -> None:
    assert not all_met(missed)
    assert "MISSED" in table(missed)


def test_the_table_has_times_ratios_memory_and_sizes() -> None:
    text = table(results())
    for figure in (
        "260 ms (260 to 260)",
        "1.13x",
        "1.18x",
        "20.0 MB",
        "25 MB",
        "14.50 MB",
        "14.8 MB",
        "a day, a machine",
    ):
        assert figure in text
    assert [row.title for row in rows(results()) if row.met is None] == ["compressed size: busybox and the two files"]


def test_bars_are_as_long_as_their_amounts() -> None:
    drawn = ET.fromstring(picture([("p", [("a", 4), ("b", 1)])]))
    long, short = (float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect") if bar.attrib["class"] == "peer")
    assert long == pytest.approx(4 * short, rel=0.01)
    assert 100 < long < float(drawn.attrib["width"])


def test_the_picture_has_every_title_and_a_dark_version() -> None:
    text = picture(panels(results()))
    shown = {element.text for element in ET.fromstring(text).iter(f"{SVG}text")}
    assert set(SIZES.values()) < shown
    assert text.count(".ground {") == 2
    assert "prefers-color-scheme: dark" in text


def test_a_title_cannot_break_the_picture() -> None:
    ET.fromstring(picture([("<&", [("a < b & c", 1.0)])]))
