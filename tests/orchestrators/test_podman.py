"""The image with podman, root and rootless."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from tests.docs.markdown import blocks
from tests.orchestrators.engines import Podman, own_podman
from tests.orchestrators.running import COUNTS, run
from tests.samples import names_in
from tests.states import READY
from tiktoken_cache_init.catalogue import VOCABULARIES

[COMMANDS] = [block for block in blocks("docs/building") if block.startswith("podman")]
GATEWAY = "gateway"
OFFLINE = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module")
def podman(request: pytest.FixtureRequest, image: str, gateway_image: str) -> Iterator[Podman]:
    """Provide podman with the images, as root, and as a user without entries in /etc/subuid."""
    with own_podman(rootless=request.param == "rootless") as podman:
        podman.load(image, "localhost/tiktoken-cache-init:latest")
        podman.load(gateway_image, f"localhost/{GATEWAY}:latest")
        yield podman


def counts(podman: Podman, mount: str, directory: str) -> bool:
    """Return whether the gateway counts correctly with a mount."""
    variable = f"TIKTOKEN_CACHE_DIR={directory}"
    return COUNTS in podman(*OFFLINE, "--mount", mount, "--env", variable, GATEWAY, "--check").stdout


@pytest.mark.parametrize("podman", ["root", "rootless"], indirect=True)
def test_the_commands_of_the_page_fill_a_volume(podman: Podman) -> None:
    commands = COMMANDS.replace("podman ", f"{shlex.join(podman.command)} ")
    assert READY in run("sh", "-ec", commands, directory=podman.directory).stdout
    assert counts(podman, "type=volume,source=tiktoken,destination=/tiktoken,ro", "/tiktoken")


@pytest.mark.parametrize("podman", ["root", "rootless"], indirect=True)
def test_podman_mounts_the_image(podman: Podman) -> None:
    mount = "type=image,source=tiktoken-cache-init,destination=/tiktoken"
    assert counts(podman, mount, "/tiktoken/vocabularies")


@pytest.mark.parametrize("podman", ["root"], indirect=True)
def test_a_directory_must_exist_and_can_be_given_to_the_containers_user(podman: Podman) -> None:
    directory = podman.directory / "tiktoken"
    options = ("--read-only", "--cap-drop", "ALL", "--user", "1234:1234", "--volume", f"{directory}:/cache/tiktoken:U")
    fill = (*OFFLINE, *options, "tiktoken-cache-init")
    assert "no such file or directory" in podman(*fill, check=False).stdout
    directory.mkdir()
    podman(*fill)
    assert names_in(directory) == sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)
    assert directory.stat().st_uid == 1234
