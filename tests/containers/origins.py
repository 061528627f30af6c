"""Program that lists the files of an image without an origin. It runs in the build stage that has all packages.

``python3.13 origins.py IMAGE PROJECT``: the directory of the image's file system, and the project's. It prints JSON: the
path of each regular file that is neither a file of Debian, of a wheel or of the project, nor byte-code of one.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SITE = "/usr/local/lib/python3.13/dist-packages"
WHEELS = "/wheels"
PROGRAM = "/usr/lib/tiktoken-cache-init"
LICENSE = "/usr/share/doc/tiktoken-cache-init/copyright"
WRITTEN = {"/etc/group", "/etc/nsswitch.conf", "/etc/passwd"}
"""Files that the build writes."""
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
COMPILE = ["-m", "compileall", "-q", "-b", "-o", "2", "--invalidation-mode", "unchecked-hash"]


def stated() -> dict[str, str]:
    """Return path in this stage -> the digest that the package of the file states; empty for a wheel's RECORD itself."""
    found = {}
    for listing in Path("/var/lib/dpkg/info").glob("*.md5sums"):
        for line in listing.read_text().splitlines():
            md5, _, name = line.partition("  ")
            found[os.path.realpath(f"/{name}")] = md5
    for record in Path(WHEELS).glob("*.dist-info/RECORD"):
        with record.open(newline="") as rows:
            found |= {f"{WHEELS}/{name}": sha256.removeprefix("sha256=") for name, sha256, _ in csv.reader(rows)}
    return found


def digest(name: str, content: bytes) -> str:
    """Return the digest of a content in the form in which the package of the file states it."""
    if name.startswith(f"{WHEELS}/"):
        return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return hashlib.md5(content).hexdigest()


class Origins:
    """Sources of the files of an image: packages in this stage, and the project."""

    def __init__(self, image: str, project: str) -> None:
        from tiktoken_cache_init.catalogue import VOCABULARIES

        self._project = project
        self._files = {f"/{path.relative_to(image)}": path for path in Path(image).rglob("*")}
        self._files = {name: path for name, path in self._files.items() if path.is_file() and not path.is_symlink()}
        self._stated = stated()
        self._status = set(Path("/var/lib/dpkg/status").read_text().split("\n\n"))
        self._vocabularies = {f"/vocabularies/{each.cache_key}": each.sha256 for each in VOCABULARIES}

    def unknown(self) -> list[str]:
        """Return the files without an origin."""
        compiled = self._compiled()
        return sorted(
            name for name, path in self._files.items() if not self._is_known(name, path.read_bytes(), compiled)
        )

    def _is_known(self, name: str, content: bytes, compiled: dict[str, bytes]) -> bool:
        if name in self._vocabularies:
            return hashlib.sha256(content).hexdigest() == self._vocabularies[name]
        if name.startswith("/var/lib/dpkg/status.d/"):
            return content.decode().removesuffix("\n") in self._status
        if name == BUNDLE:
            return content == self._certificates()
        return name in WRITTEN or content == (compiled.get(name) or self._packaged(name))

    def _packaged(self, name: str) -> bytes | None:
        """Return the content of a file, if it is the project's or has the digest that its package states."""
        if name == LICENSE:
            return Path(self._project, "LICENSE").read_bytes()
        if name.startswith(f"{PROGRAM}/"):
            source = Path(self._project + name.removeprefix(PROGRAM))
            return source.read_bytes() if source.is_file() else None
        place = WHEELS + name.removeprefix(SITE) if name.startswith(f"{SITE}/") else os.path.realpath(name)
        if place not in self._stated:
            return None
        content = Path(place).read_bytes()
        return content if self._stated[place] in ("", digest(place, content)) else None

    def _compiled(self) -> dict[str, bytes]:
        """Return path -> the byte-code that the stock compiler makes of its source."""
        made = {}
        with tempfile.TemporaryDirectory() as root:
            for name in self._files:
                source = self._packaged(name.removesuffix("c")) if name.endswith(".pyc") else None
                if source is not None:
                    made[name] = Path(root + name)
                    made[name].parent.mkdir(parents=True, exist_ok=True)
                    made[name].with_suffix(".py").write_bytes(source)
            subprocess.run([sys.executable, *COMPILE, "-s", root, "-p", "/", root], check=True)
            return {name: path.read_bytes() for name, path in made.items()}

    def _certificates(self) -> bytes:
        """Return the bundle of Debian's certificate authorities."""
        chosen = Path("/etc/ca-certificates.conf").read_text().splitlines()
        paths = [f"/usr/share/ca-certificates/{line}" for line in sorted(chosen) if line.endswith(".crt")]
        return b"".join(self._packaged(path) or b"" for path in paths)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    json.dump(Origins(sys.argv[1], sys.argv[2]).unknown(), sys.stdout)
