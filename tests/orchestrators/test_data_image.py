"""The data-only image, and the ways to use it without an init container."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, docker
from tests.orchestrators.conftest import NEW_API
from tests.orchestrators.engines import Engine, Podman
from tests.orchestrators.running import COUNTS, DIES, files_in
from tiktoken_cache_init.catalogue import VOCABULARIES

WANTED = {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES}

DOCKERFILE = ROOT / "examples" / "new-api.Dockerfile"


def test_the_image_holds_only_the_vocabularies_at_its_root(data_image: str) -> None:
    container = docker("create", data_image, "nothing").stdout.strip()
    try:
        exported = subprocess.run(["docker", "export", container], check=True, capture_output=True).stdout
    finally:
        docker("rm", container)
    # Docker adds its mount points, which are empty.
    held = files_in(io.BytesIO(exported))
    assert {name: digest for name, (_, digest) in held.items()} == WANTED
    assert {(e.uid, e.gid, e.mode, e.type) for e, _ in held.values()} == {(0, 0, 0o644, tarfile.REGTYPE)}


def test_the_image_has_no_command(data_image: str) -> None:
    commands = docker("inspect", "--format", "{{.Config.Entrypoint}}{{.Config.Cmd}}", data_image).stdout
    assert commands == "[][]\n"


def test_a_dockerfile_copies_from_the_image(engine: Engine, tmp_path: Path) -> None:
    engine.docker("build", "--tag", "new-api-offline", "-", given=DOCKERFILE.read_text())
    checked = ("run", "--rm", "--network", "none", "--read-only", "--user", "1234:1234")
    assert COUNTS in engine.docker(*checked, "new-api-offline", "--check").stdout
    assert DIES in engine.docker(*checked, NEW_API, "--check", check=False).stdout


MOUNTED = {
    "localhost/tiktoken-cache-init:data": "/tiktoken",
    "localhost/tiktoken-cache-init:latest": "/tiktoken/vocabularies",
}
"""Image -> directory of the vocabularies if podman mounts the image at /tiktoken."""


@pytest.mark.parametrize("image_name", MOUNTED)
def test_podman_mounts_the_image(image_name: str, podman: Podman) -> None:
    mount = f"type=image,source={image_name},destination=/tiktoken"
    checked = ("run", "--rm", "--network", "none", "--env", f"TIKTOKEN_CACHE_DIR={MOUNTED[image_name]}")
    assert COUNTS in podman(*checked, "--mount", mount, NEW_API, "--check").stdout
    assert DIES in podman(*checked, NEW_API, "--check", check=False).stdout
