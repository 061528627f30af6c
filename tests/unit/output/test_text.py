from __future__ import annotations

from pathlib import Path

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, published, settings
from tests.states import READY
from tiktoken_cache_init.catalogue import ENCODINGS
from tiktoken_cache_init.gateway import Consequence, Prediction
from tiktoken_cache_init.output.text import list_lines, verify_lines
from tiktoken_cache_init.verify import Examined, Fix, Verified, verify
from tiktoken_cache_init.volume.inspect import Finding, State

CL100K = published("cl100k_base.tiktoken")
AGAIN = ": to run fill, repeat this command without 'verify'"


def test_each_file_has_its_state_and_below_it_the_gateway_and_the_fix(volume: Path) -> None:
    (volume / CL100K.cache_key).write_bytes(b"")
    (volume / OTHER.cache_key).write_bytes(OTHER_CONTENT)
    (volume / OTHER.cache_key).chmod(0o644)
    chosen = settings(volume, CL100K, OTHER, TINY)
    assert verify_lines(chosen, verify(chosen)) == [
        f"cl100k_base.tiktoken ({CL100K.cache_key}): WRONG: empty (0 bytes)",
        "  gateway: starts and counts wrong",
        "  fix: run fill",
        f"other.tiktoken ({OTHER.cache_key}): right",
        f"tiny.tiktoken ({TINY.cache_key}): missing",
        "  gateway: does not read it at start",
        "  fix: run fill",
        f"not ready: 2 of 3 files in {volume}{AGAIN}",
    ]
    (volume / TINY.cache_key).write_bytes(CONTENT)
    (volume / TINY.cache_key).chmod(0o600)
    assert "right, but not readable by every user (mode 0600)" in verify_lines(chosen, verify(chosen))[4]


def last(*files: Examined, problems: tuple[Fix, ...] = (), read_only: bool = False) -> str:
    *lines, end = verify_lines(settings("/cache"), Verified(files, problems, read_only))
    assert lines[len(lines) - len(problems) :] == [problem.text for problem in problems]
    return end


def examined(name: str, state: State = State.RIGHT) -> Examined:
    known = published(name)
    fix = None if state is State.RIGHT else Fix("run fill")
    return Examined(Finding(known, known.cache_key, state, state.value), Prediction(Consequence.FAILS, ""), fix)


def test_the_last_line_says_whether_a_gateway_starts_and_how_to_run_fill() -> None:
    both = (examined("cl100k_base.tiktoken"), examined("o200k_base.tiktoken"))
    others = (examined("vocab.bpe", State.MISSING), examined("encoder.json", State.WRONG))
    starts = ", but a gateway (New-API, one-api) starts and counts correctly without them"
    assert last(both[0]) == "ready: all wanted files in /cache are right"
    assert last(*both) == READY
    assert last(*both, *others) == f"not ready: 2 of 4 files in /cache{starts}{AGAIN}"
    assert last(*both, others[0]).startswith(f"not ready: 1 of 3 files in /cache{starts.removesuffix('them')}it: ")
    assert last(both[0], *others) == f"not ready: 2 of 3 files in /cache{AGAIN}"
    assert last(*both, problems=(Fix("mount it", by_fill=False),)) == "not ready: /cache"
    assert last(*both, problems=(Fix("run fill"),), read_only=True) == f"not ready: /cache{AGAIN} on a writable mount"


def test_the_list_fits_80_columns_and_has_a_row_for_each_file() -> None:
    lines = list_lines(settings(encodings=ENCODINGS, extra=(TINY,)))
    assert max(map(len, lines)) <= 80
    assert lines[:3] == [
        "ENCODING       FILE                  CACHE KEY",
        f"cl100k_base    cl100k_base.tiktoken  {CL100K.cache_key}",
        "  models: gpt-4, gpt-3.5-turbo, text-embedding-3, text-embedding-ada-002",
    ]
    gpt2 = next(number for number, line in enumerate(lines) if line.startswith("gpt2 "))
    assert [line.split()[1] for line in lines[gpt2 : gpt2 + 2]] == ["vocab.bpe", "encoder.json"]
    assert lines[-1] == f"(private)      tiny.tiktoken         {TINY.cache_key}"
