"""The pages agree with the program and with each other: links, languages, settings, version, issue forms."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from pathlib import PurePosixPath

import pytest

from tests.docs.markdown import PAGES, read, spans
from tests.machine import ROOT
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import ENCODINGS
from tiktoken_cache_init.errors import EXIT_CODES
from tiktoken_cache_init.settings import COMMANDS, SETTINGS
from tiktoken_cache_init.values import SOURCES

LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True).stdout.split()


def resolves(page: str, link: str) -> bool:
    """Return whether a link names a file of the project, and an existing heading if it names one."""
    # The tests do not reach the internet, and the other links lead to the code host's own pages.
    if link.startswith(("https://", "http://", "../../actions/", "../../../issues/")):
        return True
    path, _, anchor = link.partition("#")
    target = ROOT / PurePosixPath(page).parent / path if path else ROOT / page
    if not target.resolve().is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in {section.anchor for section in read(str(target.resolve().relative_to(ROOT)))}


@pytest.mark.parametrize("page", [name for name in LISTED if name.endswith(".md")])
def test_every_link_has_a_target(page: str) -> None:
    assert [link for section in read(page) for link in section.links if not resolves(page, link)] == []


def english(text: str) -> str:
    """Return a link or a file name as it is on the English page. The anchor of a heading is in the page's language."""
    return re.sub("#.*", "", text).replace(".zh-CN.md", ".md")


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_sections(page: str) -> None:
    pages = [read(f"{page}.md"), read(f"{page}.zh-CN.md")]
    assert [section.level for section in pages[0]] == [section.level for section in pages[1]]
    for one, other in zip(*pages, strict=True):
        fences = [
            [fence.text if "differs" not in fence.language else "differs" for fence in section.fences]
            for section in (one, other)
        ]
        assert fences[0] == fences[1], other.title
        links = [{english(link) for link in section.links} for section in (one, other)]
        if one.level > 1:
            assert links[0] == links[1], other.title
        # Readers look a row up by the code in its first cell.
        rows = [[set(spans(row[0])) for table in section.tables for row in table] for section in (one, other)]
        assert rows[0] == rows[1], other.title


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/settings.zh-CN.md"])
def test_the_tables_of_settings_are_those_of_the_program(page: str) -> None:
    settings, commands, codes = (table[1:] for section in read(page) for table in section.tables)
    found = {spans(row[0])[0]: row for row in settings}
    assert list(found) == [setting.variable for setting in SETTINGS]
    for setting in SETTINGS:
        _, option, _, default, used = found[setting.variable]
        assert spans(option.replace("\\|", "|")) == [f"{setting.option} {setting.metavar}"]
        assert set(spans(setting.default_note) if setting.default_note else spans(f"`{setting.default}`")) <= set(
            spans(default)
        )
        assert tuple(re.split("[,、] ?", used)) == setting.commands
    assert [spans(row[0])[0] for row in commands] == list(COMMANDS)
    assert [spans(row[0])[0] for row in codes] == list(EXIT_CODES)


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/settings.zh-CN.md"])
def test_the_pages_of_settings_name_every_encoding_and_source(page: str) -> None:
    named = {span for section in read(page) for span in spans(section.prose)}
    assert {*(known.name for known in ENCODINGS), *SOURCES} - named == set(), f"describe it in {page}"


PLACES = {
    "README.md": r"badge/version-(.+)-blue",
    "README.zh-CN.md": r"badge/version-(.+)-blue",
    "docs/settings.md": r"^tiktoken-cache-init (\S+): fill",
    "docs/settings.zh-CN.md": r"^tiktoken-cache-init (\S+): fill",
}
"""File -> pattern of the text that names the version."""


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


@pytest.mark.parametrize(("schema", "pattern"), [("issue-forms", "[!c]*.yml"), ("issue-config", "config.yml")])
def test_the_issue_forms_fit_their_schema(schema: str, pattern: str) -> None:
    files = (ROOT / ".github" / "ISSUE_TEMPLATE").glob(pattern)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.github-{schema}"]
    done = subprocess.run([*command, *files], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
