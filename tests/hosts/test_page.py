"""docs/hosts.md quotes only messages that the command can print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.containers.engine import ROOT

PAGE = (ROOT / "docs" / "hosts.md").read_text()
_, *ROWS = (line.split(" | ") for line in PAGE.splitlines() if line.startswith("| "))
QUOTED = [quoted for row in ROWS for quoted in re.findall(r"`([^`]+)`", row[1])]


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_message_exists(quoted: str) -> None:
    sources: list[Path] = sorted((ROOT / "tiktoken_cache_init").rglob("*.py"))
    assert any(quoted in re.sub(r'"\s+f?"', "", path.read_text()) for path in sources)


def test_the_page_has_a_row_for_each_cause() -> None:
    assert len(ROWS) == 15
    assert len(QUOTED) == 15
    # It has no row, because the command works there.
    assert "On macOS without Docker" in PAGE
