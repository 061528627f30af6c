"""Each regular file of an image is a file of a Debian package, of a wheel or of this project, or byte-code of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.containers.conftest import Built
from tests.containers.engine import ROOT, docker, extract, platform

CHANGED = (
    "usr/bin/python3.13",
    "usr/lib/python3.13/json/decoder.pyc",
    "usr/local/lib/python3.13/dist-packages/httpx/_client.pyc",
    "usr/local/lib/python3.13/dist-packages/httpx/py.typed",
    "usr/lib/tiktoken-cache-init/tiktoken_cache_init/cli.pyc",
    "usr/share/doc/zlib1g/copyright",
    "etc/ssl/certs/ca-certificates.crt",
    "var/lib/dpkg/status.d/libc6",
    "vocabularies/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
)
ADDED = "usr/lib/python3.13/certainly.pyc"


def without_origin(tree: Path, stage: str) -> list[str]:
    """Return the files in a tree that have no origin."""
    mounts = ["--volume", f"{tree}:/image:ro", "--volume", f"{ROOT}:/project:ro"]
    options = ["--rm", "--network", "none", *platform(), "--env", "PYTHONDONTWRITEBYTECODE=1", *mounts]
    done = docker("run", *options, stage, "python3.13", "/project/tests/containers/origins.py", "/image", "/project")
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("target", ["default", "offline"])
def test_each_file_has_an_origin(built: Built, stage: str, target: str, tmp_path: Path) -> None:
    assert without_origin(extract(built(target), tmp_path), stage) == []


def test_a_changed_or_added_file_has_no_origin(image: str, stage: str, tmp_path: Path) -> None:
    tree = extract(image, tmp_path)
    for name in CHANGED:
        (tree / name).write_bytes((tree / name).read_bytes() + b"\0")
    (tree / ADDED).write_bytes((tree / ADDED).with_name("os.pyc").read_bytes())
    assert without_origin(tree, stage) == sorted(f"/{name}" for name in (*CHANGED, ADDED))
