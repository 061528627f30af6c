"""A seeded sample of all faults at all calls. ``python -m tests.injection`` runs every one of them."""

from __future__ import annotations

import errno
import os
import platform
import sys
from pathlib import Path

import pytest

from tests.injection import campaign
from tests.injection.campaign import (
    ENVIRONMENT,
    LEFT,
    LOST,
    TORN,
    UNCLEAR,
    UNHEALED,
    Verdict,
    attempt,
    baseline,
    faults_of,
)
from tests.injection.states import MERGES, RANKS, STATES, Content, State, key, slug
from tests.injection.tracer import Fault, Point, trace

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the tracer knows only the calls of x86-64 Linux"
)

PER_STATE = 30
"""Faults tried of each starting state: about a minute in all."""


@pytest.fixture(scope="session")
def content(vocabularies: Path) -> Content:
    return Content(vocabularies)


@pytest.mark.parametrize("state", STATES, ids=slug)
def test_no_fault_leaves_a_volume_worse(state: State, content: Content, seed: str, record: list[Verdict]) -> None:
    if state.root and os.geteuid() != 0:
        pytest.skip("only root can give files to somebody else")
    run = baseline(state, content)
    assert run.exit_code == 0, run.stderr
    faults = campaign.sample(faults_of(run.points), PER_STATE, f"{seed} {state.name}")
    verdicts = [attempt(state, content, fault) for fault in faults]
    record += verdicts
    assert not [str(verdict) for verdict in verdicts if verdict.problems], f"INJECTION_SEED={seed}"
    assert all(verdict.hit for verdict in verdicts)


# What the whole campaign found, kept because a sample may pass it by. Without a source beside the volume, of course: each
# of the two files is then the only one with its bytes, though under the other's name.
SWAPPED = next(state for state in STATES if state.name == "the two names swapped")
ONCE_HARMFUL = [
    Fault(Point("readv", key(RANKS), 1), errno.EIO),  # the search for right bytes
    Fault(Point("openat", key(MERGES), 2), errno.EACCES),
    Fault(Point("readv", key(RANKS), 5), errno.EIO),  # the copy that is made of what was found
    Fault(Point("close", key(MERGES), 3), errno.EIO),
    Fault(Point("fsync", "temp 1", 1), errno.ENOSPC),  # the first of the two to be put right
    Fault(Point("renameat", f"temp 1 -> {key(MERGES)}", 1), errno.EACCES),
]


@pytest.mark.parametrize("fault", ONCE_HARMFUL, ids=str)
def test_a_fault_that_once_did_harm_does_none(fault: Fault, content: Content, record: list[Verdict]) -> None:
    verdict = attempt(SWAPPED, content, fault)
    record.append(verdict)
    assert verdict.hit, "the run makes other calls now: look up what this one has become"
    assert not verdict.problems, str(verdict)


def _interpreter(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-E", "-c", script, *arguments]


TWO_WRITES = """
import os, sys
fd = os.open(sys.argv[1] + "/a", os.O_WRONLY | os.O_CREAT)
for text in (b"1", b"2"):
    try:
        os.write(fd, text)
    except OSError as error:
        print(error.errno)
"""


def test_a_killed_run_has_made_the_calls_before_the_point_and_not_the_one_at_it(tmp_path: Path) -> None:
    fault = Fault(Point("write", "a", 2), None)
    run = trace(_interpreter(TWO_WRITES, str(tmp_path)), tmp_path, ENVIRONMENT, fault)
    assert (run.hit, run.exit_code, (tmp_path / "a").read_bytes()) == (True, 137, b"1")


def test_a_failed_call_fails_alone(tmp_path: Path) -> None:
    fault = Fault(Point("write", "a", 1), errno.ENOSPC)
    run = trace(_interpreter(TWO_WRITES, str(tmp_path)), tmp_path, ENVIRONMENT, fault)
    assert (run.hit, run.stdout, (tmp_path / "a").read_bytes()) == (True, f"{errno.ENOSPC}\n", b"2")


def test_a_call_that_is_never_made_is_not_counted_as_hit(tmp_path: Path) -> None:
    fault = Fault(Point("write", "a", 3), None)
    assert not trace(_interpreter(TWO_WRITES, str(tmp_path)), tmp_path, ENVIRONMENT, fault).hit


PREPARE = """
import os, sys
folder, name, source = sys.argv[1:]
data = open(source, "rb").read()
target = os.path.join(folder, name)
temporary = os.path.join(folder, ".tiktoken-cache-init-00000000-00")
if os.path.isfile(target) and open(target, "rb").read() == data:
    sys.exit(0)
"""
IN_PLACE = (
    "fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\nos.write(fd, data[:9])\nos.write(fd, data[9:])\n"
)
BY_NAME = "fd = os.open(temporary, os.O_WRONLY | os.O_CREAT)\nos.write(fd, data)\nos.rename(temporary, target)\n"
TIDY = "[os.unlink(e) for e in os.scandir(folder) if e.name.startswith('a note')]\n"
QUIET = "try:\n    " + BY_NAME.replace("\n", "\n    ") + "pass\nexcept OSError:\n    sys.exit(70)\n"


@pytest.mark.parametrize(
    ("bad", "fault", "kind"),
    [
        (IN_PLACE, Fault(Point("write", key(MERGES), 2), None), TORN),
        (IN_PLACE, Fault(Point("write", key(MERGES), 2), errno.ENOSPC), TORN),
        (BY_NAME, Fault(Point("rename", f"temp 1 -> {key(MERGES)}", 1), None), UNHEALED),
        (BY_NAME, Fault(Point("write", "temp 1", 1), errno.EIO), UNCLEAR),
        (BY_NAME, Fault(Point("write", "temp 1", 1), errno.EIO), LEFT),
        (QUIET, Fault(Point("write", "temp 1", 1), errno.EIO), UNCLEAR),
        (TIDY + BY_NAME, Fault(Point("rename", f"temp 1 -> {key(MERGES)}", 1), None), LOST),
    ],
)
def test_a_program_that_does_it_wrong_is_found_out(
    bad: str, fault: Fault, kind: str, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(folder: Path, content: Content, state: State) -> list[str]:
        source = content.folder / key(MERGES)
        # What is left over stands in the way of this one's next run.
        stop = "if os.path.exists(temporary):\n    sys.exit('in the way')\n" if kind == UNHEALED else ""
        return _interpreter(PREPARE + stop + bad, str(folder), key(MERGES), str(source))

    monkeypatch.setattr(campaign, "command", command)
    [state] = [state for state in STATES if state.name.startswith("poisoned")]
    verdict = attempt(state, content, fault)
    assert verdict.hit
    assert kind in {problem.kind for problem in verdict.problems}
