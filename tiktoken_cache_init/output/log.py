"""The log on stderr, as text or as JSON. Each entry is one line without secrets."""

import contextlib
import time
from typing import Any, TextIO

from ..redact import Scrubber


class Log:
    """Writer of the log."""

    def __init__(self, stream: TextIO, form: str, scrub: Scrubber) -> None:
        self._stream = stream
        self._json = form == "json"
        self._scrub = scrub

    def line(self, event: str, message: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line. ``event`` is a stable word. ``fields`` appear only in JSON."""
        if self._json:
            import json

            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            record = {"time": stamp, "level": level, "event": event, "message": message.lstrip(), **fields}
            text = json.dumps(scrubbed(record, self._scrub))
        else:
            text = printable(self._scrub(message))
        # A closed stderr or a full disk must not stop a fill.
        with contextlib.suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()

    def warning(self, message: str) -> None:
        """Write a warning, which does not stop the run."""
        self.line("warning", message if self._json else f"warning: {message}", level="warning")

    def error(self, message: str, exit_code: int) -> None:
        """Write the line that says why the run failed."""
        text = message if self._json else f"tiktoken-cache-init: error: {message}"
        self.line("error", text, level="error", exit_code=exit_code)


def scrubbed(document: Any, scrub: Scrubber) -> Any:
    """Return a document without secrets. Scrub before the encoding, because JSON may escape characters of a secret."""
    if isinstance(document, str):
        return scrub(document)
    if isinstance(document, dict):
        return {key: scrubbed(value, scrub) for key, value in document.items()}
    if isinstance(document, list):
        return [scrubbed(value, scrub) for value in document]
    return document


def printable(text: str) -> str:
    """Escape the characters that could move the cursor of a terminal or cannot be encoded."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
