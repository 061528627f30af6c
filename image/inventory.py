"""Says in the image what it is made of, for scanners and for licences, though it has no package manager.

A file in ``/var/lib/dpkg/status.d`` for each Debian package (as distroless images have it), a ``.dist-info`` for each wheel,
the copyright files of both, and one list of all: an SBOM in CycloneDX's form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, NamedTuple

from tiktoken_cache_init import __version__

_DPKG = Path("/var/lib/dpkg")
_DOC = Path("/usr/share/doc")

# What a package needs or breaks is of no use to whoever only asks what is here.
_KEPT = ("Package", "Status", "Architecture", "Maintainer", "Source", "Version", "Homepage")


_STATED = {
    "base-files": "GPL-2.0-or-later",
    "ca-certificates": "MPL-2.0 AND GPL-2.0-or-later",
    "libc6": "LGPL-2.1-or-later",
    "libpython3.13-minimal": "PSF-2.0",
    "libpython3.13-stdlib": "PSF-2.0",
    "libssl3t64": "Apache-2.0",
    "python3.13-minimal": "PSF-2.0",
    "zlib1g": "Zlib",
}
"""Debian package -> the licence of what the image has of it, as its copyright file says in prose."""

_TEXTS = {"libc6": "LGPL-2.1", "libssl3t64": "Apache-2.0"}
"""Debian package -> the text that its copyright file only names, and that must come with it."""


class Package(NamedTuple):
    """One thing that files of the image come from."""

    name: str
    version: str
    purl: str
    licence: str
    """As its author states it; empty where only the copyright file does."""
    files: dict[Path, bytes]
    """What the image says about it: path in the image, and content."""


def debian_packages(paths: Iterable[Path]) -> list[Package]:
    """Return the Debian packages that the files come from."""
    owners = _owners()
    names = {owners[path] for path in map(_unmerged, paths) if path in owners}
    distribution = _os_release()
    return [_debian(name, distribution) for name in sorted(names)]


def _owners() -> dict[Path, str]:
    owners = {}
    for listing in sorted((_DPKG / "info").glob("*.list")):
        for line in listing.read_text().splitlines():
            path = _unmerged(Path(line))
            if not path.is_dir():
                owners[path] = listing.stem.partition(":")[0]
    # Made when the package is installed, so that no list has it.
    return owners | {Path("/etc/ssl/certs/ca-certificates.crt"): "ca-certificates"}


def _unmerged(path: Path) -> Path:
    # Packages may still name /lib what is /usr/lib.
    return Path(os.path.realpath(path.parent)) / path.name


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def _debian(name: str, distribution: dict[str, str]) -> Package:
    paragraphs = (_DPKG / "status").read_text().split("\n\n")
    [paragraph] = [text for text in paragraphs if text.startswith(f"Package: {name}\n")]
    fields = HeaderParser().parsestr(paragraph)
    version, architecture = str(fields["Version"]), str(fields["Architecture"])
    shown = "".join(f"{key}: {fields[key]}\n" for key in _KEPT if fields[key])
    where = f"arch={architecture}&distro={distribution['ID']}-{distribution['VERSION_ID']}"
    files = {_DPKG / "status.d" / name: shown.encode()}
    copyright_file = _DOC / name / "copyright"
    files[copyright_file] = copyright_file.read_bytes()
    if name in _TEXTS:
        text = Path("/usr/share/common-licenses") / _TEXTS[name]
        files[text] = text.read_bytes()
    purl = f"pkg:deb/{distribution['ID']}/{name}@{version.replace('+', '%2B')}?{where}"
    return Package(name, version, purl, _STATED.get(name, ""), files)


def wheels(folder: Path, library: Path, modules: Iterable[str]) -> list[Package]:
    """Return the wheels in ``folder`` that any of the modules comes from; ``library`` is where they are in the image."""
    tops = {name.partition(".")[0] for name in modules}
    found = []
    for information in sorted(folder.glob("*.dist-info")):
        record = (information / "RECORD").read_text().splitlines()
        if tops & {line.partition(",")[0].partition("/")[0].removesuffix(".py") for line in record}:
            found.append(_wheel(information, library))
    return found


def _wheel(information: Path, library: Path) -> Package:
    fields = HeaderParser().parsestr((information / "METADATA").read_text())
    name, version = str(fields["Name"]), str(fields["Version"])
    # The description after the fields is the project's README.
    header = (information / "METADATA").read_text().partition("\n\n")[0] + "\n"
    files = {library / information.name / "METADATA": header.encode()}
    for path in sorted(information.rglob("*")):
        if path.is_file() and path.name.upper().startswith(("LICEN", "COPYING", "NOTICE")):
            files[library / information.name / path.relative_to(information)] = path.read_bytes()
    stated = [fields["License-Expression"], fields["License"]]
    stated += [line.rpartition(" :: ")[2] for line in fields.get_all("Classifier", []) if line.startswith("License ::")]
    # What a build tool writes where its author says nothing.
    licence = next((str(text) for text in stated if text and text != "UNKNOWN"), "")
    return Package(name, version, f"pkg:pypi/{name.lower()}@{version}", licence, files)


def ours(licence: Path) -> Package:
    """Return what this project adds."""
    name = "tiktoken-cache-init"
    files = {_DOC / name / "copyright": licence.read_bytes()}
    return Package(name, __version__, f"pkg:generic/{name}@{__version__}", "MIT", files)


def bill_of_materials(subject: Package, packages: Iterable[Package]) -> bytes:
    """Return the SBOM. It bears no time and no random serial number, so that it is the same for the same content."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", **_component(subject)}},
        "components": [{"type": "library", **_component(package)} for package in packages],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _component(package: Package) -> dict[str, Any]:
    stated = {"licenses": [{"license": {"name": package.licence}}]} if package.licence else {}
    return {
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        **stated,
        "purl": package.purl,
    }
