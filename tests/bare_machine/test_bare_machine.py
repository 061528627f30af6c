"""The two commands of the README on a bare Debian 13: they need only make, git and Python, and no root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.containers import engine
from tests.machine import NEEDS, ROOT

IMAGE = "tiktoken-cache-init-test-bare"
SCRIPT = """
git config --global safe.directory /origin
git clone --quiet /origin project
cd project
TIKTOKEN_INIT_MIRRORS="$TIKTOKEN_TEST_VOCABULARIES" make fill DIR="$HOME/tiktoken" 2>&1
PYTEST_ADDOPTS="--deselect tests/docs/test_commands.py::test_make_fills_a_directory_and_runs_the_tests" make test 2>&1
"""
"""Commands in the container. To save time, the fill copies the mounted vocabularies, and no test runs `make fill` again."""


def variables() -> list[str]:
    """Return the options that pass on how this machine reaches its package index: proxies, authorities, pip's settings."""
    bundle = engine.machine_bundle()
    mount = ["--volume", f"{bundle}:{bundle}:ro"] if bundle else []
    passed = [
        name
        for name, value in os.environ.items()
        if value == bundle or name.lower().endswith("_proxy") or name.startswith("PIP_")
    ]
    return [*mount, *(word for name in passed for word in ("--env", name))]


def test_both_commands_succeed_and_each_need_of_skipped_tests_has_one_line(tmp_path: Path, vocabularies: Path) -> None:
    engine.build("--tag", IMAGE, context=Path(__file__).parent)
    origin = tmp_path / "origin"
    subprocess.run(["git", "clone", "--quiet", "--bare", "--no-local", str(ROOT), str(origin)], check=True)
    mounts = ["--volume", f"{origin}:/origin:ro", "--volume", f"{vocabularies}:/srv/vocabularies:ro"]
    given = [*mounts, "--env", "TIKTOKEN_TEST_VOCABULARIES=/srv/vocabularies", *variables()]
    options = ["--rm", "--init", "--network", "host", *given]
    done = engine.docker("run", *options, IMAGE, "sh", "-ec", SCRIPT, timeout=1200)
    assert " files in /home/newcomer/tiktoken (" in done.stdout
    lines = [line for line in done.stdout.rpartition("= skipped =")[2].splitlines() if " skipped: " in line]
    told = [line.partition(" skipped: ")[2].rpartition(" (")[0] for line in lines]
    possible = {f"needs {need.text}": name for name, need in NEEDS.items()}
    assert len(told) == len(set(told))
    assert {"docker", "go", "npm", "root", "strace"} <= {possible[text] for text in told}
