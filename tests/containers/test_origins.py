"""Each regular file of an image is a file of a Debian package, of a wheel or of this project, or byte-code of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.containers.conftest import Built
from tests.containers.engine import docker, extract, platform
from tests.machine import ROOT


@pytest.mark.parametrize("target", ["default", "offline"])
def test_each_file_has_an_origin(built: Built, target: str, tmp_path: Path) -> None:
    tree = extract(built(target), tmp_path)
    # A file that nothing made shows that the program looks.
    (tree / "usr/lib/python3.13/added.pyc").write_bytes((tree / "usr/lib/python3.13/os.pyc").read_bytes())
    mounts = ["--volume", f"{tree}:/image:ro", "--volume", f"{ROOT}:/project:ro", "--workdir", "/project"]
    options = ["--rm", "--network", "none", *platform(), "--env", "PYTHONDONTWRITEBYTECODE=1", *mounts]
    done = docker("run", *options, built("lay-out"), "python3.13", "-m", "tests.containers.origins", "/image")
    assert json.loads(done.stdout) == ["/usr/lib/python3.13/added.pyc"]
