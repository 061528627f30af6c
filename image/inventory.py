"""Inventory of the packages in the image, for scanners and for licences.

It has a file in ``/var/lib/dpkg/status.d`` for each Debian package (as in distroless images), the copyright files, and
an SBOM of all packages in CycloneDX format. The wheels contain their own metadata and licences.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, NamedTuple

from tiktoken_cache_init import __version__

DPKG = Path("/var/lib/dpkg")
DOC = Path("/usr/share/doc")
NAME = "tiktoken-cache-init"
SBOM = DOC / NAME / "sbom.cdx.json"

LICENCES = {
    "base-files": "GPL-2.0-or-later",
    "ca-certificates": "MPL-2.0 AND GPL-2.0-or-later",
    "libc6": "LGPL-2.1-or-later",
    "libexpat1": "MIT",
    "libpython3.13-minimal": "PSF-2.0",
    "libpython3.13-stdlib": "PSF-2.0",
    "libssl3t64": "Apache-2.0",
    "libzstd1": "BSD-3-Clause",
    "python3.13-minimal": "PSF-2.0",
    "zlib1g": "Zlib",
}
"""Debian package -> licence of its files in the image, from the text of its copyright file."""

TEXTS = {"libc6": "LGPL-2.1", "libssl3t64": "Apache-2.0"}
"""Debian package -> licence text that must be added, because its copyright file only names it."""


class Package(NamedTuple):
    """Package that has files in the image."""

    name: str
    version: str
    purl: str
    licence: str


def files(taken: Iterable[Path], wheels: Path | None, licence: Path) -> dict[Path, bytes]:
    """Return path -> content of each file of the inventory, for an image with the files ``taken`` and the wheels."""
    release = _os_release()
    ours = Package(NAME, __version__, f"pkg:generic/{NAME}@{__version__}", "MIT")
    packages = []
    written = {DOC / NAME / "copyright": licence.read_bytes()}
    for name in sorted(_owners(taken)):
        paragraph = _paragraph(name)
        packages.append(_debian(HeaderParser().parsestr(paragraph), release))
        written[DPKG / "status.d" / name] = paragraph.encode()
        texts = [DOC / name / "copyright"]
        texts += [Path("/usr/share/common-licenses", TEXTS[name])] if name in TEXTS else []
        written |= {path: path.read_bytes() for path in texts}
    metadata = sorted(wheels.glob("*.dist-info/METADATA")) if wheels else []
    packages += [_wheel(HeaderParser().parsestr(path.read_text())) for path in metadata]
    return written | {SBOM: _bill_of_materials(ours, packages)}


def _owners(taken: Iterable[Path]) -> set[str]:
    """Return the Debian packages that own the paths. Links have no content, so they do not count."""
    owners = {Path("/etc/ssl/certs/ca-certificates.crt"): "ca-certificates"}  # made during installation
    for listing in (DPKG / "info").glob("*.list"):
        for path in map(Path, listing.read_text().splitlines()):
            if path.is_symlink() or not path.is_dir():
                # A package may list a path in /lib, which is a link to /usr/lib.
                owners[Path(os.path.realpath(path.parent), path.name)] = listing.stem.partition(":")[0]
    return {owners[path] for path in taken if path in owners and not path.is_symlink()}


def _paragraph(name: str) -> str:
    paragraphs = (DPKG / "status").read_text().split("\n\n")
    [found] = [text for text in paragraphs if text.startswith(f"Package: {name}\n")]
    return f"{found}\n"


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def _debian(fields: Message, release: dict[str, str]) -> Package:
    name, version = str(fields["Package"]), str(fields["Version"])
    where = f"arch={fields['Architecture']}&distro={release['ID']}-{release['VERSION_ID']}"
    purl = f"pkg:deb/{release['ID']}/{name}@{version.replace('+', '%2B')}?{where}"
    return Package(name, version, purl, LICENCES[name])


def _wheel(fields: Message) -> Package:
    name, version = str(fields["Name"]).lower().replace("_", "-"), str(fields["Version"])
    stated = [fields["License-Expression"], fields["License"]]
    stated += [line.rpartition(" :: ")[2] for line in fields.get_all("Classifier", []) if line.startswith("License ::")]
    # Some build tools write UNKNOWN if the author gives no licence.
    licence = next(str(text) for text in stated if text and text != "UNKNOWN")
    return Package(name, version, f"pkg:pypi/{name}@{version}", licence)


def _bill_of_materials(subject: Package, packages: Iterable[Package]) -> bytes:
    """Return the SBOM. It has no time and no random serial number, so that it is reproducible."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", **_component(subject)}},
        "components": [{"type": "library", **_component(package)} for package in packages],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _component(package: Package) -> dict[str, Any]:
    return {
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "licenses": [{"license": {"name": package.licence}}],
        "purl": package.purl,
    }
