"""Check of the files that are handed in to the build. It needs no engine."""

from __future__ import annotations

from pathlib import Path

from image.handed_in import problems
from tests.vocabularies import CL100K


def test_only_wrong_bytes_under_a_known_name_are_refused(tmp_path: Path, vocabularies: Path) -> None:
    (tmp_path / CL100K.published_name).write_bytes((vocabularies / CL100K.cache_key).read_bytes())
    (tmp_path / "README").write_text("not a vocabulary")
    assert problems(tmp_path) == []
    (tmp_path / CL100K.cache_key).write_bytes(b"")
    [problem] = problems(tmp_path)
    assert problem.startswith(f"error: {CL100K.cache_key}: wrong bytes were handed in: SHA-256 is e3b0c442")
    assert f"must be {CL100K.sha256}: " in problem
