"""README.zh-CN.md is README.md in Chinese: what differs is the language."""

from __future__ import annotations

from tests.docs.markdown import Section, read, spans

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"


def differences(english: list[Section], chinese: list[Section]) -> list[str]:
    """Say, a line each, what one page has and the other has not."""
    levels = [[section.level for section in page] for page in (english, chinese)]
    if levels[0] != levels[1]:
        titles = [
            " / ".join(f"{'#' * section.level} {section.title}" for section in page) for page in (english, chinese)
        ]
        return [f"the sections differ:\n  {ENGLISH}: {titles[0]}\n  {CHINESE}: {titles[1]}"]
    found = []
    for one, other in zip(english, chinese, strict=True):
        where = f"'{one.title}' / '{other.title}'"
        found += [f"{where}: {problem}" for problem in _in_section(one, other)]
    return found


def _in_section(english: Section, chinese: Section) -> list[str]:
    found = []
    blocks = [[f.lines if f.language != "mermaid" else ("(a picture)",) for f in s.fences] for s in (english, chinese)]
    if blocks[0] != blocks[1]:
        found.append(f"fenced blocks:\n  {ENGLISH}: {blocks[0]}\n  {CHINESE}: {blocks[1]}")
    links = [sorted(link for link in s.links if link not in (ENGLISH, CHINESE)) for s in (english, chinese)]
    if links[0] != links[1]:
        found.append(f"links:\n  {ENGLISH}: {links[0]}\n  {CHINESE}: {links[1]}")
    tables = [s.tables for s in (english, chinese)]
    if [len(table) for table in tables[0]] != [len(table) for table in tables[1]]:
        return [*found, f"rows of its tables: {[len(t) for t in tables[0]]} and {[len(t) for t in tables[1]]}"]
    for one, other in zip(*tables, strict=True):
        for mine, yours in zip(one, other, strict=True):
            code = [[sorted(spans(cell)) for cell in row] for row in (mine, yours)]
            if code[0] != code[1]:
                found.append(f"code in a row of its table:\n  {ENGLISH}: {mine}\n  {CHINESE}: {yours}")
    if not tables[0] and sorted(set(spans(english.prose))) != sorted(set(spans(chinese.prose))):
        only = set(spans(english.prose)) ^ set(spans(chinese.prose))
        found.append(f"code in its text that only one of them has: {sorted(only)}")
    return found


def test_both_languages_say_the_same() -> None:
    found = differences(read(ENGLISH), read(CHINESE))
    assert not found, f"{ENGLISH} and {CHINESE} differ:\n" + "\n".join(found)


def test_both_languages_lead_to_each_other() -> None:
    assert CHINESE in read(ENGLISH)[0].links
    assert ENGLISH in read(CHINESE)[0].links


def test_the_chinese_page_is_in_chinese() -> None:
    english = [section.title for section in read(CHINESE)[1:] if section.title.isascii()]
    assert english == []
