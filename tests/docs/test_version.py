"""The same version in every file, and its date in the changelog."""

from __future__ import annotations

import datetime
import re

import pytest

from tests.containers.engine import ROOT
from tests.docs.markdown import read
from tiktoken_cache_init import __version__

PLACES = {
    "README.md": r"^Version (\S+) ·",
    "README.zh-CN.md": r"^版本 (\S+) ·",
    "docs/output.md": r"^tiktoken-cache-init (\S+): fill",
    "docs/terminal.svg": r">tiktoken-cache-init (\S+): fill",
}
"""File -> pattern of the line that names the version."""


@pytest.mark.parametrize("name", PLACES)
def test_the_version_is_that_of_the_program(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(PLACES[name], text, re.MULTILINE) == [__version__]


def test_the_changelog_begins_with_this_version() -> None:
    first = next(section.title for section in read("CHANGELOG.md") if section.level == 2)
    found = re.fullmatch(r"\[(.+)\] - (\d{4}-\d\d-\d\d)", first)
    assert found, first
    assert found[1] == __version__
    datetime.date.fromisoformat(found[2])


def test_both_front_pages_give_the_same_figures() -> None:
    first = [
        next(line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if "linux/arm64" in line)
        for name in ("README.md", "README.zh-CN.md")
    ]
    sizes = [re.findall(r"[\d.]+ MB", line) for line in first]
    assert len(sizes[0]) == 1
    assert sizes[0] == sizes[1]
