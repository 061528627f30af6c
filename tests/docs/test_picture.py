"""docs/terminal.svg shows what the commands print today."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.docs.picture import COLUMNS, PICTURE, drawn, session, text_of
from tests.docs.shell import Shell


def test_the_picture_shows_a_real_run(with_image: Shell) -> None:
    now = text_of(drawn(session(with_image)))
    assert text_of(PICTURE.read_text(encoding="utf-8")) == now, "run `python -m tests.docs.picture`"


def test_every_line_fits_the_picture() -> None:
    root = ElementTree.parse(PICTURE).getroot()
    lines = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert lines
    assert [line for line in lines if len(line) > COLUMNS] == []
