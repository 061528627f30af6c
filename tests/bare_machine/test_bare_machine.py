"""The commands of the README for developers on a bare Debian 13: they need only make, git and Python, and no root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.containers import engine
from tests.docs.test_commands import DEVELOP
from tests.machine import NEEDS, ROOT

IMAGE = "tiktoken-cache-init-test-bare"


def test_each_need_of_skipped_tests_has_one_line(tmp_path: Path, vocabularies: Path) -> None:
    # Without the origin, the bytes come from a wheel. `make test` runs the unit tests too.
    typed = DEVELOP.replace("make fill", "TIKTOKEN_INIT_ORIGIN=off make fill").replace("make test-unit", "")
    script = f"git config --global safe.directory /origin; git clone -q /origin project; cd project; exec 2>&1\n{typed}"
    engine.build("--tag", IMAGE, context=Path(__file__).parent)
    origin = tmp_path / "origin"
    subprocess.run(["git", "clone", "--quiet", "--bare", "--no-local", str(ROOT), str(origin)], check=True)
    mounts = {"/origin": origin, "/srv/vocabularies": vocabularies}
    variables = ["TIKTOKEN_TEST_VOCABULARIES=/srv/vocabularies"]
    # The container reaches the package index like this machine: with its proxies, authorities and settings of pip.
    bundle = engine.machine_bundle()
    if bundle:
        mounts[bundle] = Path(bundle)
    for name, value in os.environ.items():
        if value == bundle or name.lower().endswith("_proxy") or name.startswith("PIP_"):
            variables.append(name)
    given = [f"--volume={source}:{target}:ro" for target, source in mounts.items()]
    given += [f"--env={variable}" for variable in variables]
    options = ["--rm", "--init", "--network", "host", *given]
    printed = engine.docker("run", *options, IMAGE, "sh", "-ec", script, timeout=1200).stdout
    assert "ready: 2 files in /home/newcomer/project/tiktoken" in printed
    lines = [line for line in printed.rpartition("= skipped =")[2].splitlines() if " skipped: " in line]
    told = [line.partition(" skipped: ")[2].rpartition(" (")[0] for line in lines]
    possible = {f"needs {need.text}": name for name, need in NEEDS.items()}
    assert len(told) == len(set(told))
    assert {"docker", "go", "npm", "root", "strace"} <= {possible[text] for text in told}
