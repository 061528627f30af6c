"""Check of the vocabularies that are handed in to the build: ``python -m image.handed_in DIRECTORY``.

A file with the name of a vocabulary and wrong bytes stops the build. Without this check, the fill would skip the file
and use another source, although the user wants to use this file.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from tiktoken_cache_init.catalogue import VOCABULARIES


def problems(directory: Path) -> list[str]:
    """Return an error line for each file that has wrong bytes under a published name or a cache key."""
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
