"""The packages that a scanner finds in the image without a package manager."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, docker

DEBIAN = {
    "base-files",
    "libc6",
    "libexpat1",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "python3.13-minimal",
    "zlib1g",
}
NETWORK = {"ca-certificates", "libssl3t64", "libzstd1"}
WHEELS = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "socksio", "typing-extensions"}


@pytest.mark.parametrize("target", ["default", "offline"])
def test_a_scanner_finds_every_package_and_wheel(target: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    image = request.getfixturevalue("image" if target == "default" else "offline_image")
    saved = tmp_path / "image.tar"
    docker("save", "--output", str(saved), image)
    syft = Path(sys.executable).with_name("syft")
    done = subprocess.run(
        [syft, "scan", "--quiet", "--output", "syft-json", f"docker-archive:{saved}"],
        check=True,
        capture_output=True,
        text=True,
        env={"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(tmp_path), "PATH": ""},
    )
    # The scanner also finds the source package that Debian's libzstd names in an ELF note.
    found = [each for each in json.loads(done.stdout)["artifacts"] if each["foundBy"] != "elf-binary-package-cataloger"]
    seen = {kind: {each["name"]: each for each in found if each["type"] == kind} for kind in ("deb", "python")}
    assert seen["deb"].keys() == (DEBIAN | NETWORK if target == "default" else DEBIAN)
    assert seen["python"].keys() == (WHEELS if target == "default" else set())
    assert [name for each in seen.values() for name, package in each.items() if not package["licenses"]] == []
    recorded = (ROOT / "image" / "packages.txt").read_text().split()
    assert seen["deb"].keys() <= {line.partition("=")[0] for line in recorded}
