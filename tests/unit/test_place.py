from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiktoken_cache_init import place


def test_the_image_is_recognised_by_its_baked_vocabularies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(place, "BAKED_DIR", str(tmp_path))
    assert place.in_image()
    monkeypatch.setattr(place, "BAKED_DIR", str(tmp_path / "none"))
    assert not place.in_image()


@pytest.mark.parametrize("mark", ["BAKED_DIR", "_SERVICE_ACCOUNT", "KUBERNETES_SERVICE_HOST", "PID 1", ""])
def test_a_pod_and_a_container_are_recognised(mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("_SERVICE_ACCOUNT", "BAKED_DIR"):
        monkeypatch.setattr(place, name, str(tmp_path if mark == name else tmp_path / "none"))
    monkeypatch.setattr(os, "environ", {mark: "10.0.0.1"})
    monkeypatch.setattr(os, "getpid", lambda: 1 if mark == "PID 1" else 2)
    assert place.in_pod() == (mark in ("_SERVICE_ACCOUNT", "KUBERNETES_SERVICE_HOST"))
    assert place.in_container() == bool(mark)
