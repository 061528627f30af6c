"""Fills of random arrangements of files, links, directories and FIFOs: none crashes, hangs or changes other files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.states import Place, changed, is_right, place, snapshot, temporary
from tests.vocabularies import SMALL

A, B = (vocabulary.cache_key for vocabulary in SMALL)
PUBLISHED = [vocabulary.published_name for vocabulary in SMALL]

Node = str | dict[str, "Node"]
"""Directory, or ``KIND:TEXT``: ``file:`` and a content, ``link:`` and its text, or ``fifo:``."""
Arrangement = dict[str, Node]

names = st.one_of(st.sampled_from([A, B]), st.sampled_from([A, B, *PUBLISHED, "x", "deeper", "a\nb", "-rf"]))
contents = st.sampled_from(["first", "second", "empty", "cut", "noise"])
links = st.sampled_from([A, B, "x", "deeper/x", "nowhere", ".", "..", "/dev/zero", "../vocabularies/" + A])
leaves = st.one_of(contents.map("file:{}".format), links.map("link:{}".format), st.just("fifo:"))
nodes = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=5)


@pytest.fixture(scope="module")
def at(vocabularies: Path) -> Iterator[Place]:
    with place(vocabularies, SMALL) as at:
        yield at


def build(directory: Path, arrangement: Arrangement, content: dict[str, bytes]) -> None:
    """Make a directory with the entries of an arrangement."""
    directory.mkdir()
    for name, node in arrangement.items():
        path = directory / name
        if isinstance(node, dict):
            build(path, node, content)
            continue
        kind, _, text = node.partition(":")
        if kind == "file":
            path.write_bytes(content[text])
        elif kind == "link":
            path.symlink_to(text)
        else:
            os.mkfifo(path)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrangement=st.dictionaries(names, nodes, max_size=6), baked=st.booleans())
@example(arrangement={A: "file:second", B: "file:first"}, baked=False)
@example(arrangement={A: "file:second", B: "fifo:"}, baked=False)
@example(arrangement={A: f"link:{B}", B: f"link:{A}"}, baked=True)
@example(arrangement={A: {A: "file:first"}}, baked=True)
def test_a_fill_of_any_arrangement_succeeds_or_reports_an_error(
    arrangement: Arrangement, baked: bool, at: Place
) -> None:
    first, second = ((at.vocabularies / name).read_bytes() for name in (A, B))
    content = {"first": first, "second": second, "empty": b"", "cut": first[:200_000], "noise": b"\xff\0" * 99}
    build(at.volume, arrangement, content)
    try:
        before = snapshot(at.volume)
        fill = ("fill", "--encodings", "gpt2", "--cache-dir", str(at.volume), "--sources", "baked")
        ended = at.host(baked=baked).run(*fill)
        after = snapshot(at.volume)
        occupied = any(isinstance(arrangement.get(name), dict) and arrangement[name] for name in (A, B))
        assert ended.code in ((3,) if occupied and baked else (0,) if baked else (0, 3, 4)), ended.said
        assert "Traceback" not in ended.said
        assert changed(at.names("cache"), before, after) == []
        assert {entry.content for entry in before.values()} & {v.sha256 for v in SMALL} <= {
            e.content for e in after.values()
        }
        assert temporary(after) == set()
        if ended.code == 0:
            assert all(is_right(at.volume / vocabulary.cache_key, vocabulary) for vocabulary in SMALL)
            assert at.host(baked=baked).run(*fill).code == 0
            assert snapshot(at.volume) == after
    finally:
        shutil.rmtree(at.volume)
