"""The fetch source: mirrors, then the origin. Mirrors that are directories come first: they need no HTTP client."""

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from ..redact import redacted
from ..settings import Settings
from . import Delivery, Watch
from .local import copy_from_directory


def supply(deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:
    """Fetch the vocabularies. For arguments and errors, see `sources.supply`."""
    directories = {mirror: directory_of(mirror) for mirror in settings.mirrors}
    for mirror, directory in directories.items():
        if directory is not None:
            for delivery in deliveries:
                if not delivery.complete:
                    copy_from_directory(delivery, redacted(mirror), directory)
    missing = [delivery for delivery in deliveries if not delivery.complete]
    if missing and (settings.origin or None in directories.values()):
        from .http import fetch

        fetch(missing, settings, end, watch)


def directory_of(mirror: str) -> str | None:
    """Return the path of a mirror that is a directory, or None for an HTTP mirror."""
    if "://" not in mirror:
        return mirror
    parts = urlsplit(mirror)
    return unquote(parts.path) if parts.scheme.lower() == "file" else None
