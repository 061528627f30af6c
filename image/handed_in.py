"""Refuses files that were handed in to the build under a vocabulary's name and are not that vocabulary.

The fill would pass over them and look elsewhere. But whoever hands a file in means it, so a wrong one must stop the build.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from tiktoken_cache_init.catalogue import VOCABULARIES


def problems(folder: Path) -> list[str]:
    """Return a line for each file below the folder that bears a published or a cache name and has other bytes."""
    pins = {name: v.sha256 for v in VOCABULARIES for name in (v.published_name, v.cache_key)}
    found = []
    for path in sorted(folder.rglob("*")):
        if path.name in pins and path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest != pins[path.name]:
                found.append(
                    f"{path.relative_to(folder)}: wrong bytes were handed in: "
                    f"SHA-256 is {digest}, must be {pins[path.name]}"
                )
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems(Path(sys.argv[1]))) or None)
