"""Publishes the images of a release: ``python -m release.publish NAME``, such as ``ghcr.io/OWNER/tiktoken-cache-init``.

Each target is pushed as ``candidate`` for all architectures, with SBOM and provenance. Its digest is checked, tried, signed, and
tagged last.
COSIGN_OPTIONS holds options of ``cosign sign``, BUILD_OPTIONS those of every build, SBOM the value of the build's option --sbom.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

from tiktoken_cache_init import __version__

from .check import check_image, check_names
from .dist import ARCHITECTURES, NAME, TARGETS, build, run


def push(target: str, name: str) -> str:
    """Build a target for all architectures, and push it. Return ``NAME@DIGEST``."""
    platforms = ",".join(f"linux/{architecture}" for architecture in ARCHITECTURES)
    with tempfile.TemporaryDirectory() as scratch:
        metadata = Path(scratch, "metadata.json")
        build(
            target,
            *("--platform", platforms, "--provenance", "mode=max", "--sbom", os.environ.get("SBOM", "true")),
            *("--output", f"type=image,name={name}:candidate,push=true"),
            *("--metadata-file", str(metadata)),
        )
        return f"{name}@{json.loads(metadata.read_text())['containerimage.digest']}"


def try_image(image: str) -> None:
    """Fill and verify a volume with a published image, for each architecture."""
    for architecture in ARCHITECTURES:
        volume = f"{NAME}-release-{architecture}"
        limits = ("--rm", "--pull", "always", "--network", "none", "--read-only", "--cap-drop", "ALL")
        for command in ("fill", "verify"):
            mount = ("--volume", f"{volume}:/cache/tiktoken")
            run("docker", "run", *limits, "--platform", f"linux/{architecture}", *mount, image, command)
        run("docker", "volume", "rm", volume)


def main(name: str) -> None:
    """Publish every target, and print the digests."""
    check_names()
    for target, suffix in TARGETS.items():
        image = push(target, name)
        check_image(image)
        if target != "data":
            try_image(image)
        run("cosign", "sign", "--yes", *shlex.split(os.environ.get("COSIGN_OPTIONS", "")), image)
        tags = (f"{name}:{__version__}{suffix}", f"{name}:{'latest' if target == 'default' else target}")
        run("docker", "buildx", "imagetools", "create", *(word for tag in tags for word in ("--tag", tag)), image)
        print(f"{tags[0]} is {image}", flush=True)
        if output := os.environ.get("GITHUB_OUTPUT"):
            with Path(output).open("a") as file:
                file.write(f"{target}={image.partition('@')[2]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
