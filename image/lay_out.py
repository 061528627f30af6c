"""Layout of the image's file system: files of Debian, of the wheels and of this program, with compiled sources.

Run it in a build stage that has the packages installed: ``python3.13 -m image.lay_out default|offline ROOT``.
The result depends only on the packages, not on the clock, the order of directory entries or the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from tiktoken_cache_init.place import IMAGE_DIR

from . import contents, inventory

PROJECT, WHEELS = Path("/build"), Path("/wheels")
"""Directories of the build stage: the project, and the wheels that pip unpacked."""
STDLIB = Path("/usr/lib/python3.13")
SITE = Path("/usr/local/lib/python3.13/dist-packages")
"""Directory where Debian's Python looks for packages that pip installed."""

OS_RELEASE = "/etc/os-release"
"""File that tells scanners the distribution of the packages."""
AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem", "/usr/lib/ssl/certs")
"""Debian's certificate authorities, and the two links through which OpenSSL finds them."""

WRITTEN = {
    "/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    # Without this file, the C library asks the name server before it reads /etc/hosts, even for localhost.
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

# Zip files cannot store an earlier time, and some tools read 1970 as "not set".
MTIME = 315532800
"""Seconds since the epoch: 1980-01-01."""


def debian_files(network: bool) -> Iterator[Path]:
    """Yield the files of the Debian packages of Python: whole packages, then the listed modules."""
    for package in contents.WHOLE:
        yield from _listed(package)
    modules = contents.MODULES | (contents.NETWORK_MODULES if network else {})
    found = set()
    for path in _listed(contents.PARTLY):
        if path.is_relative_to(STDLIB):
            below = path.relative_to(STDLIB / "lib-dynload" if path.parent.name == "lib-dynload" else STDLIB)
            module = below.parts[0].partition(".")[0]
            if module in modules:
                found.add(module)
                yield path
    if missing := modules.keys() - found:
        sys.exit(f"error: {contents.PARTLY} has no module {', '.join(sorted(missing))}: correct image/contents.py")


def _listed(package: str) -> Iterator[Path]:
    listed = subprocess.run(["/usr/bin/dpkg", "-L", package], check=True, capture_output=True, text=True).stdout
    for path in map(Path, listed.splitlines()):
        if path.is_symlink() or not path.is_dir():
            yield path


def chosen(network: bool) -> dict[Path, Path]:
    """Return path in the image -> present path, for each file to take.

    Raises:
        SystemExit: a row of the lists matches no file, so the list is out of date.
    """
    files = {path: path for path in debian_files(network)}
    ours = [PROJECT / "entrypoint.py", *(PROJECT / "tiktoken_cache_init").rglob("*.py")]
    files |= {IMAGE_DIR / path.relative_to(PROJECT): path for path in ours}
    if network:
        # The image has no shell to run command-line scripts.
        wheels = (path for path in WHEELS.rglob("*") if path.is_file() and path.parent != WHEELS / "bin")
        files |= {SITE / path.relative_to(WHEELS): path for path in wheels}
    for row in (*contents.LEFT_OUT, *(() if network else contents.LEFT_OUT_OFFLINE)):
        matched = [place for place in files if fnmatch(str(place), row)]
        if not matched:
            sys.exit(f"error: the pattern {row} matches no file: correct image/contents.py")
        for place in matched:
            del files[place]
    return files


def copy(path: Path, root: Path) -> None:
    """Copy a file to the same path below the root, with each link in its path."""
    for step in (*reversed(path.parents), path):
        if step.is_symlink():
            place = root / step.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_symlink():
                place.symlink_to(step.readlink())
            copy(Path(os.path.normpath(step.parent / step.readlink() / path.relative_to(step))), root)
            return
    if path.is_file():
        write(path, path.read_bytes(), root, executable=os.access(path, os.X_OK))


def write(path: Path, content: bytes, root: Path, *, executable: bool = False) -> None:
    """Write a file of the image."""
    place = root / path.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(0o755 if executable else 0o644)


def copy_libraries(root: Path) -> None:
    """Copy the shared libraries that the interpreter and its extension modules link to, as ldd names them."""
    programs = ["/usr/bin/python3.13", *(f"/{path.relative_to(root)}" for path in sorted(root.rglob("*.so")))]
    listed = subprocess.run(["/usr/bin/ldd", *programs], check=True, capture_output=True, text=True).stdout
    for word in sorted(set(listed.split())):
        # ldd also prints each program itself, with a colon at the end.
        if word.startswith("/") and not word.endswith(":"):
            copy(Path(word), root)


def compile_sources(root: Path) -> None:
    """Compile every source with the stock compiler, and replace the source by its byte-code."""
    # Byte-code holds the time of the source by default. A hash of the source makes it reproducible.
    command = [sys.executable, "-m", "compileall", "-q", "-b", "-o", "2", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, "-s", str(root), "-p", "/", str(root)], check=True)
    for path in root.rglob("*.py"):
        path.unlink()


def main(profile: str, root: Path) -> None:
    """Lay out one image."""
    network = profile == "default"
    for place, source in chosen(network).items():
        if place == source:
            copy(source, root)
        else:
            write(place, source.read_bytes(), root)
    # Python prints a warning at every start if this directory is missing. It may be empty.
    (root / STDLIB.relative_to("/") / "lib-dynload").mkdir(exist_ok=True)
    copy_libraries(root)
    for name in (OS_RELEASE, *(AUTHORITIES if network else ())):
        copy(Path(name), root)
    written = inventory.files(Path("/", path.relative_to(root)) for path in root.rglob("*"))
    written |= {Path(name): text.encode() for name, text in WRITTEN.items()}
    written[inventory.DOC / "tiktoken-cache-init" / "copyright"] = (PROJECT / "LICENSE").read_bytes()
    for path, content in written.items():
        write(path, content, root)
    compile_sources(root)
    (root / IMAGE_DIR.lstrip("/") / "tiktoken_cache_init" / "vocabularies").symlink_to("/vocabularies")
    # One time for every entry makes the layer reproducible.
    for entry in (root, *root.rglob("*")):
        os.utime(entry, (MTIME, MTIME), follow_symlinks=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
