"""Contents, configuration and size of the images."""

from __future__ import annotations

import hashlib
import json
import posixpath
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from image.size import BUDGETS, measure
from tests.containers.conftest import Built
from tests.containers.engine import docker, entries, extract
from tests.machine import ROOT
from tests.vocabularies import DEFAULT
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

LABEL = "org.opencontainers.image."


@pytest.fixture(scope="module")
def files(image: str) -> list[tarfile.TarInfo]:
    """Return every entry of the default image."""
    return entries(image)


def test_the_interpreter_is_the_only_program(files: list[tarfile.TarInfo]) -> None:
    programs = {entry.name for entry in files if entry.isfile() and entry.mode & 0o111 and ".so" not in entry.name}
    assert programs == {"usr/bin/python3.13"}


def test_every_user_can_read_the_image_and_only_root_can_change_it(files: list[tarfile.TarInfo]) -> None:
    allowed = {tarfile.DIRTYPE: (0o755,), tarfile.REGTYPE: (0o644, 0o755), tarfile.SYMTYPE: (0o777,)}
    assert [entry.name for entry in files if entry.mode not in allowed[entry.type]] == []
    assert {(entry.uid, entry.gid) for entry in files} == {(0, 0)}


def test_the_image_has_byte_code_and_no_source(files: list[tarfile.TarInfo]) -> None:
    names = {entry.name for entry in files}
    assert "usr/lib/tiktoken-cache-init/tiktoken_cache_init/fill.pyc" in names
    assert not [name for name in names if name.endswith(".py")]


def test_the_image_does_not_contain_the_mount_point(files: list[tarfile.TarInfo]) -> None:
    # The engine would copy its owner and mode to a named volume, which NFS with root_squash refuses.
    assert [entry.name for entry in files if entry.name.startswith("cache")] == []


def test_each_link_points_to_an_entry_of_the_image(files: list[tarfile.TarInfo]) -> None:
    present = {entry.name.rstrip("/") for entry in files}
    targets = {e.name: posixpath.join("/", posixpath.dirname(e.name), e.linkname) for e in files if e.issym()}
    assert {name for name, target in targets.items() if posixpath.normpath(target).lstrip("/") not in present} == set()


def test_the_configuration_names_the_user_and_describes_the_image(image: str) -> None:
    configuration = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    assert configuration["User"] == "0:0"
    labels = {name.removeprefix(LABEL): text for name, text in configuration["Labels"].items()}
    assert {"title", "description", "source", "licenses", "version", "revision", "documentation"} <= labels.keys()
    assert labels["version"] == __version__
    assert "BSD-3-Clause" in labels["licenses"], "the image contains httpx"
    assert labels["documentation"] == "", "the URL of the documentation is set although the build has no SOURCE"


@pytest.mark.parametrize(
    ("target", "directory", "vocabularies"),
    [
        ("default", "vocabularies/", VOCABULARIES),
        ("offline", "vocabularies/", VOCABULARIES),
        ("two-encodings", "vocabularies/", DEFAULT),
        ("data", "", VOCABULARIES),
    ],
)
def test_each_image_holds_its_vocabularies_within_its_budget(
    built: Built, target: str, directory: str, vocabularies: tuple[Vocabulary, ...]
) -> None:
    names = {entry.name for entry in entries(built(target)) if not entry.isdir()}
    found = {name for name in names if name.startswith(directory)}
    assert found == {f"{directory}{each.cache_key}" for each in vocabularies}
    # A budget that is far above the size is out of date.
    assert 0.9 * BUDGETS[target] < measure(built(target)) <= BUDGETS[target]


DEBIAN = {
    *("base-files", "libc6", "libexpat1", "zlib1g"),
    *("libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal"),
}
NETWORK = {"ca-certificates", "libssl3t64", "libzstd1"}
WHEELS = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "socksio", "typing-extensions"}


@pytest.mark.parametrize(
    ("target", "debian", "wheels"), [("default", DEBIAN | NETWORK, WHEELS), ("offline", DEBIAN, set())]
)
def test_a_scanner_finds_every_package_and_wheel(
    built: Built, target: str, debian: set[str], wheels: set[str], tmp_path: Path
) -> None:
    saved = tmp_path / "image.tar"
    docker("save", "--output", str(saved), built(target))
    command = [str(Path(sys.executable).with_name("syft")), "scan", "--quiet", "--output", "syft-json"]
    environment = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([*command, f"docker-archive:{saved}"], check=True, capture_output=True, env=environment)
    # The scanner also finds the source package that Debian's libzstd names in an ELF note.
    found = [each for each in json.loads(done.stdout)["artifacts"] if each["foundBy"] != "elf-binary-package-cataloger"]
    licensed = {
        kind: {each["name"]: each["licenses"] for each in found if each["type"] == kind} for kind in ("deb", "python")
    }
    assert {kind: packages.keys() for kind, packages in licensed.items()} == {"deb": debian, "python": wheels}
    assert [name for packages in licensed.values() for name, licences in packages.items() if not licences] == []
    recorded = (ROOT / "image" / "packages.txt").read_text().split()
    assert debian <= {line.partition("=")[0] for line in recorded}


@pytest.mark.needs("arm64")
@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_the_arm64_image_fills_on_a_kernel_with_pages_of_that_size(image: str, tmp_path: Path, size: int) -> None:
    # Raspberry Pi 5, RHEL and Oracle Linux have larger pages than 4 kB. The emulator accepts a page size only if the
    # test starts it directly, not through `--platform`.
    cache = tmp_path / "cache"
    cache.mkdir()
    places = {
        extract(image, tmp_path / "image"): "/image",
        Path(f"{shutil.which('qemu-aarch64-static')}"): "/image/emulator",
        cache: "/image/cache",
        Path("/dev"): "/image/dev",
    }
    mounts = [word for place, mounted in places.items() for word in ("--volume", f"{place}:{mounted}")]
    program = ["/usr/bin/python3.13", "-I", "-X", "utf8", "/usr/lib/tiktoken-cache-init/entrypoint.pyc"]
    command = ["chroot", "/image", "/emulator", "-p", str(size), *program, "fill", "--cache-dir", "/cache"]
    done = docker("run", "--rm", "--network", "none", *mounts, "busybox", *command, "--encodings", "all")
    assert done.stderr.splitlines()[-1].startswith(f"ready: {len(VOCABULARIES)} files in /cache")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in cache.iterdir()}
    assert found == {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES}
