"""Layout of the image's file system: files of Debian, of the wheels and of this program, with compiled sources.

Run it in a build stage that has the packages installed: ``python3.13 -m image.lay_out default|offline ROOT``.
The result depends only on the packages, not on the clock, the order of directory entries or the machine.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from tiktoken_cache_init.place import IMAGE_DIR

from . import contents, inventory

INTERPRETER = Path("/usr/bin/python3.13")
STDLIB = Path("/usr/lib/python3.13")
SITE = Path("/usr/local/lib/python3.13/dist-packages")
"""Directory where Debian's Python looks for packages that pip installed."""
OURS = Path(IMAGE_DIR)

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


def wheel_files(wheels: Path) -> Iterator[Path]:
    """Yield the files of the wheels that pip unpacked into a directory. The RECORD of each wheel lists them."""
    for record in sorted(wheels.glob("*.dist-info/RECORD")):
        with record.open(newline="") as rows:
            for name, *_ in csv.reader(rows):
                # These are command-line scripts. The image has no shell to run them.
                if not name.startswith("../"):
                    yield wheels / name


def copy(path: Path, root: Path) -> None:
    """Copy a file to the same path below the root, with each link in its path."""
    for step in (*reversed(path.parents), path):
        place = root / step.relative_to("/")
        if step.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_symlink():
                place.symlink_to(step.readlink())
            target = os.path.normpath(step.parent / step.readlink() / path.relative_to(step))
            return copy(Path(target), root)
    if path.is_file():
        _place(path, root / path.relative_to("/"))
    return None


def _place(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    place.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def leave_out(files: dict[Path, Path], rows: Iterable[str]) -> None:
    """Remove the files whose path in the image matches a row.

    Raises:
        SystemExit: a row matches no file, so the list is out of date.
    """
    for row in rows:
        matched = [place for place in files if fnmatch(str(place), row)]
        if not matched:
            sys.exit(f"error: the pattern {row} matches no file: correct image/contents.py")
        for place in matched:
            del files[place]


def place_libraries(root: Path) -> None:
    """Copy the shared libraries that the interpreter and its extension modules link to, as ldd names them."""
    programs = [INTERPRETER, *(Path("/", path.relative_to(root)) for path in sorted(root.rglob("*.so")))]
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


def set_times(root: Path) -> None:
    """Give every entry the same time, so that the layer is reproducible."""
    for path in (root, *root.rglob("*")):
        os.utime(path, (MTIME, MTIME), follow_symlinks=False)


def chosen(network: bool, wheels: Path, project: Path) -> dict[Path, Path]:
    """Return path in the image -> present path, for each file to take."""
    files = {path: path for path in debian_files(network)}
    files[OURS / "entrypoint.py"] = project / "entrypoint.py"
    files |= {OURS / path.relative_to(project): path for path in project.glob("tiktoken_cache_init/**/*.py")}
    if network:
        files |= {SITE / path.relative_to(wheels): path for path in wheel_files(wheels)}
    leave_out(files, (*contents.LEFT_OUT, *(() if network else contents.LEFT_OUT_OFFLINE)))
    return files


def main(profile: str, root: Path, wheels: Path = Path("/wheels"), project: Path = Path("/build")) -> None:
    """Lay out one image."""
    network = profile == "default"
    for place, source in chosen(network, wheels, project).items():
        if place == source:
            copy(source, root)
        else:
            _place(source, root / place.relative_to("/"))
    # Python prints a warning at every start if this directory is missing. It may be empty.
    (root / STDLIB.relative_to("/") / "lib-dynload").mkdir(exist_ok=True)
    place_libraries(root)
    for name in (OS_RELEASE, *(AUTHORITIES if network else ())):
        copy(Path(name), root)
    taken = [Path("/", path.relative_to(root)) for path in root.rglob("*")]
    written = inventory.files(taken) | {Path(name): text.encode() for name, text in WRITTEN.items()}
    written[inventory.DOC / "tiktoken-cache-init" / "copyright"] = (project / "LICENSE").read_bytes()
    for path, content in written.items():
        place = root / path.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o644)
    compile_sources(root)
    (root / OURS.relative_to("/") / "tiktoken_cache_init" / "vocabularies").symlink_to("/vocabularies")
    set_times(root)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
