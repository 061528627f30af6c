"""The image with podman, root and rootless, and the Kubernetes manifests in podman."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.orchestrators.conftest import NEW_API
from tests.orchestrators.engines import UNPRIVILEGED, Podman
from tests.orchestrators.manifests import KUBERNETES, Manifest, as_pod, pod_spec, read, written
from tests.orchestrators.running import COUNTS, DIES, Done, documented, run, wait_for
from tests.states import READY
from tests.vocabularies import DEFAULT

WANTED = sorted(vocabulary.cache_key for vocabulary in DEFAULT)

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
    commands = documented("podman.md", "## Load and run")
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


# --- Kubernetes manifests ---------------------------------------------------------------------------------------------


def play(podman: Podman, *manifests: Manifest, check: bool = True) -> Done:
    return podman("kube", "play", "--network", "none", "-", given=written(list(manifests)), check=check)


def pods(*parts: str) -> list[Manifest]:
    """Return the manifests in a file. A Deployment or a Job becomes a pod."""
    return [as_pod(manifest) if pod_spec(manifest) else manifest for manifest in read(KUBERNETES.joinpath(*parts))]


def said(podman: Podman, container: str) -> str:
    return podman("logs", container, check=False).stdout


def test_the_init_container_fills_an_empty_dir_and_the_gateway_starts(podman: Podman) -> None:
    play(podman, *pods("init-container", "gateway.yaml"))
    wait_for(COUNTS, lambda: said(podman, "new-api-new-api"))
    [gateway] = json.loads(podman("inspect", "new-api-new-api").stdout)
    assert gateway["Config"]["User"] == "65532:65532"
    assert not gateway["EffectiveCaps"]
    assert {mount["Destination"]: mount["RW"] for mount in gateway["Mounts"]} == {"/data": True, "/tiktoken": False}
    volume = podman.volume("tiktoken")
    assert names(volume) == WANTED
    assert {path.stat().st_uid for path in volume.iterdir()} == {65532}


def test_the_gateway_fails_without_the_init_container(podman: Podman) -> None:
    [claim, service, pod] = pods("init-container", "gateway.yaml")
    del pod["spec"]["initContainers"]
    play(podman, claim, service, pod)
    wait_for(DIES, lambda: said(podman, "new-api-new-api"))


def test_a_failing_init_container_keeps_the_gateway_from_starting(podman: Podman) -> None:
    manifests = pods("init-container", "gateway.yaml")
    manifests[-1]["spec"]["initContainers"][0]["env"][1]["value"] = "cl100k_bse"
    assert play(podman, *manifests, check=False).returncode != 0
    assert re.search("did you mean '?cl100k_base", said(podman, "new-api-tiktoken-init"))
    assert podman("inspect", "--format", "{{.State.Status}}", "new-api-new-api").stdout == "created\n"


@pytest.fixture
def fleet(podman: Podman) -> Podman:
    """Make the claim of the fleet and the Secret of its gateways; return podman."""
    play(podman, *pods("fleet", "claim.yaml"))
    podman("secret", "create", "new-api", "-", given='{"SQL_DSN": "eA==", "SESSION_SECRET": "eQ=="}')
    return podman


def run_job(podman: Podman) -> str:
    """Run the Job's pod to its end; return its log."""
    play(podman, *pods("fleet", "job.yaml"))
    assert podman("wait", "tiktoken-init-tiktoken-init").stdout == "0\n"
    log = said(podman, "tiktoken-init-tiktoken-init")
    podman("pod", "rm", "--force", "tiktoken-init")
    return log


def stamps(directory: Path) -> set[tuple[str, int, int]]:
    """Return each file with its change time and its inode: any write changes one of them."""
    return {(path.name, path.stat().st_ctime_ns, path.stat().st_ino) for path in directory.iterdir()}


def test_the_job_can_be_run_again_and_repairs_damaged_files(fleet: Podman) -> None:
    assert run_job(fleet).count("installed from baked") == 2
    before = stamps(fleet.volume("tiktoken"))
    assert run_job(fleet).count("already right") == 2
    assert stamps(fleet.volume("tiktoken")) == before
    (fleet.volume("tiktoken") / WANTED[0]).write_bytes(b"")
    assert "replaced from baked" in run_job(fleet)


def test_the_fleet_starts_only_after_the_job(fleet: Podman) -> None:
    gateways = pods("fleet", "gateways.yaml")
    assert play(fleet, *gateways, check=False).returncode != 0
    assert "not ready: 2 of 2 files" in said(fleet, "new-api-fleet-tiktoken-verify")
    assert fleet("inspect", "--format", "{{.State.Status}}", "new-api-fleet-new-api").stdout == "created\n"
    fleet("pod", "rm", "--force", "new-api-fleet")
    run_job(fleet)
    play(fleet, *gateways)
    wait_for(COUNTS, lambda: said(fleet, "new-api-fleet-new-api"))
