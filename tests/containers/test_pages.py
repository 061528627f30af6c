"""The arm64 image starts and fills on kernels with pages of 16 and 64 kB: Raspberry Pi 5, RHEL, Oracle Linux."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.containers.engine import docker
from tests.containers.layers import extract
from tiktoken_cache_init.catalogue import VOCABULARIES

EMULATOR = shutil.which("qemu-aarch64-static")

pytestmark = pytest.mark.needs("arm64")


@pytest.fixture(scope="module")
def tree(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Extract the file system of the image."""
    directory = tmp_path_factory.mktemp("image")
    extract(image, directory)
    return directory


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_the_image_fills_on_a_kernel_with_pages_of_that_size(
    tree: Path, busybox: str, bind_directory: Path, size: int
) -> None:
    # The emulator accepts a page size only if the test starts it directly, not through `--platform`.
    given = {
        tree: "/image",
        Path(f"{EMULATOR}"): "/image/emulator",
        bind_directory: "/image/cache",
        Path("/dev"): "/image/dev",
    }
    mounts = [word for place, mounted in given.items() for word in ("--volume", f"{place}:{mounted}")]
    program = ["/usr/bin/python3.13", "-I", "-X", "utf8", "/usr/lib/tiktoken-cache-init/entrypoint.pyc"]
    command = ["chroot", "/image", "/emulator", "-p", str(size), *program, "fill", "--cache-dir", "/cache"]
    options = ["--rm", "--network", "none", *mounts]
    done = docker("run", *options, busybox, *command, "--encodings", "all")
    assert done.stderr.splitlines()[-1].startswith(f"ready: {len(VOCABULARIES)} files in /cache")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bind_directory.iterdir()}
    assert found == {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES}
