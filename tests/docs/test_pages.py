"""The pages agree with the program and with each other: links, languages, settings, version."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.markdown import PAGES, Section, read, spans
from tests.machine import ROOT
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import ENCODINGS
from tiktoken_cache_init.errors import EXIT_CODES
from tiktoken_cache_init.settings import COMMANDS, SETTINGS
from tiktoken_cache_init.values import SOURCES

LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
BOTH_SETTINGS = pytest.mark.parametrize("page", ["docs/settings.md", "docs/settings.zh-CN.md"])


def resolves(page: str, link: str) -> bool:
    """Return whether a link names a file of the project, and an existing heading if it names one."""
    # The tests do not reach the internet, and the other links lead to the code host's own pages.
    if link.startswith(("https://", "http://", "../../actions/", "../../../issues/")):
        return True
    path, _, anchor = link.partition("#")
    target = ((ROOT / page).parent / path if path else ROOT / page).resolve()
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in {section.anchor for section in read(str(target.relative_to(ROOT)))}


@pytest.mark.parametrize("page", LISTED.split())
def test_every_link_has_a_target(page: str) -> None:
    assert [link for section in read(page) for link in section.links if not resolves(page, link)] == []


def shape(section: Section) -> object:
    """Return everything that a section has in both languages: its level, blocks, links, and the codes in its tables."""
    fences = ["differs" if "differs" in language else text for language, text in section.fences]
    # The anchor of a heading is in the page's language.
    links = {re.sub("#.*", "", link).replace(".zh-CN.md", ".md") for link in section.links if section.level > 1}
    # Readers look a row up by the code in its first cell.
    rows = [[set(spans(row[0])) for row in table] for table in section.tables]
    return section.level, fences, links, rows


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_sections(page: str) -> None:
    assert list(map(shape, read(f"{page}.md"))) == list(map(shape, read(f"{page}.zh-CN.md")))


@BOTH_SETTINGS
def test_the_tables_of_settings_are_those_of_the_program(page: str) -> None:
    settings, commands, codes = (table[1:] for section in read(page) for table in section.tables)
    for (variable, option, _, default, used), setting in zip(settings, SETTINGS, strict=True):
        assert spans(variable) == [setting.variable]
        assert spans(option.replace("\\|", "|")) == [f"{setting.option} {setting.metavar}"]
        assert set(spans(setting.default_note or f"`{setting.default}`")) <= set(spans(default))
        assert tuple(re.split("[,、] ?", used)) == setting.commands
    assert [spans(row[0])[0] for row in commands] == list(COMMANDS)
    assert [spans(row[0])[0] for row in codes] == list(EXIT_CODES)


@BOTH_SETTINGS
def test_the_pages_of_settings_name_every_encoding_and_source(page: str) -> None:
    named = {span for section in read(page) for span in spans(section.prose)}
    assert {*(known.name for known in ENCODINGS), *SOURCES} - named == set(), f"describe it in {page}"


@pytest.mark.parametrize(
    ("paths", "pattern"),
    [
        ("README*.md", r"badge/version-(.+)-blue"),
        ("docs/settings*.md", r"^tiktoken-cache-init (\S+): fill"),
        ("deploy/kubernetes/**/*.yaml", r"(?: tiktoken-cache-init:|newTag: )(.+)"),
    ],
)
def test_the_version_is_that_of_the_program(paths: str, pattern: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob(paths))
    assert set(re.findall(pattern, text, re.MULTILINE)) == {__version__}


def test_the_changelog_begins_with_this_version() -> None:
    first = next(section.title for section in read("CHANGELOG.md") if section.level == 2)
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", first)
