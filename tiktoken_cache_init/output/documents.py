"""Output for programs: JSON documents. The schemas in ``docs/`` describe the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InitError
from ..fill import Action, Filled, Outcome
from ..redact import redacted
from ..settings import Settings
from ..volume.inspect import Finding

if TYPE_CHECKING:
    # A fill does not import the other commands.
    from ..verify import Verified

SCHEMA = 1
"""Version of the documents. It increases if a field is removed or changes its meaning, not if a field is added."""


def fill_document(settings: Settings, filled: Filled) -> dict[str, Any]:
    """Return the result of a fill."""
    return {
        **_head(settings, filled.error is None, filled.error),
        "warnings": list(filled.warnings),
        "files": [outcome_document(outcome) for outcome in filled.outcomes],
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """Return the result of a fill for one file."""
    before = outcome.before
    return {
        **_target(before),
        "found": _state(before),
        "found_detail": before.detail,
        "action": outcome.action.value,
        "ready": outcome.action is not Action.FAILED,
        "source": outcome.source or None,
        "tried": [{"source": failure.label, "reason": failure.reason} for failure in outcome.failures],
    }


def verify_document(settings: Settings, verified: Verified, error: InitError | None = None) -> dict[str, Any]:
    """Return the result of a verification, which may have ended with an error."""
    return {
        **_head(settings, verified.ready and not error, error),
        "problems": [problem.text for problem in verified.problems],
        "files": [
            {
                **_target(finding),
                "state": _state(finding),
                "detail": finding.detail,
                "ready": finding.ready,
                "gateway": prediction.consequence.value,
                "gateway_detail": prediction.text,
                "fix": fix.text if fix else None,
            }
            for finding, prediction, fix in verified.files
        ],
    }


def list_document(settings: Settings) -> dict[str, Any]:
    """Return the encodings and their files."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "encodings": [
            {
                "encoding": encoding.name,
                "models": list(encoding.models),
                "files": [
                    {
                        "name": vocabulary.published_name,
                        "url": redacted(vocabulary.url),
                        "cache_key": vocabulary.cache_key,
                        "size": vocabulary.size,
                        "sha256": vocabulary.sha256,
                    }
                    for vocabulary in encoding.vocabularies
                ],
            }
            for encoding in settings.listed
        ],
    }


def _head(settings: Settings, ready: bool, error: InitError | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": __version__,
        "command": settings.command,
        "cache_dir": settings.cache_dir,
        "ready": ready,
        "error": str(error) if error else None,
    }


def _target(finding: Finding) -> dict[str, Any]:
    vocabulary = finding.vocabulary
    return {
        "name": finding.name,
        "vocabulary": vocabulary.published_name,
        "url": redacted(vocabulary.url),
        "sha256": vocabulary.sha256,
        "size": vocabulary.size,
    }


def _state(finding: Finding) -> str:
    return finding.identity.kind.value if finding.identity else finding.state.value
