"""A small sample of the random campaigns. ``python -m tests.campaign`` runs more of them."""

from __future__ import annotations

import pytest

from tests.campaign import CAMPAIGNS, run

CASES = {"volumes": 6, "stops": 6, "servers": 4, "secrets": 60}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_random_cases_break_no_promise(name: str) -> None:
    results, broken = run(name, seed=0, seconds=60, numbers=range(CASES[name]))
    assert not broken
    assert results.total() == CASES[name]
