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


class Fence(NamedTuple):
    """Fenced block."""

    language: str
    """First line: the language. A second word, "differs", marks a block that is not the same in both languages."""
    text: str


class Section(NamedTuple):
    """Heading and the text below it, up to the next heading."""

    level: int
    title: str
    prose: str
    """Text without its fenced blocks."""
    fences: tuple[Fence, ...]

    @property
    def tables(self) -> list[list[list[str]]]:
        """Each table as rows of cells; its head is the first row."""
        found: list[list[list[str]]] = []
        for block in re.findall(r"(?:^\|.*\n)+", self.prose, re.MULTILINE):
            rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
            found.append([row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)])
        return found

    @property
    def links(self) -> list[str]:
        """Targets of links and pictures."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    @property
    def anchor(self) -> str:
        """Anchor that code hosts give the heading."""
        kept = re.sub(r"[^\w\- ]", "", self.title.replace("`", "").strip().lower())
        return kept.replace(" ", "-")


def spans(text: str) -> list[str]:
    """Return the texts in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def read(path: str) -> list[Section]:
    """Return the sections of a page; ``path`` is relative to the project."""
    sections: list[Section] = []
    fence: list[str] | None = None
    language = ""
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if fence is None:
                fence, language = [], line[3:].strip()
            else:
                closed = Fence(language, "\n".join(fence))
                sections[-1] = sections[-1]._replace(fences=(*sections[-1].fences, closed))
                fence = None
        elif fence is not None:
            fence.append(line)
        elif heading := re.match(r"(#+) (.*)", line):
            sections.append(Section(len(heading[1]), heading[2], "", ()))
        elif sections:
            sections[-1] = sections[-1]._replace(prose=f"{sections[-1].prose}{line}\n")
    return sections


def section(path: str, title: str) -> Section:
    """Return the one section with a title."""
    [found] = [each for each in read(path) if each.title == title]
    return found


def messages() -> set[str]:
    """Return the messages that readers can look up in docs/troubleshooting.md; ``...`` stands for any text."""
    tables = [table for section in read("docs/troubleshooting.md") for table in section.tables]
    return {span for table in tables for row in table[1:] for span in spans(row[0])}


def quotes(message: str, text: str) -> bool:
    """Return whether a text contains a message, in which ``...`` stands for anything on one line."""
    return re.search(".*".join(re.escape(part) for part in message.split("...")), text) is not None
