"""Each regular file of an image is a file of a Debian package, of a wheel or of this project, or byte-code of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.containers.engine import ROOT, docker, platform
from tests.containers.layers import extract


@pytest.fixture(scope="module")
def trees(image: str, offline_image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Extract the file systems of both targets."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("default", "offline")}
    extract(image, made["default"])
    extract(offline_image, made["offline"])
    return made


def traced(tree: Path, stage: str) -> dict[str, Any]:
    """Return the number of files of each origin, and the files without one."""
    mounts = ["--volume", f"{tree}:/image:ro", "--volume", f"{ROOT}:/project:ro"]
    options = ["--rm", "--network", "none", *platform(), "--env", "PYTHONDONTWRITEBYTECODE=1", *mounts]
    program = "/project/tests/containers/origins.py"
    done = docker("run", *options, stage, "python3.13", program, "/image", "/project")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("target", ["default", "offline"])
def test_each_file_has_an_origin(
    trees: dict[str, Path], stage: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = traced(trees[target], stage)
    with capsys.disabled():
        print(f"\n{target} image, files by origin:")
        for origin, count in sorted(found["counts"].items()):
            print(f"  {count:5}  {origin}")
    assert found["unknown"] == []
    assert found["counts"]["Debian's file"] > 10
    assert found["counts"]["byte-code of Debian's file"] > 200
    assert ("byte-code of wheel's file" in found["counts"]) == (target == "default")


@pytest.mark.parametrize(
    "name",
    [
        "usr/bin/python3.13",
        "usr/lib/python3.13/json/decoder.pyc",
        "usr/local/lib/python3.13/dist-packages/httpx/_client.pyc",
        "usr/lib/tiktoken-cache-init/tiktoken_cache_init/cli.pyc",
        "usr/share/doc/zlib1g/copyright",
        "etc/ssl/certs/ca-certificates.crt",
        "var/lib/dpkg/status.d/libc6",
        "vocabularies/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    ],
)
def test_a_changed_file_has_no_origin(trees: dict[str, Path], stage: str, name: str) -> None:
    changed = trees["default"] / name
    content = changed.read_bytes()
    try:
        middle = len(content) // 2
        changed.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert traced(trees["default"], stage)["unknown"] == [f"/{name}"]
    finally:
        changed.write_bytes(content)


def test_an_added_file_has_no_origin(trees: dict[str, Path], stage: str) -> None:
    added = trees["default"] / "usr" / "lib" / "python3.13" / "certainly.pyc"
    added.write_bytes((added.parent / "os.pyc").read_bytes())
    try:
        assert traced(trees["default"], stage)["unknown"] == ["/usr/lib/python3.13/certainly.pyc"]
    finally:
        added.unlink()
