"""The image with podman, root and rootless."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.orchestrators.conftest import NEW_API
from tests.orchestrators.engines import UNPRIVILEGED, Podman
from tests.orchestrators.running import COUNTS, documented, run
from tests.samples import names_in
from tests.states import READY
from tiktoken_cache_init.catalogue import VOCABULARIES

WANTED = sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)

LOCKED_DOWN = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL")


def counts(podman: Podman, *mount: str, directory: str = "/tiktoken") -> bool:
    """Return whether the gateway counts right with a mount."""
    variable = f"TIKTOKEN_CACHE_DIR={directory}"
    return COUNTS in podman("run", "--rm", "--network", "none", *mount, "--env", variable, NEW_API, "--check").stdout


def type_in(podman: Podman, directory: Path) -> str:
    """Run the commands of the page with this podman."""
    shim = directory / "podman"
    shim.write_text(f'#!/bin/sh\nexec {" ".join(podman.command())} "$@"\n')
    shim.chmod(0o755)
    variables = {"PATH": f"{directory}:{os.environ['PATH']}"}
    commands = documented("building.md", "## podman")
    return run("bash", "-euc", commands, variables=variables, directory=podman.directory).stdout


def test_the_documented_commands_fill_a_volume(podman: Podman, tmp_path: Path) -> None:
    assert READY in type_in(podman, tmp_path)
    assert counts(podman, "--volume", "tiktoken:/tiktoken:ro")


def test_the_documented_commands_fill_a_volume_rootless(rootless_podman: Podman, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert READY in type_in(rootless_podman, tmp_path)
    assert {path.stat().st_uid for path in rootless_podman.volume("tiktoken").iterdir()} == {UNPRIVILEGED}
    assert counts(rootless_podman, "--volume", "tiktoken:/tiktoken:ro")


def test_a_directory_must_exist_and_can_be_given_to_the_containers_user(podman: Podman, tmp_path: Path) -> None:
    directory = tmp_path / "tiktoken"
    fill = [*LOCKED_DOWN, "--user", "1234:1234", "--volume", f"{directory}:/cache/tiktoken:U", "tiktoken-cache-init"]
    assert "no such file or directory" in podman(*fill, check=False).stdout
    directory.mkdir()
    podman(*fill)
    assert names_in(directory) == WANTED
    assert directory.stat().st_uid == 1234


@pytest.mark.parametrize(("image_tag", "directory"), [("data", "/tiktoken"), ("latest", "/tiktoken/vocabularies")])
def test_podman_mounts_the_image(image_tag: str, directory: str, podman: Podman) -> None:
    mount = f"type=image,source=localhost/tiktoken-cache-init:{image_tag},destination=/tiktoken"
    assert counts(podman, "--mount", mount, directory=directory)
