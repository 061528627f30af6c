"""Where this program runs, as far as that changes what it does by default: in the image, in which of them, or on a host."""

from __future__ import annotations

import os

DEFAULT_BAKED_DIR = "/vocabularies"


def in_image() -> bool:
    """Whether this is the image, which is known by the folder that it alone brings along."""
    return os.path.isdir(DEFAULT_BAKED_DIR)


def can_fetch() -> bool:
    """Whether the networking code is there: the offline image is built without it."""
    modules = os.path.join(os.path.dirname(__file__), "sources")
    return any(os.path.exists(f"{modules}/fetch{suffix}") for suffix in (".py", ".pyc"))
