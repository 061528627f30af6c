"""Refuses files that were handed in to the build under a vocabulary's name and are not that vocabulary.

The fill would pass over them and look elsewhere. But a file that was handed in is meant to be used, so a wrong one must stop
the build. ``python -m image.handed_in DIRECTORY``.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from tiktoken_cache_init.catalogue import VOCABULARIES


def problems(directory: Path) -> list[str]:
    """Return a line for each file below the directory that has a published or a cache name and wrong bytes."""
    pins = {name: v.sha256 for v in VOCABULARIES for name in (v.published_name, v.cache_key)}
    found = []
    for path in sorted(directory.rglob("*")):
        if path.name in pins and path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest != pins[path.name]:
                found.append(
                    f"error: {path.relative_to(directory)}: wrong bytes were handed in: SHA-256 is {digest}, must be "
                    f"{pins[path.name]}: replace the file, or remove it and let the build obtain it"
                )
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems(Path(sys.argv[1]))) or None)
