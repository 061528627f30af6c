"""What is made of the benchmarks' figures. Nothing is timed here."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import readme, table
from benchmarks.picture import Bar, Panel, draw, panels
from benchmarks.results import RESULTS, Crowd, Measured, Moved, Results, Size
from benchmarks.table import GOALS, Goal
from image.size import BUDGETS, overdrawn
from image.size import Size as Weighed

TIMES = {
    "container.copy": 0.2,
    "container.careful": 0.25,
    "container.cold": 0.22,
    "container.warm": 0.21,
    "container.tiktoken": 1.0,
    "container.fetch": 0.33,
    "container.httpx": 0.3,
    "container.curl": 0.25,
    "container.pip": 1.5,
    "alone.bare": 0.01,
    "alone.cold": 0.05,
    "alone.warm": 0.03,
    "alone.fetch": 0.15,
    "alone.httpx": 0.15,
    "alone.tiktoken": 0.9,
}


@pytest.fixture
def results() -> Results:
    """Invented figures: each command takes its time in the middle of three runs, and 20 MB; tiktoken takes 200."""
    found = Results(
        "2026-01-01", "abc", {"processor": "2 cores, a processor", "kernel": "Linux", "engine": "Docker"}, 3
    )
    for key, seconds in TIMES.items():
        peak = 200_000_000 if key.endswith("tiktoken") else 20_000_000
        found.measured[key] = Measured(key, [seconds * 2, seconds, seconds / 2], [0.01] * 3, [peak] * 3)
    for key in ("default", "offline", "copy", "careful", "curl", "python"):
        found.sizes[key] = Size(key, 10_600_000, 25_500_000)
    found.moved.append(Moved("cut", 1000, 1100, 3))
    found.crowds.append(Crowd(10, 2.5))
    return found


def row(results: Results, title: str) -> list[str]:
    [line] = [line for line in table.goals(results).splitlines() if line.startswith(f"| {title} ")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_a_goal_is_met_up_to_its_ratio(results: Results) -> None:
    title = "cold fill, beside bare `cp`"
    assert row(results, title) == [title, "220.0 ms", "200.0 ms", "1.10x", "<= 1.18x", "met"]


def test_a_goal_is_missed_beyond_its_ratio(results: Results) -> None:
    title = "process alone, cold, beside a bare interpreter"
    assert row(results, title)[3:] == ["5.00x", "<= 4.50x", "MISSED"]


def test_memory_is_held_against_megabytes(results: Results) -> None:
    assert row(results, "peak memory, cold")[3:] == ["20.0 MB", "<= 25 MB", "met"]
    results.measured["alone.cold"].peak_bytes = [25_100_000]
    assert row(results, "peak memory, cold")[5] == "MISSED"


def test_times_faster_must_reach_the_goal(results: Results) -> None:
    assert row(results, "times faster than tiktoken, warm")[3:] == ["30.0x", ">= 15x", "met"]
    results.measured["alone.warm"].seconds = [0.07]
    assert row(results, "times faster than tiktoken, warm")[3:] == ["12.9x", ">= 15x", "MISSED"]


def test_a_row_without_a_goal_is_neither_met_nor_missed(results: Results) -> None:
    assert row(results, "fetching, beside `curl`")[3:] == ["1.32x", "", ""]


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.title)
def test_every_goal_names_commands_that_are_measured(goal: Goal, results: Results) -> None:
    assert table.value(results, goal) > 0


def test_results_are_read_back_as_they_were_written(results: Results, tmp_path: Path) -> None:
    saved = tmp_path / "results.json"
    saved.write_text(results.text())
    assert Results.load(saved) == results


def test_the_report_has_every_figure(results: Results) -> None:
    text = table.report(results)
    for figure in ("2 cores, a processor", " 1,100 | ", "1.100x", "2.50", "10.60", "process alone: alone.bare"):
        assert figure in text


def test_bars_are_as_long_as_their_amounts() -> None:
    drawn = ET.fromstring(draw([Panel("p", [Bar("a", 4e6, "4", True), Bar("b", 1e6, "1", False)])]))
    bars = [bar for bar in drawn.iter("{http://www.w3.org/2000/svg}rect") if bar.attrib["class"] != "ground"]
    long, short = (float(bar.attrib["width"]) for bar in bars)
    assert long == pytest.approx(4 * short, rel=0.01)
    assert 100 < long < float(drawn.attrib["width"])


def test_the_picture_is_well_formed_and_has_a_dark_side(results: Results) -> None:
    text = draw(panels(results))
    ET.fromstring(text)
    assert "prefers-color-scheme: dark" in text
    assert text.count(".ground {") == 2, "the page around it can be dark where the reader's system is not"


def test_a_title_cannot_break_the_picture() -> None:
    ET.fromstring(draw([Panel("<&", [Bar("a < b & c", 1.0, "<1", True)])]))


def test_figures_take_the_place_between_the_markers(results: Results) -> None:
    once = readme.quoting(f"before\n{readme.BEGIN}old\n{readme.END}\nafter\n", results, "en")
    assert once == f"before\n{readme.BEGIN}{readme.figures(results, 'en')}{readme.END}\nafter\n"
    assert readme.quoting(once, results, "en") == once


def test_a_text_without_markers_stays_as_it_is(results: Results) -> None:
    assert readme.quoting("nothing here\n", results, "en") == "nothing here\n"


def test_both_languages_quote_the_same_figures(results: Results) -> None:
    figures = [
        [word for word in readme.figures(results, language).split() if word.replace(".", "").isdigit()]
        for language in ("en", "zh")
    ]
    assert figures[0] == figures[1]
    assert "0.22" in figures[0]


def test_the_documentation_quotes_the_results_that_are_kept() -> None:
    if not RESULTS.exists():
        quoting = [path.name for path in readme.READMES.values() if path.exists() and readme.BEGIN in path.read_text()]
        assert quoting == [], "figures without results.json"
        return
    for path, text in readme.outputs(Results.load()).items():
        assert path.read_text(encoding="utf-8") == text, f"python -m benchmarks.readme would change {path.name}"


@pytest.mark.skipif(not RESULTS.exists(), reason="nothing has been measured")
@pytest.mark.parametrize("target", ["default", "offline"])
def test_no_image_is_quoted_that_is_over_its_budget(target: str) -> None:
    size = Results.load().sizes[target]
    assert not overdrawn(Weighed(size.compressed, size.on_disk, ()), BUDGETS[target]), "measure anew: make benchmarks"
