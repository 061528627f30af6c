from __future__ import annotations

import io
import json

import pytest

from tests.samples import TINY, settings
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import encoding
from tiktoken_cache_init.errors import NotObtainedError
from tiktoken_cache_init.fill import Action, Filled, Outcome
from tiktoken_cache_init.output.log import Log
from tiktoken_cache_init.output.report import announce, report_fill
from tiktoken_cache_init.redact import Scrubber
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import Failure
from tiktoken_cache_init.volume.inspect import Finding, State

FAILURE, OTHER = Failure("origin https://o.example", "404 Not Found", ""), Failure("baked", "none", "")
RESTART = "restart a gateway that is already running: it read its files when it started"
KEY = TINY.cache_key


def finding(state: State, text: str = "", lacks: str = "", name: str = KEY) -> Finding:
    return Finding(TINY, name, state, text or state.value, lacks=lacks)


def reported(filled: Filled, form: str = "text") -> list[str]:
    stream = io.StringIO()
    report_fill(Log(stream, form, Scrubber([])), settings("/cache"), filled, 0.1234)
    return stream.getvalue().splitlines()


def announced(chosen: Settings, form: str = "text") -> str:
    stream = io.StringIO()
    announce(Log(stream, form, Scrubber([])), chosen)
    return stream.getvalue().rstrip("\n")


def test_the_first_line_names_the_directory_the_encodings_and_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.getegid", lambda: 100)
    chosen = settings("/cache", encodings=(encoding("cl100k_base"), encoding("o200k_base")), sources=("baked", "fetch"))
    start = f"tiktoken-cache-init {__version__}: fill /cache as 1000:100: cl100k_base, o200k_base"
    assert announced(chosen) == f"{start} from baked, fetch (nothing is baked in)"
    monkeypatch.setattr("tiktoken_cache_init.place.BAKED_DIR", "/")
    assert announced(chosen) == f"{start} from baked, fetch"
    chosen = chosen._replace(mirrors=("https://u:secret@m.example", "/usb"), extra=(TINY,))
    assert announced(chosen) == (
        f"{start} and 1 private from baked, fetch (mirrors: https://***@m.example, /usb; no origin)"
    )
    record = json.loads(announced(chosen, "json"))
    assert (record["event"], record["user"], record["cache_dir"]) == ("start", "1000:100", "/cache")
    assert record["mirrors"] == ["https://***@m.example", "/usb"]


@pytest.mark.parametrize(
    ("outcome", "lines"),
    [
        (Outcome(finding(State.RIGHT), Action.KEPT), ["already right"]),
        (Outcome(finding(State.RIGHT, lacks="no"), Action.REPAIRED), ["right, but no: repaired"]),
        (Outcome(finding(State.MISSING), Action.INSTALLED, "baked"), ["installed from baked"]),
        (Outcome(finding(State.WRONG, "bad"), Action.REPLACED, "baked"), ["was bad: replaced from baked", RESTART]),
        (
            Outcome(finding(State.MISSING), Action.FAILED, failures=(FAILURE, OTHER, FAILURE)),
            [
                "missing: NOT obtained",
                "  tried origin https://o.example: 404 Not Found (2 times)",
                "  tried baked: none",
            ],
        ),
        (Outcome(finding(State.MISSING), Action.FAILED), ["missing"]),
    ],
)
def test_each_file_has_one_line_that_says_what_was_done_and_what_failed(outcome: Outcome, lines: list[str]) -> None:
    assert reported(Filled((outcome,)))[:-1] == [f"tiny.tiktoken ({KEY}): {lines[0]}", *lines[1:]]


def test_the_last_line_of_a_fill_says_that_it_is_ready() -> None:
    kept = Outcome(finding(State.RIGHT, name="tiny.tiktoken"), Action.KEPT)
    assert reported(Filled((kept,))) == ["tiny.tiktoken: already right", "ready: 1 file in /cache (0.12 s)"]
    assert reported(Filled((kept, kept)))[-1] == "ready: 2 files in /cache (0.12 s)"


def test_warnings_and_the_error_come_after_the_files() -> None:
    filled = Filled((Outcome(finding(State.MISSING), Action.FAILED),), NotObtainedError("cause: remedy"), ("beware",))
    assert reported(filled)[1:] == ["warning: beware", "tiktoken-cache-init: error: cause: remedy"]


def test_json_lines_have_the_events_of_a_fill_and_the_fields_of_its_document() -> None:
    outcome = Outcome(finding(State.WRONG), Action.REPLACED, "baked", (FAILURE,))
    records = [json.loads(line) for line in reported(Filled((outcome,)), "json")]
    assert [record["event"] for record in records] == ["file", "tried", "restart", "ready"]
    assert (records[0]["action"], records[0]["source"], records[0]["name"]) == ("replaced", "baked", KEY)
    assert (records[-1]["seconds"], records[-1]["exit_code"]) == (0.123, 0)
