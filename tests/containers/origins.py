"""Program that traces each regular file of an image to its origin. It runs in the build stage that has all packages.

``python3.13 origins.py IMAGE PROJECT``: the directory of the image's file system, and the project's. It prints JSON:
``counts`` has the number of files of each origin, ``unknown`` the paths without an origin.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

SITE = "/usr/local/lib/python3.13/dist-packages"
WHEELS = "/wheels"
OUR_PLACE = "/usr/lib/tiktoken-cache-init"
OURS = {
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/passwd",
}
"""Files that this project writes into the image, except its program, licence and vocabularies."""
COMPILE = ["-m", "compileall", "-q", "-b", "-o", "2", "--invalidation-mode", "unchecked-hash"]


def digest(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file."""
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


def debian_sums() -> dict[str, str]:
    """Return path -> MD5, from the lists of the installed packages."""
    sums = {}
    for listing in Path("/var/lib/dpkg/info").glob("*.md5sums"):
        for line in listing.read_text().splitlines():
            md5, _, name = line.partition("  ")
            sums[os.path.realpath(f"/{name}")] = md5
    return sums


def wheel_sums() -> dict[str, str]:
    """Return path -> SHA-256 in base64, from the RECORD files of the wheels; empty for a RECORD itself."""
    sums = {}
    for record in Path(WHEELS).glob("*.dist-info/RECORD"):
        with record.open(newline="") as rows:
            for name, stated, _ in csv.reader(rows):
                sums[f"{WHEELS}/{name}"] = stated.removeprefix("sha256=")
    return sums


class Origins:
    """Digests of the files of all packages, and the sources of this project."""

    def __init__(self, project: Path, vocabularies: dict[str, str]) -> None:
        self.project = project
        self.vocabularies = vocabularies
        self.debian = debian_sums()
        self.wheels = wheel_sums()
        self.status = set(Path("/var/lib/dpkg/status").read_text().split("\n\n"))

    def packaged(self, name: str, content: Path) -> str | None:
        """Return the origin of a file if a package, a wheel or the project has it under this name, or None."""
        real = os.path.realpath(name)
        if real in self.debian:
            return "Debian's file" if digest(content, "md5") == self.debian[real] else None
        if name.startswith(f"{SITE}/"):
            stated = self.wheels.get(WHEELS + name.removeprefix(SITE))
            if stated is not None:
                return "wheel's file" if self._recorded(stated, content) else None
        source = self._our_source(name)
        return "our file" if source and source.is_file() and source.read_bytes() == content.read_bytes() else None

    def _recorded(self, stated: str, content: Path) -> bool:
        if not stated:
            return content.read_bytes() == Path(WHEELS, content.parent.name, "RECORD").read_bytes()
        found = base64.urlsafe_b64encode(hashlib.sha256(content.read_bytes()).digest()).decode().rstrip("=")
        return found == stated

    def _our_source(self, name: str) -> Path | None:
        if name == f"{OUR_PLACE}/entrypoint.py":
            return self.project / "entrypoint.py"
        if name == "/usr/share/doc/tiktoken-cache-init/copyright":
            return self.project / "LICENSE"
        if name.startswith(f"{OUR_PLACE}/tiktoken_cache_init/"):
            return self.project / name.removeprefix(f"{OUR_PLACE}/")
        return None

    def source(self, name: str) -> tuple[str, Path] | None:
        """Return the origin and the path of the source file with that name, or None."""
        places = [Path(name), Path(WHEELS + name.removeprefix(SITE)), self._our_source(name)]
        for place in places:
            if place and place.is_file() and (origin := self.packaged(name, place)):
                return origin, place
        return None

    def other(self, name: str, content: Path) -> str | None:
        """Return the origin of a file that is neither packaged nor byte-code, or None."""
        if name in OURS:
            return "our file"
        if name.startswith("/vocabularies/"):
            return "vocabulary" if self.vocabularies.get(content.name) == digest(content, "sha256") else None
        if name.startswith("/var/lib/dpkg/status.d/"):
            return "paragraph of dpkg's status" if content.read_text().removesuffix("\n") in self.status else None
        if name == "/etc/ssl/certs/ca-certificates.crt":
            return "Debian's certificates" if self._only_debian_certificates(content) else None
        return None

    def _only_debian_certificates(self, bundle: Path) -> bool:
        whole = bundle.read_text()
        for path in sorted(Path("/usr/share/ca-certificates").rglob("*.crt")):
            if self.packaged(str(path), path):
                whole = whole.replace(path.read_text(), "")
        return not whole.strip()


def traced(image: Path, origins: Origins) -> dict[str, str | None]:
    """Return path -> origin, or None, of each regular file of the image."""
    found: dict[str, str | None] = {}
    compiled: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as again:
        for path in sorted(image.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name = f"/{path.relative_to(image)}"
            found[name] = origins.packaged(name, path) or origins.other(name, path)
            source = origins.source(name.removesuffix("c")) if name.endswith(".pyc") else None
            if source:
                compiled[name], place = source
                copy = Path(again + name.removesuffix("c"))
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place, copy)
        subprocess.run([sys.executable, *COMPILE, "-s", again, "-p", "/", again], check=True)
        for name, origin in compiled.items():
            if Path(again + name).read_bytes() == Path(f"{image}{name}").read_bytes():
                found[name] = f"byte-code of {origin}"
    return found


def main() -> None:
    """Print the counts."""
    image, project = map(Path, sys.argv[1:])
    sys.path.insert(0, str(project))
    from tiktoken_cache_init.catalogue import VOCABULARIES

    found = traced(image, Origins(project, {each.cache_key: each.sha256 for each in VOCABULARIES}))
    counts = Counter(origin for origin in found.values() if origin)
    json.dump({"counts": counts, "unknown": [name for name, origin in found.items() if not origin]}, sys.stdout)


if __name__ == "__main__":
    main()
