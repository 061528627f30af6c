"""What is told of a verification: one line a file and one line at the end, or a document."""

from __future__ import annotations

from .gateway import foretell
from .report import head, name_of, state_of, target_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .errors import InitError
    from .settings import Settings
    from .verify import Verified


def document(settings: Settings, verified: Verified) -> dict[str, Any]:
    """Return the result of a verification for ``--json``; its schema is in ``docs/verify.schema.json``."""
    return {
        **head(settings, verified.ready),
        "error": None,
        "problems": list(verified.problems),
        "files": [
            {
                **target_document(finding),
                "state": state_of(finding),
                "detail": finding.lacks or finding.text,
                "ready": finding.ready,
                "gateway": foretell(finding).outcome,
                "gateway_detail": foretell(finding).text,
                "cure": cure or None,
            }
            for finding, cure in verified.files
        ],
    }


def failed(settings: Settings, error: InitError) -> dict[str, Any]:
    """Return the result, for ``--json``, of a verification that could not be made."""
    return {**head(settings, ready=False), "error": str(error), "problems": [], "files": []}


def lines(settings: Settings, verified: Verified) -> list[str]:
    """Return the result of a verification for people: one line a file, one line at the end."""
    told = []
    for finding, cure in verified.files:
        lacks = f", but {finding.lacks}" if finding.lacks else ""
        consequence = f"; {foretell(finding).text}; cure: {cure}" if cure else ""
        told.append(f"{name_of(finding)}: {finding.text}{lacks}{consequence}")
    told += verified.problems
    if verified.ready:
        if verified.gateway_starts:
            return [*told, f"ready: a gateway with {settings.cache_dir} starts and counts right"]
        return [*told, f"ready: all that is wanted in {settings.cache_dir} is right"]
    wrong = sum(not finding.ready for finding, _ in verified.files)
    what = f"{wrong} of {len(verified.files)} files in {settings.cache_dir}" if wrong else settings.cache_dir
    how = ""
    if verified.advises_fill:
        writable = ", on a writable mount (no ':ro')" if verified.read_only else ""
        how = f"; to run fill, repeat this command without 'verify'{writable}"
    return [*told, f"not ready: {what}{how}"]
