"""A Chinese page has the sections, commands, links and tables of the English page."""

from __future__ import annotations

import re

import pytest

from tests.containers.engine import ROOT
from tests.docs.markdown import Section, pages, read, spans

CHINESE = [page for page in pages() if page.endswith(".zh-CN.md")]


def english_of(page: str) -> str:
    """Return the name of the English page, or the target of a link to it."""
    return page.replace(".zh-CN.md", ".md")


def differences(english: list[Section], chinese: list[Section]) -> list[str]:
    """Return one line for each difference."""
    levels = [[section.level for section in page] for page in (english, chinese)]
    if levels[0] != levels[1]:
        return [f"the headings differ: {[s.title for s in english]} and {[s.title for s in chinese]}"]
    found = []
    for one, other in zip(english, chinese, strict=True):
        found += [f"'{other.title}': {problem}" for problem in _in_section(one, other)]
    return found


def _in_section(english: Section, chinese: Section) -> list[str]:
    found = []
    fences = [section.fences for section in (english, chinese)]
    if fences[0] != fences[1]:
        found.append(f"fenced blocks: {fences[0]} and {fences[1]}")
    # The anchor of a heading is in the page's language.
    links = [sorted(english_of(re.sub("#.*", "", link)) for link in section.links) for section in (english, chinese)]
    if links[0] != links[1]:
        found.append(f"links: {links[0]} and {links[1]}")
    tables = [section.tables for section in (english, chinese)]
    if [len(table) for table in tables[0]] != [len(table) for table in tables[1]]:
        return [*found, f"rows of tables: {[len(t) for t in tables[0]]} and {[len(t) for t in tables[1]]}"]
    for one, other in zip(*tables, strict=True):
        for mine, yours in zip(one, other, strict=True):
            # Readers look a row up by its first cell.
            if code(mine[0]) != code(yours[0]):
                found.append(f"a row of a table: {mine[0]} and {yours[0]}")
    if not tables[0] and code(english.prose) != code(chinese.prose):
        found.append(f"code that only one of them has: {sorted(code(english.prose) ^ code(chinese.prose))}")
    return found


def code(text: str) -> set[str]:
    """Return the code in a text. It is the same in both languages."""
    return {english_of(span) for span in spans(text)}


@pytest.mark.parametrize("page", CHINESE)
def test_both_languages_have_the_same_structure_and_code(page: str) -> None:
    found = differences(read(english_of(page)), read(page))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", CHINESE)
def test_both_languages_link_to_each_other(page: str) -> None:
    name = page.rpartition("/")[2]
    assert name in read(english_of(page))[0].links
    assert english_of(name) in read(page)[0].links


@pytest.mark.parametrize("page", CHINESE)
def test_a_chinese_page_links_to_chinese_pages(page: str) -> None:
    links = [link for section in read(page)[1:] for link in section.links if link.endswith(".md")]
    english = [link for link in links if not link.endswith(".zh-CN.md")]
    assert [link for link in english if (ROOT / page).parent.joinpath(link.replace(".md", ".zh-CN.md")).exists()] == []


@pytest.mark.parametrize("page", CHINESE)
def test_the_headings_of_a_chinese_page_are_chinese(page: str) -> None:
    names = {"Compose", "Kubernetes"}
    assert [s.title for s in read(page)[1:] if s.title.isascii() and s.title not in names] == []
