"""Gives everything in a folder one time, so that a layer whose content is the same has the same digest.

``python -m image.seal FOLDER``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Zip files cannot say anything earlier, and some tools take 1970 for "no time at all".
MTIME = 315532800
"""Seconds since the epoch: 1980-01-01."""


def seal(folder: Path) -> None:
    """Give the folder and every entry in it that time."""
    for place, folders, names in os.walk(folder, topdown=False):
        for entry in (*names, *folders, "."):
            os.utime(f"{place}/{entry}", (MTIME, MTIME), follow_symlinks=False)


if __name__ == "__main__":
    seal(Path(sys.argv[1]))
