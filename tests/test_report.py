from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import settings, vocabulary
from tiktoken_cache_init import __version__, verdict
from tiktoken_cache_init.diagnosis import diagnose
from tiktoken_cache_init.errors import NotObtained, NotReady
from tiktoken_cache_init.findings import GOOD, MISSING, WRONG, Finding, Target
from tiktoken_cache_init.log import Log, printable
from tiktoken_cache_init.obtain import Failure
from tiktoken_cache_init.outcomes import FAILED, INSTALLED, KEPT, MENDED, REPLACED, Filled, Outcome
from tiktoken_cache_init.redaction import Scrubber
from tiktoken_cache_init.report import announce, fill_document, name_of, report_fill
from tiktoken_cache_init.settings import load
from tiktoken_cache_init.verify import Examined, Verified

PIN = vocabulary(name="cl100k_base.tiktoken")
TARGET = Target(PIN, "key")
RIGHT = Finding(TARGET, GOOD, "right")
ABSENT = Finding(TARGET, MISSING, "missing")
EMPTY = Finding(TARGET, WRONG, "empty (0 bytes)", diagnose(b"", PIN))
CLOSED = Finding(TARGET, GOOD, "right", lacks="not readable by every user (mode 0600)", unreadable=True)
NARROW = Finding(TARGET, GOOD, "right", lacks="lacks permissions (mode 0444)")
FAILURES = tuple(Failure(label, reason, "") for label, reason in [("a", "no"), ("b", "never"), ("a", "no")])
NAME = "cl100k_base.tiktoken (key)"


def logged(outcomes: Sequence[Outcome], error: Any = None) -> list[str]:
    stream = io.StringIO()
    report_fill(Log(stream, "text", Scrubber([])), settings("/cache"), Filled(tuple(outcomes), error), 1.5)
    return stream.getvalue().splitlines()


def records(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# Lines.


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("naïve 密 ✓", "naïve 密 ✓"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_text_becomes_one_line_that_moves_no_cursor(text: str, line: str) -> None:
    assert printable(text) == line


@given(st.text())
def test_any_text_becomes_printable(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()


def test_a_log_line_is_written_at_once_and_without_secrets() -> None:
    stream = io.StringIO()
    Log(stream, "text", Scrubber(["http://u:secret@h"])).line("x", "no secret\n", field="secret")
    assert stream.getvalue() == "no ***\\n\n"


def test_a_json_line_has_time_level_event_message_and_fields() -> None:
    stream = io.StringIO()
    Log(stream, "json", Scrubber(['http://u:se"cret@h'])).line("x", 'a se"cret', level="warning", field=['se"cret', 1])
    [record] = records(stream)
    assert record.pop("time").endswith("Z")
    assert record == {"level": "warning", "event": "x", "message": "a ***", "field": ["***", 1]}


def test_an_error_says_who_speaks_in_text_and_its_code_in_json() -> None:
    text, as_json = io.StringIO(), io.StringIO()
    Log(text, "text", Scrubber([])).error("no", 3)
    Log(as_json, "json", Scrubber([])).error("no", 3)
    assert text.getvalue() == "tiktoken-cache-init: error: no\n"
    [record] = records(as_json)
    assert (record["level"], record["event"], record["message"], record["exit_code"]) == ("error", "error", "no", 3)


# A fill.


def test_the_first_line_says_what_is_wanted_where_and_from_where() -> None:
    arguments = [
        "--cache-dir=/cache",
        "--sources=fetch",
        "--mirror=http://u:p@a.example",
        "--mirror=/b",
        "--origin=off",
    ]
    extra = ["--extra", f"https://x.example/y#sha256={'0' * 64}"]
    stream = io.StringIO()
    announce(Log(stream, "text", Scrubber([])), load([*arguments, *extra], {}))
    line = stream.getvalue()
    assert line.startswith(f"tiktoken-cache-init {__version__}: fill /cache as ")
    assert line.endswith(
        ": cl100k_base, o200k_base and 1 private from fetch (mirrors: http://***@a.example, /b; no origin)\n"
    )


def test_the_first_line_in_json_has_the_same_in_fields() -> None:
    stream = io.StringIO()
    announce(Log(stream, "json", Scrubber([])), load(["--cache-dir=/cache", "--mirror=http://u:p@a.example"], {}))
    [record] = records(stream)
    assert record["event"] == "start"
    assert record["encodings"] == ["cl100k_base", "o200k_base"]
    assert record["mirrors"] == ["http://***@a.example"]
    assert (record["version"], record["command"], record["cache_dir"]) == (__version__, "fill", "/cache")


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Outcome(RIGHT, KEPT), "already right"),
        (Outcome(RIGHT._replace(text="right, a link to x"), KEPT), "right, a link to x"),
        (Outcome(CLOSED, MENDED), "right, but not readable by every user (mode 0600): mended"),
        (Outcome(ABSENT, INSTALLED, "baked"), "installed from baked"),
        (Outcome(EMPTY, REPLACED, "baked"), "was empty (0 bytes): replaced from baked"),
        (Outcome(CLOSED, REPLACED, "x"), "right, but not readable by every user (mode 0600): replaced from x"),
        (Outcome(ABSENT, FAILED), "missing"),
        (Outcome(CLOSED, FAILED), "not readable by every user (mode 0600)"),
    ],
)
def test_each_file_has_one_line(outcome: Outcome, line: str) -> None:
    assert logged([outcome])[0] == f"{NAME}: {line}"


