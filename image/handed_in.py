"""Refuses files that were handed in to the build under a vocabulary's name and are not that vocabulary.

The fill would pass over them and look elsewhere. But whoever hands a file in means it, so a wrong one must stop the build.
"""

from __future__ import annotations

import hashlib
import os
import sys

from tiktoken_cache_init.catalogue import VOCABULARIES


def problems(folder: str) -> list[str]:
    """Return a line for each file below the folder that bears a published or a cache name and has other bytes."""
    pins = {name: v.sha256 for v in VOCABULARIES for name in (v.published_name, v.cache_key)}
    found = []
    for place, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name not in pins:
                continue
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != pins[name]:
                shown = os.path.relpath(path, folder)
                found.append(f"{shown}: wrong bytes were handed in: SHA-256 is {digest}, must be {pins[name]}")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems(sys.argv[1])) or None)
