"""Every link between the pages leads to a file and a heading."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.containers.engine import ROOT
from tests.docs.markdown import pages, read


@pytest.mark.parametrize("page", pages())
def test_every_link_has_a_target(page: str) -> None:
    broken = [link for section in read(page) for link in section.links if not resolves(page, link)]
    assert broken == []


def resolves(page: str, link: str) -> bool:
    """Return whether a link names a file or a directory of the project, and an existing heading if it names one."""
    if link.startswith(("https://", "http://")):
        # The tests do not reach the internet.
        return True
    path, _, anchor = link.partition("#")
    target = ROOT / PurePosixPath(page).parent / path if path else ROOT / page
    if not target.resolve().is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in {section.anchor for section in read(str(target.resolve().relative_to(ROOT)))}


@pytest.mark.parametrize(
    ("link", "right"),
    [("SECURITY.md", True), ("NOTHING.md", False), ("README.md#quick-start", True), ("README.md#quick-strat", False)],
)
def test_a_broken_link_is_detected(link: str, right: bool) -> None:
    assert resolves("README.md", link) is right
