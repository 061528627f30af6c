"""What people and machines are told.

Standard error has the log: one line a file, one line at the end. Standard output has results only.
"""

from __future__ import annotations

import os
import time

from . import __version__
from .errors import InitError
from .findings import UNREADABLE, Finding
from .light import suppress
from .outcomes import FAILED, INSTALLED, KEPT, MENDED, REPLACED, Filled, Outcome
from .redaction import Scrubber, shown
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

    from .obtain import Failure
    from .verify import Verified


SCHEMA = 1
"""Version of the JSON documents; raised when a field changes its meaning or goes, not when one is added."""


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


def announce(log: Log, settings: Settings) -> None:
    """Write the first line of a run, which should be enough to help whoever pastes a log."""
    encodings = ", ".join(encoding.name for encoding in settings.encodings)
    extra = f" and {len(settings.extra)} private" if settings.extra else ""
    mirrors = ", ".join(shown(mirror) for mirror in settings.mirrors)
    through = f" (mirrors: {mirrors}{'' if settings.origin else '; no origin'})" if mirrors else ""
    user = f"{os.geteuid()}:{os.getegid()}"
    sources = ", ".join(settings.sources)
    log.line(
        "start",
        f"tiktoken-cache-init {__version__}: {settings.command} {settings.cache_dir} as {user}: "
        f"{encodings}{extra} from {sources}{through}",
        version=__version__,
        command=settings.command,
        cache_dir=settings.cache_dir,
        user=user,
        encodings=[encoding.name for encoding in settings.encodings],
        sources=list(settings.sources),
        mirrors=[shown(mirror) for mirror in settings.mirrors],
    )


def name_of(finding: Finding) -> str:
    """Return what people know the file as, and the name it has in the volume."""
    published, name = finding.target.vocabulary.published_name, finding.target.name
    return published if name == published else f"{published} ({name})"


def _lines_of(outcome: Outcome) -> list[str]:
    before = outcome.before
    how = f"{'as' if before.target.beside else 'from'} {outcome.source}"
    what = {
        KEPT: before.text if before.text != "right" else "already right",
        MENDED: f"right, but {before.lacks}: mended",
        INSTALLED: f"installed {how}",
        REPLACED: f"{_found(before)}: replaced {how}",
        FAILED: f"{before.text}: NOT obtained" if outcome.failures else before.lacks or before.text,
    }[outcome.action]
    lines = [f"{name_of(before)}: {what}"]
    if outcome.failures:
        lines += [f"  tried {label}: {reason}{times}" for label, reason, times in _summed(outcome.failures)]
    return lines


def _found(before: Finding) -> str:
    if before.lacks:
        return f"right, but {before.lacks}"
    return before.text if before.state == UNREADABLE else f"was {before.text}"


def _summed(failures: Sequence[Failure]) -> list[tuple[str, str, str]]:
    counts: dict[tuple[str, str], int] = {}
    for failure in failures:
        key = (failure.label, failure.reason)
        counts[key] = counts.get(key, 0) + 1
    return [(label, reason, f" ({count} times)" if count > 1 else "") for (label, reason), count in counts.items()]


def report_fill(log: Log, settings: Settings, filled: Filled, seconds: float) -> None:
    """Write one line a file, what was tried for it if anything failed, and one line at the end."""
    for outcome in filled.outcomes:
        for index, line in enumerate(_lines_of(outcome)):
            log.line("file" if index == 0 else "tried", line, **(_outcome_document(outcome) if index == 0 else {}))
    count = len(filled.outcomes)
    if filled.error:
        log.error(str(filled.error), filled.error.exit_code)
    else:
        files = "1 file" if count == 1 else f"{count} files"
        log.line(
            "ready", f"ready: {files} in {settings.cache_dir} ({seconds:.2f} s)", seconds=round(seconds, 3), exit_code=0
        )


def fill_document(settings: Settings, filled: Filled) -> dict[str, Any]:
    """Return the result of a fill for ``--json``."""
    return {
        **_head(settings, filled.ready),
        "error": str(filled.error) if filled.error else None,
        "files": [_outcome_document(outcome) for outcome in filled.outcomes],
    }


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    before = outcome.before
    return {
        **_target_document(before),
        "found": _state(before),
        "found_detail": before.lacks or before.text,
        "action": outcome.action,
        "ready": outcome.action != FAILED,
        "source": outcome.source or None,
        "tried": [{"source": failure.label, "reason": failure.reason} for failure in outcome.failures],
    }


def _head(settings: Settings, ready: bool) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": __version__,
        "command": settings.command,
        "cache_dir": settings.cache_dir,
        "ready": ready,
    }


def verify_document(settings: Settings, verified: Verified) -> dict[str, Any]:
    """Return the result of a verification for ``--json``; its schema is in ``docs/verify.schema.json``."""
    return {
        **_head(settings, verified.ready),
        "error": None,
        "problems": list(verified.problems),
        "files": [
            {
                **_target_document(finding),
                "state": _state(finding),
                "detail": finding.lacks or finding.text,
                "ready": finding.ready,
                "gateway": finding.prognosis.outcome,
                "gateway_detail": finding.prognosis.text,
                "cure": cure or None,
            }
            for finding, cure in verified.files
        ],
    }


def failed_document(settings: Settings, error: InitError) -> dict[str, Any]:
    """Return the result, for ``--json``, of a verification that could not be made."""
    return {**_head(settings, ready=False), "error": str(error), "problems": [], "files": []}


def verify_lines(settings: Settings, verified: Verified) -> list[str]:
    """Return the result of a verification for people: one line a file, one line at the end."""
    lines = []
    for finding, cure in verified.files:
        lacks = f", but {finding.lacks}" if finding.lacks else ""
        consequence = f"; {finding.prognosis.text}; cure: {cure}" if cure else ""
        lines.append(f"{name_of(finding)}: {finding.text}{lacks}{consequence}")
    lines += verified.problems
    if verified.ready:
        if verified.gateway_starts:
            return [*lines, f"ready: a gateway with {settings.cache_dir} starts and counts right"]
        return [*lines, f"ready: all that is wanted in {settings.cache_dir} is right"]
    wrong = sum(not finding.ready for finding, _ in verified.files)
    what = f"{wrong} of {len(verified.files)} files in {settings.cache_dir}" if wrong else settings.cache_dir
    how = ""
    if verified.advises_fill:
        writable = ", on a writable mount (no ':ro')" if verified.read_only else ""
        how = f"; to run fill, repeat this command without 'verify'{writable}"
    return [*lines, f"not ready: {what}{how}"]


def _target_document(finding: Finding) -> dict[str, Any]:
    vocabulary = finding.target.vocabulary
    return {
        "name": finding.target.name,
        "vocabulary": vocabulary.published_name,
        "url": shown(vocabulary.url),
        "sha256": vocabulary.sha256,
        "size": vocabulary.size,
    }


def _state(finding: Finding) -> str:
    return finding.diagnosis.kind if finding.diagnosis else finding.state
