from __future__ import annotations

from pathlib import Path

import pytest

from tests.samples import CONTENT, staging, vocabulary
from tiktoken_cache_init.findings import GOOD, MISSING, WRONG, Finding, Target
from tiktoken_cache_init.obtain import Failure
from tiktoken_cache_init.outcomes import FAILED, INSTALLED, KEPT, MENDED, REPLACED, Outcome
from tiktoken_cache_init.record import Record

A, B = vocabulary(), vocabulary(b"QQ== 0\n", "other.tiktoken")
MISSED = Finding(Target(A, A.cache_key), MISSING, "missing")
SECOND = Finding(Target(A, A.published_name, A.cache_key), MISSING, "missing")
SPOILT = Finding(Target(B, B.cache_key), WRONG, "empty (0 bytes)")
READY = Finding(Target(B, B.cache_key), GOOD, "right")
SHUT = READY._replace(lacks="not readable by every user (mode 0600)")
REFUSED = Failure("a mirror", "404 Not Found", "")


@pytest.mark.parametrize(("finding", "action"), [(MISSED, FAILED), (SPOILT, FAILED), (SHUT, FAILED), (READY, KEPT)])
def test_a_name_of_which_nothing_is_noted_is_as_it_was_found(finding: Finding, action: str) -> None:
    assert Record([finding]).outcomes() == (Outcome(finding, action),)


def test_outcomes_come_in_the_order_of_the_findings_and_tell_what_was_tried() -> None:
    record = Record([SPOILT, MISSED, SECOND])
    record.begin([SPOILT, MISSED])
    record.attempts[MISSED.target].failures.append(REFUSED)
    record.provided(SECOND, "a link")
    record.provided(MISSED, "baked")
    record.provided(SPOILT, "origin")
    assert record.outcomes() == (
        Outcome(SPOILT, REPLACED, "origin"),
        Outcome(MISSED, INSTALLED, "baked", (REFUSED,)),
        Outcome(SECOND, INSTALLED, "a link"),
    )


def test_only_what_is_installed_needs_a_sync() -> None:
    record = Record([SHUT, MISSED])
    record.begin([MISSED])
    record.mended(SHUT)
    record.failed(MISSED)
    assert [outcome.action for outcome in record.outcomes()] == [MENDED, FAILED]
    assert not record.has_installed()
    record.provided_by_another(MISSED)
    assert record.has_installed()


def test_a_vocabulary_is_outstanding_until_its_first_name_is_in_place() -> None:
    record = Record([MISSED, SECOND, READY])
    assert record.outstanding() == {A}
    record.provided(MISSED, "baked")
    assert record.outstanding() == set()
    assert record.is_lacking(SECOND)


def test_what_the_volume_has_against_it_is_told_after_what_was_tried() -> None:
    record = Record([SPOILT])
    record.begin([SPOILT])
    record.attempts[SPOILT.target].failures.append(REFUSED)
    record.failed(SPOILT, "no")
    assert record.outcome(SPOILT).failures == (REFUSED, Failure("the volume", "no", ""))


def test_the_deadline_cuts_off_only_what_is_still_under_way(tmp_path: Path) -> None:
    record = Record([MISSED, SPOILT])
    record.begin([MISSED, SPOILT])
    record.failed(SPOILT)
    with staging(tmp_path) as (_, staged):
        for attempts in record.attempts.values():
            attempts.staged, attempts.label = staged, "origin"
        staged.write(CONTENT[:5])
        record.cut_off()
    [cut] = record.outcome(MISSED).failures
    assert (cut.label, cut.reason) == ("origin", "5 of 21 bytes when the deadline passed")
    assert not record.outcome(SPOILT).failures
