"""The bytes that other tests trust."""

import hashlib
from pathlib import Path

import pytest

from tests import vocabularies as module
from tiktoken_cache_init.catalogue import VOCABULARIES


def test_each_vocabulary_of_the_catalogue_is_there_with_its_digest(vocabularies: Path) -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vocabularies.iterdir()}
    assert {v.cache_key: v.sha256 for v in VOCABULARIES}.items() <= found.items()


def test_other_bytes_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_content", lambda _name, _downloads: b"other bytes")
    with pytest.raises(ValueError, match="digest"):
        module.obtain(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_complete_folder_costs_no_download(vocabularies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_content", lambda name, _downloads: pytest.fail(f"{name} was obtained again"))
    assert sorted(module.obtain(vocabularies).values()) == sorted(vocabularies / v.cache_key for v in VOCABULARIES)


def test_a_damaged_file_is_obtained_again(vocabularies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = {v.published_name: (vocabularies / v.cache_key).read_bytes() for v in VOCABULARIES}
    monkeypatch.setattr(module, "_content", lambda name, _downloads: right[name])
    for path in module.obtain(tmp_path).values():
        path.write_bytes(path.read_bytes()[:-1])
    assert {name: path.read_bytes() for name, path in module.obtain(tmp_path).items()} == right
