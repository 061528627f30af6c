"""Program that lists the files of an image without an origin. It runs in the build stage that has all packages.

``python3.13 -m tests.containers.origins IMAGE``, in the directory of the project: IMAGE is the directory of the image's file
system. It prints JSON: the path of each regular file that is neither a file of Debian, of a wheel or of the project, nor
byte-code of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from image.lay_out import AUTHORITIES, SITE, WHEELS, WRITTEN, compile_sources
from tiktoken_cache_init.catalogue import VOCABULARIES
from tiktoken_cache_init.place import IMAGE_DIR

LICENSE = "/usr/share/doc/tiktoken-cache-init/copyright"


def debian() -> set[str]:
    """Return the files of Debian's packages in this stage that have the digests that the packages state."""
    lists = [listing.read_text() for listing in Path("/var/lib/dpkg/info").glob("*.list")]
    changed = subprocess.run(["dpkg", "--verify"], check=False, capture_output=True, text=True).stdout
    listed = {os.path.realpath(line) for text in lists for line in text.splitlines()}
    return listed - {os.path.realpath(line.split()[-1]) for line in changed.splitlines()}


def original(name: str, packaged: set[str]) -> Path | None:
    """Return the file of this stage or of the project that is the original of a file of the image."""
    if name == LICENSE:
        return Path("LICENSE")
    for there, here in ((IMAGE_DIR, Path()), (str(SITE), WHEELS)):
        if name.startswith(f"{there}/"):
            return here / name.removeprefix(f"{there}/")
    real = os.path.realpath(name)
    return Path(real) if real in packaged else None


def compiled(sources: dict[str, Path]) -> dict[str, bytes]:
    """Return path of the byte-code in the image -> the byte-code of each source."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, source in sources.items():
            place = root / name.removesuffix("c").lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.read_bytes())
        compile_sources(root)
        return {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*.pyc")}


def certificates(packaged: set[str]) -> bytes:
    """Return the bundle of Debian's certificate authorities, without those of a secret of the build."""
    chosen = sorted(Path("/etc/ca-certificates.conf").read_text().splitlines())
    paths = [f"/usr/share/ca-certificates/{line}" for line in chosen if line.endswith(".crt")]
    return b"".join(Path(path).read_bytes() for path in paths if path in packaged)


def unknown(image: Path) -> list[str]:
    """Return the files without an origin."""
    files = {
        f"/{path.relative_to(image)}": path for path in image.rglob("*") if path.is_file() and not path.is_symlink()
    }
    packaged = debian()
    originals = {name: original(name.removesuffix("c") if name.endswith(".pyc") else name, packaged) for name in files}
    known = {name: source.read_bytes() for name, source in originals.items() if source and source.is_file()}
    known |= compiled({name: source for name, source in originals.items() if source and name.endswith(".pyc")})
    known |= {name: text.encode() for name, text in WRITTEN.items()}
    known[AUTHORITIES[0]] = certificates(packaged)
    paragraphs = Path("/var/lib/dpkg/status").read_text().split("\n\n")
    known |= {f"/var/lib/dpkg/status.d/{text.split()[1]}": f"{text}\n".encode() for text in paragraphs if text}
    digests = {f"/vocabularies/{each.cache_key}": each.sha256 for each in VOCABULARIES}
    for name, path in files.items():
        if hashlib.sha256(path.read_bytes()).hexdigest() == digests.get(name):
            known[name] = path.read_bytes()
    return sorted(name for name, path in files.items() if path.read_bytes() != known.get(name))


if __name__ == "__main__":
    json.dump(unknown(Path(sys.argv[1])), sys.stdout)
