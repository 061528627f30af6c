"""Check of the files that are handed in to the build. It needs no engine."""

from __future__ import annotations

from pathlib import Path

from image.handed_in import problems
from tiktoken_cache_init.catalogue import VOCABULARIES


def test_only_wrong_bytes_under_a_known_name_are_refused(tmp_path: Path, vocabularies: Path) -> None:
    cl100k = VOCABULARIES[0]
    (tmp_path / cl100k.published_name).write_bytes((vocabularies / cl100k.cache_key).read_bytes())
    (tmp_path / "README").write_text("not a vocabulary")
    assert problems(tmp_path) == []
    (tmp_path / cl100k.cache_key).write_bytes(b"")
    [problem] = problems(tmp_path)
    assert problem.startswith(f"error: {cl100k.cache_key}: wrong bytes were handed in: SHA-256 is e3b0c442")
    assert f"must be {cl100k.sha256}: " in problem
