"""Output for people: the log of a fill, the result of a verification, the list of encodings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import __version__
from ..fill import Action, Filled, Outcome
from ..redact import redacted
from ..settings import Settings
from ..volume.inspect import Finding, State
from .documents import outcome_document
from .log import Log

if TYPE_CHECKING:
    # A fill does not import the other commands.
    from ..listing import Listed
    from ..verify import Verified

COLOURS = _RED, _GREEN, _PLAIN = ("\x1b[31m", "\x1b[32m", "\x1b[0m")
"""Escape sequences of the result of a verification."""


def announce(log: Log, settings: Settings) -> None:
    """Write the first line of a fill, with its settings."""
    encodings = [encoding.name for encoding in settings.encodings]
    mirrors = [redacted(mirror) for mirror in settings.mirrors]
    extra = f" and {len(settings.extra)} private" if settings.extra else ""
    through = f" (mirrors: {', '.join(mirrors)}{'' if settings.origin else '; no origin'})" if mirrors else ""
    user = f"{os.geteuid()}:{os.getegid()}"
    log.line(
        "start",
        f"tiktoken-cache-init {__version__}: {settings.command} {settings.cache_dir} as {user}: "
        f"{', '.join(encodings)}{extra} from {', '.join(settings.sources)}{through}",
        version=__version__,
        command=settings.command,
        cache_dir=settings.cache_dir,
        user=user,
        encodings=encodings,
        sources=list(settings.sources),
        mirrors=mirrors,
    )


def report_fill(log: Log, settings: Settings, filled: Filled, seconds: float) -> None:
    """Write one line for each file, with its failed attempts below it, and one line at the end."""
    for outcome in filled.outcomes:
        log.line("file", f"{_name(outcome.before)}: {_what_was_done(outcome)}", **outcome_document(outcome))
        for line in _tried(outcome):
            log.line("tried", line)
    for warning in filled.warnings:
        log.warning(warning)
    if filled.changed:
        log.line("restart", "restart a gateway that is already running: it read its files when it started")
    if filled.error:
        log.error(str(filled.error), filled.error.exit_code)
    else:
        count = len(filled.outcomes)
        text = f"ready: {count} file{'s' if count > 1 else ''} in {settings.cache_dir} ({seconds:.2f} s)"
        log.line("ready", text, seconds=round(seconds, 3), exit_code=0)


def verify_lines(settings: Settings, verified: Verified, *, colour: bool) -> list[str]:
    """Return the state of each file, what a gateway does with it, the fix, and one line at the end."""
    lines = []
    for finding, prediction, fix in verified.files:
        lines.append(f"{_name(finding)}: {_coloured(_state(finding), finding.ready, colour)}")
        if fix:
            lines += [f"  gateway: {prediction.text}", f"  fix: {fix.text}"]
    lines += [problem.text for problem in verified.problems]
    if verified.gateway_starts:
        last = f"a gateway with {settings.cache_dir} starts and counts right"
    elif verified.ready:
        last = f"all wanted files in {settings.cache_dir} are right"
    else:
        last = _not_ready(settings, verified)
    word = "ready" if verified.ready else "not ready"
    return [*lines, f"{_coloured(word, verified.ready, colour)}: {last}"]


def list_lines(listed: Sequence[Listed]) -> list[str]:
    """Return one line for each file, with the models below each encoding. Only the JSON form has digests."""
    widths = (13, 20, 40)
    lines = ["ENCODING       FILE                  CACHE KEY"]
    for encoding, models, vocabularies in listed:
        for vocabulary in vocabularies:
            row = (encoding, vocabulary.published_name, vocabulary.cache_key)
            lines.append("  ".join(map(str.ljust, row, widths)).rstrip())
        if models:
            lines.append(f"  models: {', '.join(models)}")
    return lines


def _name(finding: Finding) -> str:
    published, name = finding.target.vocabulary.published_name, finding.target.name
    return published if name == published else f"{published} ({name})"


def _what_was_done(outcome: Outcome) -> str:
    before = outcome.before
    aside = f", and the directory is now called {outcome.moved_aside}" if outcome.moved_aside else ""
    found = before.detail
    match outcome.action:
        case Action.KEPT:
            return f"already {found}"
        case Action.REPAIRED:
            return f"{found}: repaired"
        case Action.INSTALLED:
            return f"installed from {outcome.source}"
        case Action.REPLACED:
            return f"was {found}: replaced from {outcome.source}{aside}"
        case Action.FAILED:
            return f"{found}: NOT obtained" if outcome.failures else found


def _tried(outcome: Outcome) -> list[str]:
    counts: dict[tuple[str, str], int] = {}
    for failure in outcome.failures:
        key = (failure.label, failure.reason)
        counts[key] = counts.get(key, 0) + 1
    return [
        f"  tried {label}: {reason}{f' ({count} times)' if count > 1 else ''}"
        for (label, reason), count in counts.items()
    ]


def _state(finding: Finding) -> str:
    if finding.state is State.RIGHT:
        return finding.detail
    return finding.text if finding.state in (State.MISSING, State.UNREADABLE) else f"WRONG: {finding.text}"


def _not_ready(settings: Settings, verified: Verified) -> str:
    wrong = sum(not finding.ready for finding, _, _ in verified.files)
    what = f"{wrong} of {len(verified.files)} files in {settings.cache_dir}" if wrong else settings.cache_dir
    if not verified.fill_helps:
        return what
    writable = " on a writable mount (no ':ro')" if verified.read_only else ""
    return f"{what}: to run fill, repeat this command without 'verify'{writable}"


def _coloured(text: str, good: bool, colour: bool) -> str:
    return f"{_GREEN if good else _RED}{text}{_PLAIN}" if colour else text
