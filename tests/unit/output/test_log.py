from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from tiktoken_cache_init.output.log import Log, printable, scrubbed
from tiktoken_cache_init.redact import Scrubber

SCRUB = Scrubber(["http://user:hunter22@h"])


@given(st.text(st.characters(), max_size=20))
def test_any_text_becomes_printable(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()
    assert printable("plain é 中\n\x1b[31m\u202e\udcff") == "plain é 中\\n\\x1b[31m\\u202e\\udcff"


def test_a_line_is_written_at_once_and_without_secrets() -> None:
    stream = io.StringIO()
    Log(stream, "text", SCRUB).line("x", "login with hunter22\nfailed")
    assert stream.getvalue() == "login with ***\\nfailed\n"


def test_a_json_line_has_time_level_event_message_and_fields_without_secrets() -> None:
    stream = io.StringIO()
    Log(stream, "json", SCRUB).line("file", "  é hunter22", level="info", tried=[{"reason": "hunter22"}], number=1)
    record = json.loads(stream.getvalue())
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "info",
        "event": "file",
        "message": "é ***",
        "tried": [{"reason": "***"}],
        "number": 1,
    }


def test_an_error_names_the_program_in_text_and_the_exit_code_in_json() -> None:
    text, as_json = io.StringIO(), io.StringIO()
    for stream, form in ((text, "text"), (as_json, "json")):
        log = Log(stream, form, SCRUB)
        log.warning("beware")
        log.error("cause: remedy", 3)  # noqa: PLE1205
    assert text.getvalue() == "warning: beware\ntiktoken-cache-init: error: cause: remedy\n"
    warning, error = map(json.loads, as_json.getvalue().splitlines())
    assert (warning["level"], warning["message"]) == ("warning", "beware")
    assert (error["level"], error["message"], error["exit_code"]) == ("error", "cause: remedy", 3)


def test_a_closed_stderr_is_tolerated() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    Log(Gone(), "text", SCRUB).line("x", "not read")


def test_secrets_are_removed_before_json_escapes_them_and_only_from_values() -> None:
    scrub = Scrubber(['http://u:p"w\\é@h', "http://u:size@h"])
    assert json.dumps(scrubbed({"size": ['the p"w\\é', None]}, scrub)) == '{"size": ["the ***", null]}'
