"""What is told of a fill: one line a file and one line at the end, or a document.

Standard error has the log. Standard output has results only.
"""

from __future__ import annotations

import os

from . import __version__
from .findings import UNREADABLE, Finding
from .log import Log
from .outcomes import FAILED, INSTALLED, KEPT, MENDED, REPLACED, Filled, Outcome
from .redaction import shown
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .obtain import Failure


SCHEMA = 1
"""Version of the JSON documents; raised when a field changes its meaning or goes, not when one is added."""


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
        **head(settings, filled.ready),
        "error": str(filled.error) if filled.error else None,
        "files": [_outcome_document(outcome) for outcome in filled.outcomes],
    }


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    before = outcome.before
    return {
        **target_document(before),
        "found": state_of(before),
        "found_detail": before.lacks or before.text,
        "action": outcome.action,
        "ready": outcome.action != FAILED,
        "source": outcome.source or None,
        "tried": [{"source": failure.label, "reason": failure.reason} for failure in outcome.failures],
    }


def head(settings: Settings, ready: bool) -> dict[str, Any]:
    """Return what every document begins with."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "command": settings.command,
        "cache_dir": settings.cache_dir,
        "ready": ready,
    }


def target_document(finding: Finding) -> dict[str, Any]:
    """Return what is known of a name, whatever it holds."""
    vocabulary = finding.target.vocabulary
    return {
        "name": finding.target.name,
        "vocabulary": vocabulary.published_name,
        "url": shown(vocabulary.url),
        "sha256": vocabulary.sha256,
        "size": vocabulary.size,
    }


def state_of(finding: Finding) -> str:
    """Return the stable word for what a name holds."""
    return finding.diagnosis.kind if finding.diagnosis else finding.state
