"""A hundred fills of one volume at once, while a reader reads the final names."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.containers.engine import ROOT
from tests.states import REPEATED, Place, State, changed, place, slug, snapshot, temporary
from tests.vocabularies import SMALL

COUNT = 100
WITHOUT_LOCKS = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK")


class Watcher:
    """Reader of every final name, again and again, like a consumer that starts at any moment."""

    def __init__(self, at: Place) -> None:
        self._right = {
            at.volume / name: (at.vocabularies / v.cache_key).read_bytes() for name, v in at.names("cache").items()
        }
        self._old = {path: _read(path) for path in self._right}
        self._arrived: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.reads = 0
        self.torn = 0
        """Number of reads that gave neither the right file nor the old content, or lost a right file."""

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()

    def look(self) -> None:
        """Read every name once."""
        for path, right in self._right.items():
            content = _read(path)
            self.reads += 1
            if content == right:
                self._arrived.add(path)
            # A file cannot replace a directory in one step, so the name is absent for a moment.
            elif path in self._arrived or content not in (self._old[path], None):
                self.torn += 1


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


@pytest.mark.parametrize(
    "wrapper",
    [pytest.param((), id="locks"), pytest.param(WITHOUT_LOCKS, id="no-locks", marks=pytest.mark.needs("strace"))],
)
@pytest.mark.parametrize("state", REPEATED, ids=slug)
def test_a_hundred_fills_at_once_succeed_and_no_reader_sees_half_a_file(
    state: State, wrapper: tuple[str, ...], vocabularies: Path
) -> None:
    with place(vocabularies, SMALL) as at:
        at.make(state)
        before = snapshot(at.volume)
        fill = ["fill", "--cache-dir", str(at.volume), "--encodings", "gpt2", "--sources", "baked"]
        command = [
            *wrapper,
            sys.executable,
            "-m",
            "tests.crowd",
            str(COUNT),
            str(at.vocabularies) if state.baked else "/nowhere",
            *fill,
        ]
        with Watcher(at) as watcher:
            done = subprocess.run(
                [*command, *state.arguments], check=True, cwd=ROOT, capture_output=True, text=True, timeout=300
            )
        ended = json.loads(done.stdout)
        last_lines = {log.strip().rpartition("\n")[2] for code, log in ended if code}
        assert (Counter(code for code, _ in ended), watcher.torn) == ({0: COUNT}, 0), last_lines
        assert watcher.reads > 0
        after = snapshot(at.volume)
        assert changed(at.names("cache"), before, after) == []
        assert {name: after[name].content for name in at.names("cache")} == {v.cache_key: v.sha256 for v in SMALL}
        # Without locks, only the age of a temporary file shows that its run has ended.
        assert temporary(after) <= (temporary(before) if wrapper else set())


def test_the_watcher_detects_a_file_that_is_written_in_place_and_a_file_that_is_removed(vocabularies: Path) -> None:
    with place(vocabularies, SMALL) as at:
        at.volume.mkdir()
        path = at.volume / SMALL[0].cache_key
        right = (at.vocabularies / path.name).read_bytes()
        path.write_bytes(b"old")
        watcher = Watcher(at)
        seen = []
        for content in (b"old", right[:9], right, b"", right):
            path.write_bytes(content)
            watcher.look()
            seen.append(watcher.torn)
        path.unlink()
        watcher.look()
        assert [*seen, watcher.torn] == [0, 1, 1, 2, 2, 3]
