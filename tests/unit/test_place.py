from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiktoken_cache_init import place

IN_IMAGE = "/usr/lib/tiktoken-cache-init/tiktoken_cache_init"


def test_only_the_place_of_the_program_makes_it_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    # A host may also have a directory called /vocabularies.
    monkeypatch.undo()
    monkeypatch.setattr(os.path, "isdir", lambda _: True)
    assert not place.in_image()
    monkeypatch.setattr(place, "_PACKAGE_DIR", IN_IMAGE)
    assert place.in_image()


def test_vocabularies_are_baked_into_the_package() -> None:
    assert Path(place.__file__).with_name("vocabularies") == Path(place.BAKED_DIR)


@pytest.mark.parametrize("mark", ["image", "_SERVICE_ACCOUNT", "KUBERNETES_SERVICE_HOST", "PID 1", ""])
def test_a_pod_and_a_container_are_recognised(mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(place, "_PACKAGE_DIR", IN_IMAGE if mark == "image" else "/nowhere")
    monkeypatch.setattr(place, "_SERVICE_ACCOUNT", str(tmp_path if mark == "_SERVICE_ACCOUNT" else tmp_path / "none"))
    monkeypatch.setattr(os, "environ", {mark: "10.0.0.1"})
    monkeypatch.setattr(os, "getpid", lambda: 1 if mark == "PID 1" else 2)
    assert place.in_pod() == (mark in ("_SERVICE_ACCOUNT", "KUBERNETES_SERVICE_HOST"))
    assert place.in_container() == bool(mark)
