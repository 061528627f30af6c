"""The inventory (SBOM) in the image, and the packages that a scanner finds without a package manager."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.containers.engine import ROOT, docker

SBOM = "/usr/share/doc/tiktoken-cache-init/sbom.cdx.json"
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


@pytest.fixture(scope="module", params=["default", "offline"])
def made_of(request: pytest.FixtureRequest, image: str, offline_image: str) -> tuple[str, set[str], set[str]]:
    """Return each target with a program, and the Debian packages and wheels that its inventory must name."""
    if request.param == "default":
        return image, DEBIAN | NETWORK, WHEELS
    return offline_image, DEBIAN, set()


@pytest.fixture
def bill(made_of: tuple[str, set[str], set[str]], tmp_path: Path) -> str:
    """Return the SBOM in the image."""
    container = docker("create", made_of[0]).stdout.strip()
    try:
        docker("cp", f"{container}:{SBOM}", str(tmp_path / "sbom.json"))
    finally:
        docker("rm", container)
    return (tmp_path / "sbom.json").read_text()


def components(bill: str, kind: str) -> dict[str, str]:
    """Return name -> version of the components whose package URL is of that kind."""
    found: list[dict[str, Any]] = json.loads(bill)["components"]
    return {each["name"]: each["version"] for each in found if each["purl"].startswith(f"pkg:{kind}/")}


def test_the_sbom_names_the_packages_and_wheels_of_the_image(
    made_of: tuple[str, set[str], set[str]], bill: str
) -> None:
    assert (set(components(bill, "deb")), set(components(bill, "pypi"))) == made_of[1:]


def test_every_component_has_a_licence(bill: str) -> None:
    found = {each["name"]: each.get("licenses") for each in json.loads(bill)["components"]}
    assert [name for name, licences in found.items() if not licences or "UNKNOWN" in str(licences)] == []


def test_every_debian_package_has_a_recorded_version(bill: str) -> None:
    recorded = (ROOT / "image" / "packages.txt").read_text().split()
    assert set(components(bill, "deb")) <= {line.partition("=")[0] for line in recorded}


def test_the_sbom_is_valid_cyclonedx(bill: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_a_scanner_finds_the_same_packages(made_of: tuple[str, set[str], set[str]], bill: str, tmp_path: Path) -> None:
    saved = tmp_path / "image.tar"
    docker("save", "--output", str(saved), made_of[0])
    syft = Path(sys.executable).with_name("syft")
    done = subprocess.run(
        [syft, "scan", "--quiet", "--output", "syft-json", f"docker-archive:{saved}"],
        check=True,
        capture_output=True,
        text=True,
        env={"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(tmp_path), "PATH": ""},
    )
    found = json.loads(done.stdout)["artifacts"]
    for kind, ours in (("deb", "deb"), ("python", "pypi")):
        # The scanner also finds the source package that Debian's libzstd names in an ELF note.
        packages = [each for each in found if each["foundBy"] != "elf-binary-package-cataloger"]
        seen = {each["name"]: each["version"] for each in packages if each["type"] == kind}
        assert seen == components(bill, ours)
