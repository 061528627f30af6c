from __future__ import annotations

from pathlib import Path

import pytest

from tiktoken_cache_init import place


def test_the_image_is_recognised_by_its_baked_vocabularies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(place, "BAKED_DIR", str(tmp_path))
    assert place.in_image()
    monkeypatch.setattr(place, "BAKED_DIR", str(tmp_path / "none"))
    assert not place.in_image()
