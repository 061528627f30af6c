"""The catalogue, for people and machines."""

from __future__ import annotations

from .redaction import shown
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def lines(settings: Settings) -> list[str]:
    """Return the encodings asked for, one row a file."""
    rows = [("ENCODING", "FILE", "CACHE KEY", "BYTES", "SHA-256", "MODELS")]
    for encoding in settings.encodings:
        rows += [
            (encoding.name, v.published_name, v.cache_key, str(v.size), v.sha256, encoding.models)
            for v in encoding.vocabularies
        ]
    rows += [("(private)", v.published_name, v.cache_key, "?", v.sha256, "") for v in settings.extra]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def document(settings: Settings) -> list[dict[str, Any]]:
    """Return the same for ``--json``."""
    encodings = [(encoding.name, encoding.models, encoding.vocabularies) for encoding in settings.encodings]
    if settings.extra:
        encodings.append(("(private)", "", settings.extra))
    return [
        {
            "encoding": name,
            "models": [model for model in models.split(", ") if model],
            "files": [
                {
                    "name": vocabulary.published_name,
                    "url": shown(vocabulary.url),
                    "cache_key": vocabulary.cache_key,
                    "size": vocabulary.size,
                    "sha256": vocabulary.sha256,
                }
                for vocabulary in vocabularies
            ],
        }
        for name, models, vocabularies in encodings
    ]
