"""What the image's modules are found by, without an engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from image.closure import Closure, Left, Use, close_over
from image.handed_in import problems
from tiktoken_cache_init.catalogue import VOCABULARIES

Close = Callable[..., Closure]


@pytest.fixture
def closed(tmp_path: Path) -> Close:
    """Write modules, and close over the one called ``start``."""

    def close(*left_out: tuple[str, str], **sources: str) -> Closure:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        return close_over(["start"], [str(tmp_path)], dict.fromkeys(left_out, "a reason"))

    return close


@pytest.mark.parametrize(
    "source",
    [
        "import other",
        "from other import anything",
        "def later():\n    import other",
        "try:\n    pass\nexcept OSError:\n    import other",
        "try:\n    import other\nexcept ImportError:\n    pass",
        "class Some:\n    if unknown:\n        from other import x",
    ],
)
def test_an_import_is_followed_wherever_it_stands(closed: Close, source: str) -> None:
    assert set(closed(start=source, other="").modules) == {"start", "other"}


@pytest.mark.parametrize(
    "source",
    ["if TYPE_CHECKING:\n    import other", "if sys.platform == 'win32':\n    import other", "'import other'"],
)
def test_an_import_that_is_never_carried_out_is_not_followed(closed: Close, source: str) -> None:
    assert set(closed(start=source, other="").modules) == {"start"}


def test_a_package_comes_with_its_module(closed: Close, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__init__.py").write_text("from . import missing\nimport other")
    (tmp_path / "folder" / "module.py").write_text("")
    found = closed(start="import folder.module", other="")
    assert set(found.modules) == {"start", "folder", "folder.module", "other"}


def test_an_import_that_leads_nowhere_is_told_unless_it_is_caught(closed: Close) -> None:
    assert closed(start="\nimport nowhere").unresolved == [Left("start", 2, "nowhere")]
    assert closed(start="try:\n    import nowhere\nexcept ImportError:\n    pass").unresolved == []


def test_what_is_needed_at_once_cannot_be_left_out(closed: Close) -> None:
    row = ("start", "other")
    assert closed(row, start="import other", other="").needed == [Left("start", 1, "other")]
    assert closed(row, start="def later():\n    import other", other="").needed == []


def test_a_row_that_leaves_nothing_out_is_not_counted_as_used(closed: Close) -> None:
    assert closed(("start", "other"), start="").used == set()


def test_what_is_used_of_a_replaced_module_is_told_and_what_its_replacement_imports_is_followed(tmp_path: Path) -> None:
    source = "import other as o\nfrom other import name\ndef later():\n    return o.attribute"
    (tmp_path / "start.py").write_text(source)
    (tmp_path / "other.py").write_text("import another")
    (tmp_path / "another.py").write_text("")
    found = close_over(["start"], [str(tmp_path)], {}, ["other"])
    assert found.uses == [Use("start", "other", "name"), Use("start", "other", "attribute")]
    assert set(found.modules) == {"start", "other", "another"}


def test_only_wrong_bytes_under_a_known_name_are_refused(tmp_path: Path, vocabularies: Path) -> None:
    cl100k = VOCABULARIES[0]
    (tmp_path / cl100k.published_name).write_bytes((vocabularies / cl100k.cache_key).read_bytes())
    (tmp_path / "README").write_text("not a vocabulary")
    assert problems(tmp_path) == []
    (tmp_path / cl100k.cache_key).write_bytes(b"")
    [problem] = problems(tmp_path)
    assert problem.startswith(f"{cl100k.cache_key}: wrong bytes were handed in: SHA-256 is e3b0c442")
    assert problem.endswith(f"must be {cl100k.sha256}")
