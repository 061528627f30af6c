"""The real vocabularies that other tests use, and the results of the package for them."""

import hashlib
from pathlib import Path

import pytest

from tests import vocabularies as module
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.volume.identify import looks_like


@pytest.mark.parametrize("known", VOCABULARIES, ids=lambda known: known.published_name)
def test_size_and_digest_are_those_of_the_real_file(vocabularies: Path, known: Vocabulary) -> None:
    content = (vocabularies / known.cache_key).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (known.size, known.sha256)
    assert looks_like(content) is None


def test_other_bytes_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_content", lambda _name, _downloads: b"other bytes")
    with pytest.raises(ValueError, match="digest"):
        module.obtain(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_obtained_again_and_a_complete_directory_is_not(
    vocabularies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {v.published_name: (vocabularies / v.cache_key).read_bytes() for v in VOCABULARIES}
    obtained: list[str] = []

    def content(name: str, _: Path) -> bytes:
        obtained.append(name)
        return right[name]

    monkeypatch.setattr(module, "_content", content)
    for path in module.obtain(tmp_path).values():
        path.write_bytes(path.read_bytes()[:-1])
    assert {name: path.read_bytes() for name, path in module.obtain(tmp_path).items()} == right
    assert sorted(obtained) == sorted([*right, *right])
    module.obtain(tmp_path)
    assert len(obtained) == 2 * len(right)
