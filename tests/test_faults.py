"""A sample of the faults that ``python -m tests.faults`` tries, and tests that it detects damage to a volume."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import drivers, faults
from tests.faults import KINDS, LEFT, LOST, STARTS, TORN, UNCLEAR, UNREPAIRED, Fault, attempt, campaign
from tests.states import Place, place
from tests.vocabularies import MERGES, SMALL

pytestmark = pytest.mark.needs("strace")

PER_START = 8
"""Faults for each starting state. All of them take half a minute."""


@pytest.fixture(scope="module")
def shared(vocabularies: Path) -> Iterator[Place]:
    with place(vocabularies, SMALL) as shared:
        # Write the byte-code now: writing it later would add system calls.
        faults.faults(STARTS[0], shared.vocabularies)
        yield shared


def test_a_fault_at_any_system_call_loses_no_file_and_the_next_run_repairs_the_volume(
    vocabularies: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    seed = os.environ.get("FAULTS_SEED") or f"{random.getrandbits(32):x}"
    total = campaign(STARTS, vocabularies, jobs=2, sample=PER_START, seed=seed)
    table, problems = capsys.readouterr()
    with capsys.disabled():
        print(f"\n{table}(a sample; FAULTS_SEED={seed} repeats it, python -m tests.faults tries all)")
    assert total["tried"] - total["missed"] > 0.9 * PER_START * len(STARTS)
    assert {kind: total[kind] for kind in KINDS} == dict.fromkeys(KINDS, 0), problems


PROGRAM = """
import os, pathlib, sys
volume = sys.argv[sys.argv.index("--cache-dir") + 1]
right = pathlib.Path(__file__).with_name("tiktoken_cache_init").joinpath("vocabularies", "{name}").read_bytes()
final, temporary = os.path.join(volume, "{name}"), os.path.join(volume, ".tiktoken-cache-init-0")
def write(path, flags):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags)
    os.write(fd, right[:9])
    os.write(fd, right[9:])
def install():
    write(temporary, os.O_EXCL)
    os.rename(temporary, final)
"""
IN_PLACE = "write(final, os.O_TRUNC)"
UNLINKED = "[os.unlink(entry) for entry in os.scandir(volume) if entry.name == 'note']\ninstall()"
SILENT = "try:\n    install()\nexcept OSError:\n    sys.exit(3)"


@pytest.mark.parametrize(
    ("body", "fault", "kind"),
    [
        (IN_PLACE, Fault("write", 2, "SIGKILL"), TORN),
        (IN_PLACE, Fault("write", 2, "ENOSPC"), TORN),
        (UNLINKED, Fault("write", 1, "EIO"), LOST),
        ("install()", Fault("rename", 1, "SIGKILL"), UNREPAIRED),
        ("install()", Fault("write", 1, "EIO"), UNCLEAR),
        ("install()", Fault("write", 2, "EIO"), LEFT),
        (SILENT, Fault("write", 1, "EIO"), UNCLEAR),
    ],
)
def test_a_program_that_damages_a_volume_is_detected(
    body: str, fault: Fault, kind: str, shared: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "entrypoint.py").write_text(PROGRAM.format(name=MERGES.cache_key) + body)
    (tmp_path / "tiktoken_cache_init").mkdir()
    monkeypatch.setattr(drivers, "ROOT", tmp_path)
    [start] = [start for start in STARTS if str(start).startswith("poisoned") and start.source == "baked"]
    problems = attempt(start, shared.vocabularies, fault)
    assert problems is not None, "the call was not reached"
    assert kind in {problem.kind for problem in problems}


def test_a_call_that_is_not_made_counts_as_missed(shared: Place) -> None:
    assert faults.attempt(STARTS[0], shared.vocabularies, Fault("rename", 9, "EIO")) is None


def test_swapped_names_without_a_source_survive_a_rename_or_a_file_that_fails(shared: Place) -> None:
    [start] = [start for start in STARTS if str(start).startswith("names swapped")]
    tried = [
        fault
        for fault in faults.faults(start, shared.vocabularies)
        if fault.call == "rename" or (fault.call, fault.what) == ("openat", "EIO")
    ]
    assert [(fault, problems) for fault in tried if (problems := attempt(start, shared.vocabularies, fault))] == []
