"""A hundred fills of one volume at once, while a reader reads the final names."""

from __future__ import annotations

import errno
import multiprocessing
import os
import sys
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.states import REPEATED, State, changed, place, slug, snapshot, temporary
from tests.vocabularies import SMALL
from tiktoken_cache_init import place as baked
from tiktoken_cache_init.cli import main

COUNT = 100


def fill(arguments: list[str], vocabularies: str, locks: bool, log: Path, together: Barrier) -> None:
    """Run a fill in this process, at the same moment as the others."""
    baked.BAKED_DIR = vocabularies
    # The test itself, which reads the volume, also needs processor time.
    os.nice(10)
    if not locks:
        patch("fcntl.flock", side_effect=OSError(errno.ENOLCK, "No locks available")).start()
    with log.open("w", encoding="utf-8") as output:
        together.wait()
        code = main(arguments, {"PATH": os.defpath}, output, output)
    sys.exit(code)


def read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no-locks"])
@pytest.mark.parametrize("state", REPEATED, ids=slug)
def test_a_hundred_fills_at_once_succeed_and_no_reader_sees_half_a_file(
    state: State, locks: bool, vocabularies: Path, tmp_path: Path
) -> None:
    # An interpreter takes longer to start than a fill, so the processes are forked from one that has the modules.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "tiktoken_cache_init.fill", "tiktoken_cache_init.sources.files"])
    together = processes.Barrier(COUNT + 1)
    with place(vocabularies, SMALL) as at:
        at.make(state)
        before = snapshot(at.volume)
        right = {at.volume / v.cache_key: (at.vocabularies / v.cache_key).read_bytes() for v in SMALL}
        allowed = {path: {read(path), None, content} for path, content in right.items()}
        arguments = ["fill", "--cache-dir", str(at.volume), "--encodings", "gpt2", "--sources", "baked"]
        source = str(at.vocabularies) if state.baked else "/nowhere"
        logs = [tmp_path / str(number) for number in range(COUNT)]
        fills = [processes.Process(target=fill, args=(arguments, source, locks, log, together)) for log in logs]
        for each in fills:
            each.start()
        together.wait()
        torn = 0
        while any(each.is_alive() for each in fills):
            for path, content in right.items():
                found = read(path)
                torn += found not in allowed[path]
                # A right file stays right. Before, a file cannot replace a directory in one step.
                if found == content:
                    allowed[path] = {content}
        said = {log.read_text().strip().rpartition("\n")[2] for log in logs}
        assert (Counter(each.exitcode for each in fills), torn) == ({0: COUNT}, 0), said
        after = snapshot(at.volume)
        assert changed(at.names("cache"), before, after) == []
        assert {name: after[name].content for name in at.names("cache")} == {v.cache_key: v.sha256 for v in SMALL}
        # Without locks, only the age of a temporary file shows that its run has ended.
        assert temporary(after) <= (set() if locks else temporary(before))
