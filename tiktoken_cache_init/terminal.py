"""How wide what is printed may be. Not by `shutil`, whose other 45 kB of byte-code the image has no use for."""

from __future__ import annotations

import os

_USUAL = 80


def columns(descriptor: int) -> int:
    """Return the columns of the terminal that a file descriptor leads to; those of ``COLUMNS`` or 80 where it is none."""
    try:
        # Of a terminal that does not know its size, this too can be 0.
        if named := int(os.environ["COLUMNS"]):
            return named
    except (KeyError, ValueError):
        pass
    try:
        # A terminal that does not know its size says 0.
        return os.get_terminal_size(descriptor).columns or _USUAL
    except OSError:
        return _USUAL
