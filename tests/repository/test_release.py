"""Files of a release: the same bytes each time, an installation that needs nothing else, and checks that refuse faults."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from release import check, dist
from release.check import LABEL
from release.dist import ARCHITECTURES, DISTRIBUTION, SDIST, TAR, WHEEL, archive
from tests.consumers.running import offline
from tests.machine import ROOT, needs
from tests.samples import command
from tiktoken_cache_init import REPOSITORY, __version__
from tiktoken_cache_init.catalogue import VOCABULARIES

PYTHON = ROOT / ".venv" / "release" / "bin" / "python"


@pytest.fixture(scope="module")
def made(vocabularies: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Make the wheel, the sdist and the tar twice, in the environment of `make dist`. Return both directories."""
    needs("release")
    directories = [tmp_path_factory.mktemp("dist") for _ in range(2)]
    program = "import pathlib, sys; from release import dist; paths = [pathlib.Path(word) for word in sys.argv[1:]]; "
    program += "dist.make_packages(*paths); dist.make_tar(*paths)"
    for directory in directories:
        subprocess.run([PYTHON, "-c", program, vocabularies, directory], check=True, cwd=ROOT, capture_output=True)
    return directories


def test_two_runs_make_the_same_bytes(made: list[Path]) -> None:
    one, other = ({path.name: path.read_bytes() for path in directory.iterdir()} for directory in made)
    assert one == other
    assert one.keys() == {WHEEL, SDIST, TAR}
    assert len(one[WHEEL]) <= 4.2e6


def installed(file: Path, directory: Path) -> tuple[str, dict[str, str]]:
    """Install a package without its dependencies; return the command, and its variables."""
    options: list[str | Path] = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", directory]
    subprocess.run([PYTHON, "-m", "pip", "install", *options, file], check=True, capture_output=True)
    return str(directory / "bin" / "tiktoken-cache-init"), {"PYTHONPATH": str(directory)}


def test_the_wheel_fills_without_a_network_or_httpx_and_its_directory_is_a_cache(
    made: list[Path], tmp_path: Path
) -> None:
    program, variables = installed(made[0] / WHEEL, tmp_path / "wheel")
    done = offline([program, "--cache-dir", str(tmp_path / "cache")], variables)
    assert done.stderr.splitlines()[-1].startswith("ready: 6 files in ")
    path = offline([program, "path"], variables).stdout.strip()
    assert {each.name for each in Path(path).iterdir()} == {known.cache_key for known in VOCABULARIES}
    fetch = offline([program, "--cache-dir", str(tmp_path / "other"), "--sources", "fetch"], variables)
    assert fetch.returncode == 4
    assert "run pip install 'tiktoken-cache-init[fetch]'" in fetch.stderr


def test_an_installation_of_the_sdist_holds_no_vocabulary_and_says_so(made: list[Path], tmp_path: Path) -> None:
    program, variables = installed(made[0] / SDIST, tmp_path / "sdist")
    done = offline([program, "--cache-dir", str(tmp_path / "cache"), "--sources", "fetch"], variables)
    assert done.stderr.splitlines()[0].endswith("from fetch (nothing is baked in)")
    assert offline([program, "path"], variables).returncode == 1


def test_the_tar_has_the_entries_of_an_export_and_digests_for_sha256sum(vocabularies: Path, tmp_path: Path) -> None:
    def entries(content: bytes) -> dict[str, bytes]:
        with tarfile.open(fileobj=io.BytesIO(content)) as file:
            return {each.name: each.tobuf() for each in file}

    dist.make_tar(vocabularies, tmp_path)
    found = entries((tmp_path / TAR).read_bytes())
    exported = entries(command("export", "--cache-dir", str(vocabularies), "--encodings", "all").stdout)
    assert found.keys() - exported.keys() == {"README", "SHA256SUMS"}
    assert found.items() >= exported.items()
    subprocess.run(["tar", "-xzf", tmp_path / TAR, "-C", tmp_path], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], check=True, cwd=tmp_path)


