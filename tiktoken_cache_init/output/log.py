"""The log on stderr, as text or as one JSON object a line. It shows no secret, and each entry is one line."""

import contextlib
import time
from typing import Any, TextIO

from ..redact import Scrubber


class Log:
    """Writes the lines on stderr."""

    def __init__(self, stream: TextIO, form: str, scrub: Scrubber) -> None:
        self._stream = stream
        self._json = form == "json"
        self._scrub = scrub

    def line(self, event: str, message: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line. ``event`` is a stable word; ``fields`` appear in JSON only."""
        if self._json:
            import json

            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            record = {"time": stamp, "level": level, "event": event, "message": message, **fields}
            text = json.dumps(scrubbed(record, self._scrub))
        else:
            text = printable(self._scrub(message))
        # A closed stderr or a full disk under it must not keep a volume from being filled.
        with contextlib.suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()

    def warning(self, message: str) -> None:
        """Write a line about something that does not stop the run."""
        self.line("warning", message if self._json else f"warning: {message}", level="warning")

    def error(self, message: str, exit_code: int) -> None:
        """Write the one line that says why a run failed."""
        text = message if self._json else f"tiktoken-cache-init: error: {message}"
        self.line("error", text, level="error", exit_code=exit_code)


def scrubbed(document: Any, scrub: Scrubber) -> Any:
    """Return a JSON document without secrets. Scrub before encoding, because JSON may escape a secret's characters."""
    if isinstance(document, str):
        return scrub(document)
    if isinstance(document, dict):
        return {key: scrubbed(value, scrub) for key, value in document.items()}
    if isinstance(document, list):
        return [scrubbed(value, scrub) for value in document]
    return document


def printable(text: str) -> str:
    """Return the text with every character escaped that could move a terminal's cursor or cannot be encoded."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
