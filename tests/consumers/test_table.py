"""The table of consumers in the documentation, compared with the runs, and in both languages."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.consumers.known import CONSUMERS, COUNTS_WRONGLY, EMBEDDED, LANGCHAIN_JS

DOCS = Path(__file__).parents[2] / "docs"
RUN = {consumer.name: consumer for consumer in (*CONSUMERS, *EMBEDDED, LANGCHAIN_JS)}

Row = list[str]


def rows(page: str) -> list[Row]:
    """Return the rows of every table, without the heads."""
    lines = (DOCS / page).read_text().splitlines()
    heads = {line for line, below in itertools.pairwise(lines) if below.startswith("|---")}
    found = [line for line in lines if line.startswith("| ") and line not in heads]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


ROWS = rows("consumers.md")
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}")


@each_row
def test_a_row_says_how_it_was_tested(row: Row) -> None:
    assert len(row) == 7
    how = row[-1]
    assert "run" in how or "read in its source" in how or "read in its pull requests" in how
    assert set(spans(how)) <= set(RUN)
    assert bool(spans(how)) == ("run" in how)


@each_row
def test_a_row_of_a_run_says_what_the_run_showed(row: Row) -> None:
    if row[-1].startswith("run: "):
        for consumer in (RUN[name] for name in spans(row[-1])):
            shown = "starts and counts wrong" if consumer.without == COUNTS_WRONGLY else consumer.without
            assert shown in row[5].replace("`", "")
            assert not consumer.variable or f"`{consumer.variable}`" in row[3] + row[4] or consumer.variable in row[4]


@each_row
def test_a_row_of_a_stand_in_has_a_directory_or_an_example_that_is_run(row: Row) -> None:
    if "stand-in" in row[-1]:
        assert "../examples/" in row[4] or "../docker-compose" in row[4] or "mount the volume there" in row[4]


def test_every_consumer_that_is_run_has_a_row() -> None:
    assert {name for row in ROWS for name in spans(row[-1])} == set(RUN)


def test_both_languages_have_the_same_rows() -> None:
    def facts(row: Row) -> list[object]:
        return [sorted(spans(cell)) + sorted(re.findall(r"\]\((.*?)\)", cell)) for cell in row]

    assert list(map(facts, ROWS)) == list(map(facts, rows("consumers.zh-CN.md")))
