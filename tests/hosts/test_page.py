"""docs/hosts.md quotes only what the command can print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.containers.engine import ROOT

ROWS = [line.split(" | ") for line in (ROOT / "docs" / "hosts.md").read_text().splitlines() if line.startswith("| ")][
    1:
]
QUOTED = [quoted for row in ROWS for quoted in re.findall(r"`([^`]+)`", row[1])]


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_message_exists(quoted: str) -> None:
    sources: list[Path] = sorted((ROOT / "tiktoken_cache_init").rglob("*.py"))
    assert any(quoted in re.sub(r'"\s+f?"', "", path.read_text()) for path in sources)


def test_the_page_has_a_row_for_each_cause() -> None:
    assert len(ROWS) >= 14
