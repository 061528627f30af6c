"""The log on standard error, as text or as one JSON object a line; nothing in it is secret, and no line is more than one."""

from __future__ import annotations

import time

from .light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from .redaction import Scrubber


class Log:
    """Lines on standard error, as text or as one JSON object each."""

    def __init__(self, stream: TextIO, form: str, scrub: Scrubber) -> None:
        self._stream = stream
        self._json = form == "json"
        self._scrub = scrub

    def line(self, event: str, message: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line. ``event`` is a stable word; ``fields`` are for JSON only."""
        if self._json:
            import json

            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            record = {"time": stamp, "level": level, "event": event, "message": message, **fields}
            text = json.dumps(scrubbed(record, self._scrub))
        else:
            text = printable(self._scrub(message))
        # A log that nobody takes must not keep a volume from being filled.
        with suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()

    def error(self, message: str, exit_code: int) -> None:
        """Write the one line that says why a run failed."""
        text = message if self._json else f"tiktoken-cache-init: error: {message}"
        self.line("error", text, level="error", exit_code=exit_code)


def scrubbed(document: Any, scrub: Scrubber) -> Any:
    """Return a document without secrets. Before it is encoded, because JSON may write a secret's characters differently."""
    if isinstance(document, str):
        return scrub(document)
    if isinstance(document, dict):
        return {key: scrubbed(value, scrub) for key, value in document.items()}
    if isinstance(document, list):
        return [scrubbed(value, scrub) for value in document]
    return document


def printable(text: str) -> str:
    """Return the text on one line, with everything escaped that could move a terminal's cursor or not be encoded."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
