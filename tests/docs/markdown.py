"""Parser of Markdown pages: headings, fenced blocks, tables and links, as far as the pages here use them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.machine import ROOT

PAGES = (
    "README",
    "docs/settings",
    "docs/troubleshooting",
    "docs/consumers",
    "docs/building",
    "docs/without-a-registry",
    "docs/kubernetes",
)
"""Pages for users, without the end of the name. Each is in English and in Chinese."""

FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```\n", re.MULTILINE)


class Section(NamedTuple):
    """Heading and the text below it, up to the next heading."""

    level: int
    title: str
    text: str

    @property
    def fences(self) -> list[tuple[str, str]]:
        """Language and text of each fenced block.

        The second word of the language "sh differs" marks a block that is not the same in both languages.
        """
        return FENCE.findall(self.text)

    @property
    def prose(self) -> str:
        """Text without its fenced blocks."""
        return FENCE.sub("", self.text)

    @property
    def tables(self) -> list[list[list[str]]]:
        """Each table as rows of cells; its head is the first row."""
        blocks = re.findall(r"(?:^\|.*\n)+", self.prose, re.MULTILINE)
        rows = [[re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()] for block in blocks]
        return [[[cell.strip() for cell in row] for row in (head, *body)] for head, _, *body in rows]

    @property
    def links(self) -> list[str]:
        """Targets of links and pictures."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    @property
    def anchor(self) -> str:
        """Anchor that code hosts give the heading."""
        return re.sub(r"[^\w\- ]", "", self.title.strip().lower()).replace(" ", "-")


def spans(text: str) -> list[str]:
    """Return the texts in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def read(path: str) -> list[Section]:
    """Return the sections of a page; ``path`` is relative to the project. No fenced block has a line that starts with #."""
    _, *parts = re.split(r"^(#+) (.*)\n", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [Section(len(level), *rest) for level, *rest in zip(parts[::3], parts[1::3], parts[2::3], strict=True)]


def section(path: str, title: str) -> Section:
    """Return the one section with a title."""
    [found] = [each for each in read(path) if each.title == title]
    return found


def blocks(page: str) -> list[str]:
    """Return the blocks of commands of a page: those of the English page, then those that only the Chinese page has."""
    sections = [section for end in (".md", ".zh-CN.md") for section in read(f"{page}{end}")]
    texts = [text for section in sections for language, text in section.fences if language.startswith("sh")]
    return list(dict.fromkeys(texts))


def messages() -> set[str]:
    """Return the messages that readers can look up in docs/troubleshooting.md; ``...`` stands for any text."""
    tables = [table for section in read("docs/troubleshooting.md") for table in section.tables]
    return {span for table in tables for row in table[1:] for span in spans(row[0])}


def quotes(message: str, text: str) -> bool:
    """Return whether a text contains a message, in which ``...`` stands for anything on one line."""
    return re.search(".*".join(re.escape(part) for part in message.split("...")), text) is not None
