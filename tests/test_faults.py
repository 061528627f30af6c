"""A sample of the faults that ``python -m tests.faults`` tries."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.faults import STARTS, campaign

PER_START = 8
"""Faults for each starting state. All of them take half a minute."""


@pytest.mark.needs("strace")
def test_a_fault_at_any_system_call_loses_no_file_and_the_next_run_repairs_the_volume(
    vocabularies: Path,
) -> None:
    # FAULTS_SEED repeats a sample.
    seed = os.environ.get("FAULTS_SEED") or f"{random.getrandbits(32):x}"
    total = campaign(STARTS, vocabularies, jobs=2, sample=PER_START, seed=seed)
    assert (total["wrong"], total["missed"] < 0.1 * total["tried"]) == (0, True), f"FAULTS_SEED={seed}"
