"""Checks what a release publishes, and stops it with one line: ``python -m release.check [DIRECTORY | NAME@DIGEST]...``.

Without arguments, it checks only the names that the workflow gives: the tag (TAG) and the repository (GITHUB_REPOSITORY).
"""

from __future__ import annotations

import email
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from tiktoken_cache_init import REPOSITORY, __version__

from .dist import ARCHITECTURES, DISTRIBUTION, SDIST, TAR, TARGETS, WHEEL, archive

LABEL = "org.opencontainers.image.version"


def check_names() -> None:
    """Exit with an error if the tag or the repository of the workflow differs from what is in the program."""
    if (tag := os.environ.get("TAG", f"v{__version__}")) != f"v{__version__}":
        sys.exit(f"error: the tag is {tag}, and the program's version is {__version__}: correct one of them")
    if (name := os.environ.get("GITHUB_REPOSITORY", REPOSITORY)) != REPOSITORY:
        owner = name.partition("/")[0]
        sys.exit(f"error: the repository is {name}, and the program's is {REPOSITORY}: run make address OWNER={owner}")


def check_files(directory: Path) -> None:
    """Exit with an error if a file of a release is missing, or has another digest or version than the release."""
    wanted = {WHEEL, SDIST, TAR, *(archive(target, each) for target in TARGETS for each in ARCHITECTURES)}
    found = {path.name for path in directory.iterdir()} - {"SHA256SUMS"}
    if found != wanted:
        names = [f"without {name}" for name in sorted(wanted - found)]
        names += [f"with {name}" for name in sorted(found - wanted)]
        sys.exit(f"error: {directory} is {', '.join(names)}: run make dist again")
    sums = dict(line.split()[::-1] for line in (directory / "SHA256SUMS").read_text().splitlines())
    for name in sorted(wanted):
        digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        if digest != sums.get(name):
            sys.exit(f"error: {name} has the digest {digest}, and SHA256SUMS has {sums.get(name)}: run make dist again")
        # The tar of the vocabularies has the version only in its name.
        if name != TAR and (version := _version(directory / name)) != __version__:
            sys.exit(f"error: {name} has the version {version} inside, not {__version__}: run make dist again")


def _version(path: Path) -> str:
    """Return the version that a package or the archive of an image has inside."""
    if path.name == WHEEL:
        with zipfile.ZipFile(path) as wheel:
            return email.message_from_bytes(wheel.read(f"{DISTRIBUTION}.dist-info/METADATA"))["Version"]
    with tarfile.open(path) as file:
        if path.name == SDIST:
            return email.message_from_bytes(_read(file, f"{DISTRIBUTION}/PKG-INFO"))["Version"]
        [manifest] = json.loads(_read(file, "manifest.json"))
        return str(json.loads(_read(file, manifest["Config"]))["config"]["Labels"][LABEL])


def _read(file: tarfile.TarFile, name: str) -> bytes:
    content = file.extractfile(name)
    return content.read() if content else b""


def check_image(image: str) -> None:
    """Exit with an error if ``NAME@DIGEST`` lacks an architecture or an attestation, or has another digest or version."""
    name, _, wanted = image.partition("@")
    index = _inspect(image, "--raw")
    digest = f"sha256:{hashlib.sha256(index.encode()).hexdigest()}"
    if digest != wanted:
        sys.exit(f"error: the registry has {digest} for {image}: publish again")
    manifests: list[dict[str, Any]] = json.loads(index).get("manifests", [])
    digests = {each["platform"]["architecture"]: each["digest"] for each in manifests}
    attested = [each.get("annotations", {}).get("vnd.docker.reference.digest") for each in manifests]
    for architecture in ARCHITECTURES:
        if architecture not in digests:
            sys.exit(f"error: {image} has no image for {architecture}: publish again")
        if digests[architecture] not in attested:
            sys.exit(f"error: {image} has no attestation for {architecture}: publish again")
        configuration = json.loads(_inspect(f"{name}@{digests[architecture]}", "--format", "{{json .Image}}"))
        if (version := configuration["config"]["Labels"][LABEL]) != __version__:
            sys.exit(f"error: {image} has the version {version} for {architecture}, not {__version__}: publish again")


def _inspect(image: str, *options: str) -> str:
    command = ["docker", "buildx", "imagetools", "inspect", *options, image]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {image} cannot be read ({done.stderr.strip()}): publish again")
    return done.stdout


if __name__ == "__main__":
    check_names()
    for argument in sys.argv[1:]:
        if "@" in argument:
            check_image(argument)
        else:
            check_files(Path(argument))
