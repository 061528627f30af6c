"""A hundred fills at once on one volume, and readers that look at its names all the while."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.injection.campaign import ROOT
from tests.injection.states import HTML, MERGES, RANKS, Content, key
from tests.volume_states import Table, table
from tiktoken_cache_init.leftovers import PREFIX

COUNT = 100
WITHOUT_LOCKS = [
    *["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"],
    *["-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"],
]


class Watcher:
    """Reads every final name again and again, as a consumer that starts at any moment would."""

    def __init__(self, folder: Path, right: Mapping[str, bytes]) -> None:
        self._right = right
        self._old = {name: _read(folder / name) for name in right}
        self._arrived: set[str] = set()
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.reads = 0
        self.torn = 0
        """Reads that gave neither what was there before nor the whole right file, or not the right file any more."""

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
        for name, right in self._right.items():
            content = _read(self._folder / name)
            self.reads += 1
            if content == right:
                self._arrived.add(name)
            # A directory that is moved aside cannot be exchanged for a file in one step: for a moment there is nothing.
            elif name in self._arrived or content not in (self._old[name], None):
                self.torn += 1


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


class Sweeper:
    """Deletes every temporary file that it sees, as a run on another machine does that takes their writers for dead."""

    def __init__(self, folder: Path, pause: float) -> None:
        self._folder = folder
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sweep)
        self.swept = 0

    def __enter__(self) -> Sweeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sweep(self) -> None:
        while not self._stop.wait(self._pause):
            for path in self._folder.glob(f"{PREFIX}*"):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    self.swept += 1


class Crowd(NamedTuple):
    """How a hundred fills ended."""

    codes: Mapping[int, int]
    """Exit code -> how many."""
    complaints: Sequence[str]
    """The last lines of those that did not end in 0."""


def _together(
    folder: Path, content: Content, *flags: str, before: Sequence[str] = (), machines: Sequence[str] = ()
) -> Crowd:
    fill = ["fill", "--cache-dir", str(folder), "--encodings", "gpt2", "--sources", "baked"]
    command = [*before, sys.executable, "-m", "tests.crowd", *machines, str(COUNT), "--"]
    done = subprocess.run(
        [*command, *fill, "--baked-dir", str(content.folder), *flags],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    codes = [code for code, _ in runs]
    complaints = sorted({output.splitlines()[-1] for code, output in runs if code})
    return Crowd({code: codes.count(code) for code in sorted(set(codes))}, complaints)


@pytest.fixture(scope="module")
def content(vocabularies: Path) -> Content:
    return Content(vocabularies)


@pytest.fixture(scope="module")
def seen(pytestconfig: pytest.Config) -> Table:
    return table(pytestconfig, f"{COUNT} fills at once")


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="tiktoken-crowd-")).resolve()
    yield place
    shutil.rmtree(place)


@pytest.fixture
def right(content: Content) -> dict[str, bytes]:
    return {key(name): content[name] for name in (MERGES, RANKS)}


def _report(seen: Table, name: str, crowd: Crowd, watcher: Watcher, swept: int = 0) -> None:
    ends = ", ".join(f"{count} ended {code}" for code, count in crowd.codes.items())
    also = f", {swept} files deleted under their writers" if swept else ""
    seen.lines.append(f"{name:52} {ends}; {watcher.reads} reads, {watcher.torn} torn{also}")


def _empty(folder: Path, content: Content) -> None:
    pass


def _poisoned(folder: Path, content: Content) -> None:
    (folder / key(MERGES)).write_bytes(HTML)
    (folder / key(RANKS)).write_bytes(content[RANKS][:500_000])


def _swapped(folder: Path, content: Content) -> None:
    (folder / key(MERGES)).write_bytes(content[RANKS])
    (folder / key(RANKS)).write_bytes(content[MERGES])


def _directory(folder: Path, content: Content) -> None:
    (folder / key(MERGES) / "deeper").mkdir(parents=True)
    (folder / key(MERGES) / "deeper" / "precious").write_text("keep me")


def _leftovers(folder: Path, content: Content) -> None:
    for number in range(20):
        path = folder / f"{PREFIX}{number:08x}-0123456789abcdef"
        path.write_bytes(content[MERGES][:1000])
        os.utime(path, (0, 0))


def _check(
    folder: Path, right: Mapping[str, bytes], crowd: Crowd, watcher: Watcher, beside: Collection[str] = ()
) -> None:
    assert watcher.torn == 0
    assert watcher.reads > 0
    assert {path.name for path in folder.iterdir()} == {*right, *beside}
    assert {name: (folder / name).read_bytes() for name in right} == right
    assert crowd.complaints == []
    assert crowd.codes == {0: COUNT}


@pytest.mark.parametrize("prepare", [_empty, _poisoned, _directory, _leftovers], ids=lambda p: p.__name__[1:])
def test_a_hundred_fills_at_once_all_end_well_and_no_reader_sees_half_a_file(
    prepare: Callable[[Path, Content], None], folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    prepare(folder, content)
    with Watcher(folder, right) as watcher:
        crowd = _together(folder, content)
    _report(seen, f"{prepare.__name__[1:]}", crowd, watcher)
    _check(folder, right, crowd, watcher, beside=[f"{key(MERGES)}.moved-aside-1"] if prepare is _directory else [])


def test_a_hundred_fills_at_once_put_swapped_names_right_from_each_other(
    folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    _swapped(folder, content)
    with Watcher(folder, right) as watcher:
        crowd = _together(folder, content, "--baked-dir", "/nowhere")
    _report(seen, "names swapped, no source", crowd, watcher)
    _check(folder, right, crowd, watcher)


def test_a_hundred_fills_at_once_make_each_link_once(
    folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    right |= {name: content[name] for name in (MERGES, RANKS)}
    with Watcher(folder, right) as watcher:
        crowd = _together(folder, content, "--layout", "both")
    _report(seen, "layout both", crowd, watcher)
    _check(folder, right, crowd, watcher)
    assert all((folder / name).is_symlink() for name in (MERGES, RANKS))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
@pytest.mark.parametrize("prepare", [_empty, _poisoned], ids=lambda p: p.__name__[1:])
def test_locks_that_do_not_work_change_nothing(
    prepare: Callable[[Path, Content], None], folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    prepare(folder, content)
    with Watcher(folder, right) as watcher:
        crowd = _together(folder, content, before=WITHOUT_LOCKS)
    _report(seen, f"{prepare.__name__[1:]}, locks fail with ENOLCK", crowd, watcher)
    _check(folder, right, crowd, watcher)


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another boot id")


@only_root
def test_a_hundred_machines_do_not_take_each_other_s_files(
    folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    with Watcher(folder, right) as watcher:
        crowd = _together(folder, content, machines=["--machines"])
    _report(seen, "each with a boot id of its own", crowd, watcher)
    _check(folder, right, crowd, watcher)


@only_root
def test_machines_whose_clocks_are_hours_ahead_of_the_volume_s_all_end_well(
    folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    with Watcher(folder, right) as watcher:
        crowd = _together(folder, content, machines=["--machines", "--ahead", "7200"])
    _report(seen, "each with a boot id of its own, clocks 2 h ahead", crowd, watcher)
    _check(folder, right, crowd, watcher)


@only_root
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
def test_a_sweeper_that_deletes_what_is_being_written_keeps_nobody_from_ending_well(
    folder: Path, content: Content, right: dict[str, bytes], seen: Table
) -> None:
    with Watcher(folder, right) as watcher, Sweeper(folder, 0.01) as sweeper:
        crowd = _together(folder, content, before=WITHOUT_LOCKS, machines=["--machines"])
    _report(seen, "the same without locks, and a sweeper", crowd, watcher, sweeper.swept)
    assert sweeper.swept > 0
    _check(folder, right, crowd, watcher)


def test_the_watcher_tells_a_file_that_is_written_in_place(folder: Path, content: Content) -> None:
    path = folder / key(MERGES)
    path.write_bytes(HTML)
    watcher = Watcher(folder, {path.name: content[MERGES]})
    seen = []
    for step in (HTML, content[MERGES][:9], content[MERGES], b"", content[MERGES]):
        path.write_bytes(step)
        watcher.look()
        seen.append(watcher.torn)
    assert (seen, watcher.reads) == ([0, 1, 1, 2, 2], 5)


def test_the_watcher_tells_a_right_file_that_goes_away(folder: Path, content: Content) -> None:
    path = folder / key(MERGES)
    watcher = Watcher(folder, {path.name: content[MERGES]})
    path.write_bytes(content[MERGES])
    watcher.look()
    path.unlink()
    watcher.look()
    assert watcher.torn == 1
