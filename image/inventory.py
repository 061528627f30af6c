"""Inventory of Debian's packages in the image, for scanners and for licences. The wheels contain their own.

It has a file in ``/var/lib/dpkg/status.d`` for each package, as in distroless images, and the package's copyright file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

DPKG = Path("/var/lib/dpkg")
DOC = Path("/usr/share/doc")

TEXTS = {"libc6": "LGPL-2.1", "libssl3t64": "Apache-2.0"}
"""Debian package -> licence text that must be added, because its copyright file only names it."""


def files(taken: Iterable[Path]) -> dict[Path, bytes]:
    """Return path -> content of each file of the inventory, for an image with the files ``taken``."""
    paragraphs = {text.split()[1]: f"{text}\n" for text in (DPKG / "status").read_text().split("\n\n") if text.strip()}
    written = {}
    for name in _owners(taken):
        written[DPKG / "status.d" / name] = paragraphs[name].encode()
        texts = [DOC / name / "copyright"]
        texts += [Path("/usr/share/common-licenses", TEXTS[name])] if name in TEXTS else []
        written |= {path: path.read_bytes() for path in texts}
    return written


def _owners(taken: Iterable[Path]) -> set[str]:
    """Return the Debian packages that own the paths. Links have no content, so they do not count."""
    owners = {Path("/etc/ssl/certs/ca-certificates.crt"): "ca-certificates"}  # made during installation
    for listing in (DPKG / "info").glob("*.list"):
        for path in map(Path, listing.read_text().splitlines()):
            if path.is_symlink() or not path.is_dir():
                # A package may list a path in /lib, which is a link to /usr/lib.
                owners[Path(os.path.realpath(path.parent), path.name)] = listing.stem.partition(":")[0]
    return {owners[path] for path in taken if path in owners and not path.is_symlink()}
