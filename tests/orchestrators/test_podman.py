"""The image with podman, root and rootless, and a Kubernetes manifest in podman."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.orchestrators.conftest import NEW_API
from tests.orchestrators.engines import UNPRIVILEGED, Podman
from tests.orchestrators.manifests import KUBERNETES, as_pod, read, written
from tests.orchestrators.running import COUNTS, documented, run, wait_for
from tests.states import READY
from tests.vocabularies import DEFAULT
from tiktoken_cache_init.catalogue import VOCABULARIES

WANTED = sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)

LOCKED_DOWN = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL")
IMAGE = "localhost/tiktoken-cache-init"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def checked(podman: Podman) -> str:
    """Return the output of the gateway with the volume ``tiktoken``."""
    mount = ("--volume", "tiktoken:/tiktoken:ro", "--env", "TIKTOKEN_CACHE_DIR=/tiktoken")
    return podman("run", "--rm", "--network", "none", *mount, NEW_API, "--check", check=False).stdout


# --- the plain run ----------------------------------------------------------------------------------------------------


def type_in(podman: Podman, directory: Path) -> str:
    """Run the commands of the document with this podman."""
    shim = directory / "podman"
    shim.write_text(f'#!/bin/sh\nexec {" ".join(podman.command())} "$@"\n')
    shim.chmod(0o755)
    variables = {"PATH": f"{directory}:{os.environ['PATH']}"}
    commands = documented("building.md", "## podman")
    return run("bash", "-euc", commands, variables=variables, directory=podman.directory).stdout


def test_the_documented_commands_fill_a_volume(podman: Podman, tmp_path: Path) -> None:
    assert READY in type_in(podman, tmp_path)
    assert COUNTS in checked(podman)


def test_the_documented_commands_fill_a_volume_rootless(rootless_podman: Podman, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert READY in type_in(rootless_podman, tmp_path)
    volume = rootless_podman.volume("tiktoken")
    assert {path.stat().st_uid for path in volume.iterdir()} == {UNPRIVILEGED}
    assert COUNTS in checked(rootless_podman)


def test_a_directory_to_mount_must_exist(podman: Podman, tmp_path: Path) -> None:
    done = podman(*LOCKED_DOWN, "--volume", f"{tmp_path}/tiktoken:/cache/tiktoken", IMAGE, check=False)
    assert "no such file or directory" in done.stdout
    (tmp_path / "tiktoken").mkdir()
    podman(*LOCKED_DOWN, "--volume", f"{tmp_path}/tiktoken:/cache/tiktoken", IMAGE)
    assert names(tmp_path / "tiktoken") == WANTED


def test_a_directory_can_be_given_to_the_containers_user(podman: Podman, tmp_path: Path) -> None:
    podman(*LOCKED_DOWN, "--user", "1234:1234", "--volume", f"{tmp_path}:/cache/tiktoken:U", IMAGE)
    assert names(tmp_path) == WANTED
    assert tmp_path.stat().st_uid == 1234


def test_a_new_volume_belongs_to_the_containers_user(podman: Podman) -> None:
    podman(*LOCKED_DOWN, "--user", "1234:1234", "--volume", "new:/cache/tiktoken", IMAGE)
    assert names(podman.volume("new")) == WANTED


# --- a Kubernetes manifest --------------------------------------------------------------------------------------------


def test_the_init_container_fills_an_empty_dir_and_the_gateway_starts(podman: Podman) -> None:
    manifests = read(KUBERNETES / "init-container" / "gateway.yaml")
    pods = [as_pod(each) if each["kind"] == "Deployment" else each for each in manifests]
    podman("kube", "play", "--network", "none", "-", given=written(pods))
    wait_for(COUNTS, lambda: podman("logs", "new-api-new-api", check=False).stdout)
    [gateway] = json.loads(podman("inspect", "new-api-new-api").stdout)
    assert gateway["Config"]["User"] == "65532:65532"
    assert {mount["Destination"]: mount["RW"] for mount in gateway["Mounts"]} == {"/data": True, "/tiktoken": False}
    assert names(podman.volume("tiktoken")) == sorted(vocabulary.cache_key for vocabulary in DEFAULT)
