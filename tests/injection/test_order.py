"""In which order a run writes, syncs and renames, as strace sees it, and that our own tracer sees what strace sees."""

from __future__ import annotations

import itertools
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.injection import campaign
from tests.injection.states import STATES, Content, State, slug
from tests.injection.tracer import trace
from tiktoken_cache_init.leftovers import LAST_COPY, PREFIX

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="strace is not installed here"
)

LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\()(?P<rest>.*)")


class Call(NamedTuple):
    """One system call on the volume that succeeded, in the order in which calls ended."""

    name: str
    text: str
    began: int
    """The number of the line at which it began."""
    ended: int


def _calls(log: Path, folder: Path) -> list[Call]:
    begun: dict[str, tuple[str, int]] = {}
    calls = []
    for number, line in enumerate(log.read_text().splitlines()):
        if not (match := LINE.match(line)):
            continue
        thread, rest, began = match["thread"], match["rest"], number
        if match["resumed"]:
            start, began = begun.pop(thread)
            rest = start + rest
        if rest.endswith("<unfinished ...>"):
            begun[thread] = (rest.removesuffix("<unfinished ...>"), number)
        elif str(folder) in rest:
            calls.append(Call(match["call"] or match["resumed"], rest, began, number))
    return calls


@pytest.fixture(scope="module", params=[state for state in STATES if not state.root], ids=slug)
def traced(request: pytest.FixtureRequest, vocabularies: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    state: State = request.param
    content = Content(vocabularies)
    log = tmp_path_factory.mktemp("strace") / "log"
    with campaign.Volume(state, content) as folder:
        strace = ["strace", "-f", "-y", "-s", "4096", "-o", str(log)]
        subprocess.run(
            [*strace, *campaign.command(folder, content, state)],
            check=True, env=campaign.ENVIRONMENT, cwd="/", capture_output=True, timeout=60,
        )  # fmt: skip
        return state, folder, _calls(log, folder)


Traced = tuple[State, Path, list[Call]]


def _renames(traced: Traced) -> list[tuple[Call, str, str]]:
    renames = []
    for call in traced[2]:
        if call.name.startswith("rename"):
            old, new = re.findall(r'"([^"]*)"', call.text)
            renames.append((call, old, new))
    return renames


def test_a_file_is_written_then_given_its_mode_then_synced_then_renamed(traced: Traced) -> None:
    for rename, old, new in _renames(traced):
        if not old.startswith(PREFIX) or any(c.name == "symlinkat" and old in c.text for c in traced[2]):
            continue
        assert new in traced[0].names or new.endswith(LAST_COPY)
        paths = [f"/{name}>" for name in (old, old.removesuffix(LAST_COPY))]
        to_it = [call for call in traced[2] if any(path in call.text.split(" = ")[0] for path in paths)]
        before = [call for call in to_it if call.ended < rename.began]
        order = [call.name for call in before if call.name in ("flock", "write", "fchmod", "fsync")]
        writes = order.count("write")
        assert writes
        marked = ["fsync"] if LAST_COPY in f"{old}{new}" else []
        finished = ["fchmod", "fsync"] if new in traced[0].names else []
        assert order == ["flock", *["write"] * writes, *marked, *finished]
        assert all(earlier.ended < later.began for earlier, later in itertools.pairwise(before))


def test_the_only_copy_is_overwritten_when_its_bytes_can_outlive_the_run(traced: Traced) -> None:
    renames = _renames(traced)
    marks = [call for call, _, new in renames if new.endswith(LAST_COPY)]
    assert len(marks) == (traced[0].name == "the two names swapped")
    if marks:
        assert marks[0].ended < min(call.began for call, _, new in renames if new in traced[0].names)


def test_the_folder_is_synced_after_the_last_rename(traced: Traced) -> None:
    renames = _renames(traced)
    synced = re.compile(rf".*<{re.escape(str(traced[1]))}> ?\) += 0")
    syncs = [call for call in traced[2] if call.name == "fsync" and synced.fullmatch(call.text)]
    assert bool(syncs) == bool(renames)
    if renames:
        assert syncs[-1].began > max(call.ended for call, _, _ in renames)


def test_a_temporary_file_is_made_new_and_through_no_link(traced: Traced) -> None:
    for call in traced[2]:
        if call.name.startswith("open") and "O_CREAT" in call.text:
            assert "O_EXCL|O_NOFOLLOW" in call.text
            assert f'"{PREFIX}' in call.text


def test_no_final_name_is_ever_opened_for_writing_or_removed(traced: Traced) -> None:
    for call in traced[2]:
        if any(f'"{name}"' in call.text or f"/{name}" in call.text for name in traced[0].names):
            assert not call.name.startswith(("unlink", "truncate", "ftruncate", "link", "write", "pwrite"))
            assert "O_WRONLY" not in call.text
            assert call.name == "close" or "O_RDWR" not in call.text


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the tracer knows only the calls of x86-64")
def test_the_tracer_sees_every_call_that_strace_sees(traced: Traced, vocabularies: Path) -> None:
    state, _, calls = traced
    content = Content(vocabularies)
    with campaign.Volume(state, content) as folder:
        ours = trace(campaign.command(folder, content, state), folder, campaign.ENVIRONMENT)
    # strace also shows the command line and the log, in which the folder is named.
    theirs = Counter(call.name for call in calls if call.name not in ("execve", "write"))
    assert theirs == Counter(point.call for point in ours.points if point.call != "write")