def release(directory: Path, version: str = __version__) -> Path:
    """Write a stand-in for each file of a release, with a version inside."""
    directory.mkdir()
    metadata = f"Name: x\nVersion: {version}\n"
    with zipfile.ZipFile(directory / WHEEL, "w") as wheel:
        wheel.writestr(f"{DISTRIBUTION}.dist-info/METADATA", metadata)
    labels = json.dumps({"config": {"Labels": {LABEL: version}}})
    image = {"manifest.json": '[{"Config": "blob"}]', "blob": labels}
    images = {archive(target, architecture): image for target in dist.TARGETS for architecture in ARCHITECTURES}
    for name, files in {SDIST: {f"{DISTRIBUTION}/PKG-INFO": metadata}, TAR: {}, **images}.items():
        with tarfile.open(directory / name, "w:gz") as tar:
            for path, text in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
    dist.make_sums(directory)
    return directory


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed file": (lambda at: (at / TAR).write_bytes(b"x"), f"{TAR} has the digest "),
    "a missing architecture": (lambda at: (at / archive("data", "arm64")).unlink(), "without tiktoken-cache-init-"),
    "a file that is not listed": (lambda at: (at / "other").touch(), "with other"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_files_stops_the_release(tmp_path: Path, fault: str) -> None:
    directory = release(tmp_path / "dist")
    check.check_files(directory)
    change, reason = FAULTS[fault]
    change(directory)
    with pytest.raises(SystemExit, match=re.escape(reason)):
        check.check_files(directory)


@pytest.mark.parametrize("name", [WHEEL, SDIST, archive("offline", "arm64")])
def test_a_wrong_version_in_one_file_stops_the_release(tmp_path: Path, name: str) -> None:
    right, wrong = release(tmp_path / "dist"), release(tmp_path / "wrong", "9.9.9")
    (wrong / name).replace(right / name)
    (right / "SHA256SUMS").unlink()
    dist.make_sums(right)
    with pytest.raises(SystemExit, match=f"{name} has the version 9.9.9 inside"):
        check.check_files(right)


@pytest.mark.parametrize(
    ("entries", "version", "reason"),
    [
        (2, __version__, "has no image for arm64"),
        (3, __version__, "has no attestation for arm64"),
        (4, "9.9.9", "has the version 9.9.9 for arm64"),
    ],
)
def test_a_fault_in_an_image_stops_the_release(
    monkeypatch: pytest.MonkeyPatch, entries: int, version: str, reason: str
) -> None:
    def check_index(entries: int, version: str) -> None:
        manifests: list[dict[str, Any]] = []
        for architecture in ("amd64", "arm64"):
            attestation = {"annotations": {"vnd.docker.reference.digest": architecture}, "digest": "x"}
            manifests.append({"digest": architecture, "platform": {"architecture": architecture}})
            manifests.append(attestation | {"platform": {"architecture": "unknown"}})
        index = json.dumps({"manifests": manifests[:entries]})
        versions = {"registry/x@amd64": __version__, "registry/x@arm64": version}

        def inspect(image: str, *options: str) -> str:
            return index if "--raw" in options else json.dumps({"config": {"Labels": {LABEL: versions[image]}}})

        monkeypatch.setattr(check, "_inspect", inspect)
        check.check_image(f"registry/x@sha256:{hashlib.sha256(index.encode()).hexdigest()}")

    check_index(4, __version__)
    with pytest.raises(SystemExit, match=reason):
        check_index(entries, version)


@pytest.mark.parametrize(
    ("variable", "right", "wrong"),
    [("TAG", f"v{__version__}", "v9.9.9"), ("GITHUB_REPOSITORY", REPOSITORY, "another/tiktoken-cache-init")],
)
def test_another_tag_or_repository_stops_the_release(
    monkeypatch: pytest.MonkeyPatch, variable: str, right: str, wrong: str
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv(variable, right)
    check.check_names()
    monkeypatch.setenv(variable, wrong)
    with pytest.raises(SystemExit, match=f"is {wrong}, and the program's .*is {right.removeprefix('v')}: "):
        check.check_names()


def test_one_command_changes_the_address_and_one_the_version_in_all_files(tmp_path: Path) -> None:
    def found(pattern: str, *paths: str) -> set[str]:
        command = ["git", "grep", "-hoE", pattern, "--", *paths]
        return set(subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True).stdout.split())

    address = "(github\\.com|ghcr\\.io)/[A-Za-z0-9-]+/tiktoken-cache-init"
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path], check=True)
    assert found(address, ":!tests") == {f"github.com/{REPOSITORY}", f"ghcr.io/{REPOSITORY}"}
    subprocess.run(["make", "address", "OWNER=Acme"], check=True, cwd=tmp_path, capture_output=True)
    assert found(address, ":!tests") == {"github.com/Acme/tiktoken-cache-init", "ghcr.io/acme/tiktoken-cache-init"}
    subprocess.run(["make", "version", "NEW=9.9.9"], check=True, cwd=tmp_path, capture_output=True)
    assert found(f".*{re.escape(__version__)}.*", "README*", "deploy", "docs", "tiktoken_cache_init") == set()
    assert '__version__ = "9.9.9"' in (tmp_path / "tiktoken_cache_init" / "__init__.py").read_text()
