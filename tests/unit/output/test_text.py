from __future__ import annotations

from pathlib import Path

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY, published, settings
from tests.states import READY
from tiktoken_cache_init.catalogue import ENCODINGS, Target
from tiktoken_cache_init.gateway import Consequence, Prediction
from tiktoken_cache_init.output.text import list_lines, verify_lines
from tiktoken_cache_init.sources import Failure
from tiktoken_cache_init.verify import Examined, Fix, Verified, verify
from tiktoken_cache_init.volume.inspect import Finding, State

FAILURE = Failure("origin https://o.example", "404 Not Found", "")
CL100K = published("cl100k_base.tiktoken")
KEY = TINY.cache_key


def finding(state: State, text: str = "", lacks: str = "", name: str = KEY) -> Finding:
    return Finding(Target(TINY, name), state, text or state.value, lacks=lacks)


def test_each_examined_file_has_its_state_and_below_it_the_gateway_and_the_fix(volume: Path) -> None:
    wanted = (CL100K, OTHER)
    (volume / CL100K.cache_key).write_bytes(b"")
    (volume / OTHER.cache_key).write_bytes(OTHER_CONTENT)
    (volume / OTHER.cache_key).chmod(0o644)
    chosen = settings(volume, *wanted)
    assert verify_lines(chosen, verify(chosen), colour=False) == [
        f"cl100k_base.tiktoken ({CL100K.cache_key}): WRONG: empty (0 bytes)",
        "  gateway: starts and counts wrong",
        "  fix: run fill",
        f"other.tiktoken ({OTHER.cache_key}): right",
        f"not ready: 1 of 2 files in {volume}: to run fill, repeat this command without 'verify'",
    ]


def test_each_state_of_a_file_has_its_own_text(volume: Path) -> None:
    chosen = settings(volume, TINY)

    def state() -> str:
        return verify_lines(chosen, verify(chosen), colour=False)[0].partition("): ")[2]

    assert state() == "missing"
    (volume / KEY).mkdir()
    assert state() == "WRONG: an empty directory"
    (volume / KEY).rmdir()
    (volume / KEY).write_bytes(CONTENT)
    (volume / KEY).chmod(0o600)
    assert state() == "right, but not readable by every user (mode 0600)"


def last(verified: Verified) -> str:
    return verify_lines(settings("/cache"), verified, colour=False)[-1]


def examined(name: str, state: State = State.RIGHT) -> Examined:
    known = published(name)
    fix = None if state is State.RIGHT else Fix("run fill")
    return Examined(Finding(Target(known, known.cache_key), state, state.value), Prediction(Consequence.FAILS, ""), fix)


def test_the_last_line_says_whether_a_gateway_starts() -> None:
    two = (examined("cl100k_base.tiktoken"), examined("o200k_base.tiktoken"))
    assert last(Verified(two[:1])) == "ready: all wanted files in /cache are right"
    assert last(Verified(two)) == READY
    more = (*two, examined("vocab.bpe", State.MISSING), examined("encoder.json", State.WRONG))
    fill = ": to run fill, repeat this command without 'verify'"
    without = (
        "not ready: 2 of 4 files in /cache, but a gateway (New-API, one-api) starts and counts correctly without them"
    )
    assert last(Verified(more)) == without + fill
    assert last(Verified(more[1:])) == f"not ready: 2 of 3 files in /cache{fill}"
    assert last(Verified(more, (Fix("run fill"),))) == f"not ready: 2 of 4 files in /cache{fill}"


def test_the_last_line_says_how_to_run_fill_only_if_that_helps() -> None:
    assert last(Verified((), (Fix("mount it", by_fill=False),))) == "not ready: /cache"
    by_fill = Verified((), (Fix("run fill"),))
    assert last(by_fill) == "not ready: /cache: to run fill, repeat this command without 'verify'"
    assert last(by_fill._replace(read_only=True)).endswith("without 'verify' on a writable mount")


def test_colour_is_added_only_on_request(volume: Path) -> None:
    chosen = settings(volume, TINY)
    coloured = verify_lines(chosen, verify(chosen), colour=True)
    assert coloured[0].endswith("\x1b[31mmissing\x1b[0m")
    assert coloured[-1].startswith("\x1b[31mnot ready\x1b[0m: ")
    (volume / KEY).write_bytes(CONTENT)
    (volume / KEY).chmod(0o644)
    volume.chmod(0o755)
    assert verify_lines(chosen, verify(chosen), colour=True)[-1].startswith("\x1b[32mready\x1b[0m: ")


# List.


def test_the_list_fits_80_columns_and_has_every_encoding() -> None:
    lines = list_lines(settings(encodings=ENCODINGS, extra=(TINY,)))
    assert max(map(len, lines)) <= 80
    for known in ENCODINGS:
        assert any(line.startswith(known.name) for line in lines)
    assert lines[-1].split() == ["(private)", "tiny.tiktoken", KEY]
