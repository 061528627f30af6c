"""The log of a fill, as lines for people with fields for programs."""

import os
from collections import Counter

from .. import __version__, place
from ..fill import Action, Filled, Outcome
from ..redact import redacted
from ..settings import Settings
from .documents import outcome_document
from .log import Log
from .text import name_text


def announce(log: Log, settings: Settings) -> None:
    """Write the first line of a fill, with its settings."""
    encodings = [encoding.name for encoding in settings.encodings]
    mirrors = [redacted(mirror) for mirror in settings.mirrors]
    extra = f" and {len(settings.extra)} private" if settings.extra else ""
    through = f" (mirrors: {', '.join(mirrors)}{'' if settings.origin else '; no origin'})" if mirrors else ""
    baked = "" if os.path.isdir(place.BAKED_DIR) else " (nothing is baked in)"
    user = f"{os.geteuid()}:{os.getegid()}"
    log.line(
        "start",
        f"tiktoken-cache-init {__version__}: {settings.command} {settings.cache_dir} as {user}: "
        f"{', '.join(encodings)}{extra} from {', '.join(settings.sources)}{baked}{through}",
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
        log.line("file", f"{name_text(outcome.before)}: {_what_was_done(outcome)}", **outcome_document(outcome))
        for (label, reason), count in Counter((each.label, each.reason) for each in outcome.failures).items():
            log.line("tried", f"  tried {label}: {reason}{f' ({count} times)' if count > 1 else ''}")
    for warning in filled.warnings:
        log.warning(warning)
    if any(outcome.action is Action.REPLACED for outcome in filled.outcomes):
        log.line("restart", "restart a gateway that is already running: it read its files when it started")
    if filled.error:
        log.error(str(filled.error), filled.error.exit_code)
    else:
        count = len(filled.outcomes)
        text = f"ready: {count} file{'s' if count > 1 else ''} in {settings.cache_dir} ({seconds:.2f} s)"
        log.line("ready", text, seconds=round(seconds, 3), exit_code=0)


def _what_was_done(outcome: Outcome) -> str:
    before = outcome.before
    found = before.detail
    match outcome.action:
        case Action.KEPT:
            return f"already {found}"
        case Action.REPAIRED:
            return f"{found}: repaired"
        case Action.INSTALLED:
            return f"installed from {outcome.source}"
        case Action.REPLACED:
            return f"was {found}: replaced from {outcome.source}"
        case Action.FAILED:
            return f"{found}: NOT obtained" if outcome.failures else found