@pytest.mark.parametrize("action", [MENDED, REPLACED])
def test_what_a_file_lacked_is_told_in_a_sentence(action: str) -> None:
    [line, _] = logged([Outcome(NARROW, action, "x")])
    assert "was lacks" not in line
    assert "mode 0444" in line


def test_what_was_tried_stands_below_its_file_once_each() -> None:
    lines = logged([Outcome(ABSENT, FAILED, failures=FAILURES)], NotObtained("could not obtain it"))
    assert lines == [
        f"{NAME}: missing: NOT obtained",
        "  tried a: no (2 times)",
        "  tried b: never",
        "tiktoken-cache-init: error: could not obtain it",
    ]


def test_what_was_tried_in_vain_is_told_of_a_success_too() -> None:
    assert logged([Outcome(ABSENT, INSTALLED, "c", FAILURES)])[1:3] == ["  tried a: no (2 times)", "  tried b: never"]


@pytest.mark.parametrize(("count", "text"), [(1, "1 file"), (2, "2 files")])
def test_the_last_line_says_that_it_is_ready(count: int, text: str) -> None:
    assert logged([Outcome(RIGHT, KEPT)] * count)[-1] == f"ready: {text} in /cache (1.50 s)"


def test_a_published_name_is_not_said_twice() -> None:
    assert name_of(Finding(Target(PIN, PIN.published_name), GOOD, "right")) == "cl100k_base.tiktoken"


def test_json_tells_what_was_found_and_what_became_of_it() -> None:
    filled = Filled((Outcome(EMPTY, FAILED, failures=FAILURES), Outcome(RIGHT, KEPT)), NotObtained("no"))
    document = json.loads(json.dumps(fill_document(settings("/cache"), filled)))
    assert (document["schema"], document["command"], document["ready"], document["error"]) == (1, "fill", False, "no")
    failed, kept = document["files"]
    assert (failed["found"], failed["action"], failed["ready"], failed["source"]) == ("empty", "failed", False, None)
    assert failed["tried"] == [{"source": f.label, "reason": f.reason} for f in FAILURES]
    assert (kept["found"], kept["action"], kept["ready"], kept["tried"]) == ("good", "kept", True, [])


def test_a_file_s_record_in_the_log_has_the_fields_of_the_document() -> None:
    stream = io.StringIO()
    filled = Filled((Outcome(ABSENT, INSTALLED, "baked"),))
    report_fill(Log(stream, "json", Scrubber([])), settings("/cache"), filled, 1.5)
    file, ready = records(stream)
    [expected] = fill_document(settings("/cache"), filled)["files"]
    assert expected.items() <= file.items()
    assert (ready["event"], ready["seconds"], ready["exit_code"]) == ("ready", 1.5, 0)


# A verification.


def test_each_examined_file_has_one_line_with_what_a_gateway_does_and_the_cure() -> None:
    verified = Verified((Examined(RIGHT, ""), Examined(EMPTY, "run fill"), Examined(CLOSED, "chmod it")), ("odd",))
    lines = verdict.lines(settings("/cache"), verified)
    assert lines[0] == f"{NAME}: right"
    assert lines[1].startswith(f"{NAME}: empty (0 bytes)")
    assert "the gateway starts and COUNTS WRONG" in lines[1]
    assert lines[1].endswith("run fill")
    assert "right, but not readable by every user (mode 0600)" in lines[2]
    assert "the gateway dies: failed to get gpt-3.5-turbo token encoder: open .../key: permission denied" in lines[2]
    assert lines[3:] == [
        "odd",
        "not ready: 2 of 3 files in /cache; to run fill, repeat this command without 'verify'",
    ]


def test_a_ready_volume_is_called_ready() -> None:
    lines = verdict.lines(settings("/cache"), Verified((Examined(RIGHT, ""),), ()))
    assert lines[-1].startswith("ready: ")
    assert "/cache" in lines[-1]


def test_a_folder_alone_can_be_what_is_wrong() -> None:
    lines = verdict.lines(settings("/cache"), Verified((Examined(RIGHT, ""),), ("odd",)))
    assert lines[-1] == "not ready: /cache"


@pytest.mark.parametrize(
    ("cure", "problem", "read_only", "last"),
    [
        ("move it", "odd", True, "not ready: 1 of 1 files in /cache"),
        ("run fill, or rename it", "odd", False, "in /cache; to run fill, repeat this command without 'verify'"),
        ("move it", "closed: chmod it, or run fill", False, "to run fill, repeat this command without 'verify'"),
        ("run fill", "odd", True, "repeat this command without 'verify', on a writable mount (no ':ro')"),
    ],
)
def test_how_to_run_fill_is_said_once_if_that_helps(cure: str, problem: str, read_only: bool, last: str) -> None:
    lines = verdict.lines(settings("/cache"), Verified((Examined(EMPTY, cure),), (problem,), read_only))
    assert lines[-1].endswith(last)
    assert "\n".join(lines).count("to run fill") == (last != "not ready: 1 of 1 files in /cache")


def test_the_documents_of_a_verification_have_one_shape() -> None:
    good = verdict.document(settings("/cache"), Verified((Examined(EMPTY, "run fill"),), ("odd",)))
    bad = verdict.failed(settings("/cache"), NotReady("no folder"))
    assert good.keys() == bad.keys()
    assert (bad["ready"], bad["error"], bad["files"]) == (False, "no folder", [])
    assert (good["ready"], good["error"], good["problems"]) == (False, None, ["odd"])
    [file] = good["files"]
    assert (file["state"], file["gateway"], file["cure"]) == ("empty", "counts-wrong", "run fill")
