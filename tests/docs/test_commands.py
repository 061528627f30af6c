"""Every command of the front page and of the pages for users, in both languages, run as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.containers import engine
from tests.docs.markdown import PAGES, read
from tests.docs.shell import Shell
from tests.drivers import Host
from tests.machine import ROOT, needs
from tests.orchestrators.running import COUNTS, wait_for
from tests.states import READY
from tests.vocabularies import shared_directory
from tiktoken_cache_init.catalogue import VOCABULARIES

BLOCKS = [
    list(
        dict.fromkeys(
            fence.text
            for page in PAGES
            for section in read(f"{page}{end}")
            for fence in section.fences
            if fence.language.split()[0] == "sh"
        )
    )
    for end in (".md", ".zh-CN.md")
]
"""Blocks of commands on the English pages, and on the Chinese pages."""

RUN = [
    # In tests/orchestrators: test_podman.py and test_kubernetes.py.
    "podman run",
    "kubectl delete job",
]
"""Patterns at the start of the blocks that a test runs."""

Test = Callable[..., None]


def runs(*patterns: str) -> Callable[[Test], Test]:
    """Declare the blocks that a test runs. The test gets the texts that match as ``blocks``, once for each language."""
    RUN.extend(patterns)
    found = [tuple(text for pattern in patterns for text in texts if re.match(pattern, text)) for texts in BLOCKS]
    return pytest.mark.parametrize("blocks", [pytest.param(each, id="") for each in dict.fromkeys(found)])


@pytest.mark.parametrize("block", sorted({text for texts in BLOCKS for text in texts}))
def test_one_test_runs_the_block(block: str) -> None:
    assert sum(re.match(pattern, block) is not None for pattern in RUN) == 1, "write @runs(...) at a test"


THEIRS = f"""
services:
  new-api:
    image: {engine.GATEWAY_IMAGE}
    pull_policy: never
networks:
  default:
    # The gateway cannot download anything, so it starts only with the files in the volume.
    internal: true
"""
"""Compose file of a reader, who has a gateway already."""

EXAMPLE = f"""
services:
  tiktoken-init:
    build: {{additional_contexts: {{vocabularies: {shared_directory()}}}}}
  new-api:
    image: {engine.GATEWAY_IMAGE}
    pull_policy: never
    ports: !reset []
networks: {{default: {{internal: true}}}}
"""
"""Changes to the example of a new gateway."""


def await_answer(shell: Shell) -> None:
    """Wait until the gateway of the compose project answers."""
    ask = ["exec", "-T", "new-api", "wget", "-qO-", "http://localhost:3000/api/status"]
    compose = ["compose", "--project-name", shell.name]
    wait_for('"success":true', lambda: engine.docker(*compose, *ask, check=False).stdout)


REACHABLE = {
    "docker.m.daocloud.io/library/": "",
    "--build-arg DEBIAN_MIRROR=http://mirrors.tuna.tsinghua.edu.cn/debian": "",
    "--build-arg PIP_INDEX_URL=https://pypi.tuna.tsinghua.edu.cn/simple": "",
    "export PIP_INDEX_URL=https://pypi.tuna.tsinghua.edu.cn/simple": "true",
    "http://proxy.example:3128": "",
}
"""Mirrors and proxies of the pages -> what stands in their place, because the tests do not reach the internet."""


@runs("git clone")
def test_an_existing_compose_file_gets_the_init_container(blocks: tuple[str], with_engine: Shell) -> None:
    shell = with_engine
    shell.directory = shell.place / "new-api"
    shell.directory.mkdir()
    (shell.directory / "docker-compose.yml").write_text(THEIRS)
    shell.replaced = REACHABLE
    shell.put("git", f'test "$*" = "clone https://github.com/OWNER/tiktoken-cache-init"\ncp -r {shell.clone} .')
    # The last command shows the log, and the gateway may need another moment.
    *commands, log = blocks[0].splitlines()
    assert shell.run("\n".join(commands)).splitlines()[-1] == READY
    await_answer(shell)
    printed = shell.run(log)
    assert "token encoders initialized" in printed
    assert COUNTS in printed


def test_the_example_builds_the_image_fills_the_volume_and_starts_the_gateway(with_engine: Shell) -> None:
    compose = "docker compose -f docker-compose.example.yml -f changes.yml"
    # The comments in the file say to do this behind a proxy that intercepts TLS.
    with_engine.variables["SSL_CERT_FILE"] = engine.machine_bundle() or "/dev/null"
    (with_engine.directory / "changes.yml").write_text(EXAMPLE)
    with_engine.run(f"{compose} up -d")
    await_answer(with_engine)
    printed = with_engine.run(f"{compose} logs")
    assert f"ready: {len(VOCABULARIES)} files in /cache/tiktoken" in printed
    assert COUNTS in printed
    # A later start needs no registry.
    with_engine.variables["BASE_IMAGE"] = "registry.invalid/debian"
    with_engine.run(f"{compose} down && {compose} up -d")
    await_answer(with_engine)
    assert with_engine.run(f"{compose} logs").count("already right") == len(VOCABULARIES)


@runs(r"docker run .*\n.* verify$", "docker rm -f new-api")
def test_a_gateway_gets_the_volume_and_keeps_its_data(blocks: tuple[str, str], with_image: Shell) -> None:
    fill, start = blocks
    assert with_image.run(fill).splitlines()[-1] == READY
    assert "bind source path does not exist" in with_image.run(start, code=125)
    data = with_image.place / "data"
    data.mkdir()
    with_image.run(start)
    wait_for(COUNTS, lambda: engine.docker("logs", with_image.name).stdout)
    inspected = json.loads(engine.docker("inspect", with_image.name).stdout)[0]
    assert str(data) in {mount["Source"] for mount in inspected["Mounts"]}


@runs("docker inspect")
def test_docker_shows_the_gateways_side(blocks: tuple[str], with_image: Shell) -> None:
    name, volume = with_image.name, f"{with_image.volume}:/cache/tiktoken:ro"
    options = ["--label", name, "--volume", volume, "--env", "TIKTOKEN_CACHEDIR=/x", "--env", "KEY=secret"]
    engine.docker("create", "--name", name, *options, with_image.image)
    printed = with_image.run(blocks[0]).splitlines()
    assert "TIKTOKEN_CACHEDIR=/x" in printed
    assert "KEY=secret" not in printed
    [mount] = [line for line in printed if line.startswith("mount ")]
    assert with_image.volume in mount
    assert mount.endswith(" /cache/tiktoken")


@runs("cp -n tiktoken-cache-init/docker-compose.override.example.yml tiktoken.yml")
# Windows separates the files by a semicolon, unless the first setting says otherwise.
@pytest.mark.parametrize("separator", [":", ";"])
def test_the_override_follows_one_that_is_already_there(blocks: tuple[str], separator: str, shell: Shell) -> None:
    needs("docker")
    shell.directory = shell.place
    theirs = "new-api: {image: busybox, depends_on: [redis], environment: [A=b, TIKTOKEN_CACHE_DIR=./cache]}"
    (shell.place / "docker-compose.yml").write_text(f"services: {{{theirs}, redis: {{image: busybox}}}}")
    (shell.place / "docker-compose.override.yml").write_text("services: {new-api: {environment: [C=d]}}")
    shell.run(blocks[0])
    settings = shell.place / ".env"
    settings.write_text(settings.read_text().replace(":", separator))
    new_api = json.loads(shell.run("docker compose config --format json"))["services"]["new-api"]
    assert new_api["environment"] == {"A": "b", "C": "d", "TIKTOKEN_CACHE_DIR": "/cache/tiktoken"}
    assert new_api["depends_on"].keys() == {"redis", "tiktoken-init"}


@runs("(export PIP_INDEX_URL=.*\n)?make fill")
def test_make_fills_a_directory_and_runs_the_tests(blocks: tuple[str], shell: Shell) -> None:
    shell.replaced = REACHABLE
    # The tests send nothing to the origin, so the bytes come from a wheel, as on a machine where the origin is blocked.
    shell.variables["TIKTOKEN_INIT_ORIGIN"] = "off"
    *before, test_unit, test = blocks[0].splitlines()
    assert "ready: 2 files" in shell.run("\n".join(before))
    # `make test` runs this test too, so the other steps are only listed.
    steps = [shell.run(f"{command} --dry-run") for command in (test_unit, test)]
    assert all("-m pytest" in step for step in steps)
    assert ["tests/network\n" in step for step in steps] == [False, True]


@runs("docker save", "sha256sum -c tiktoken-cache-init")
def test_the_image_is_carried_over_in_a_file(blocks: tuple[str, str], with_image: Shell) -> None:
    save, load = blocks
    with_image.run(save)
    engine.docker("image", "rm", with_image.image)
    with_image.run(load)
    assert engine.run(with_image.image, [], "list").returncode == 0


@runs(r"docker run .*\n.* export ", "sha256sum -c tiktoken.tar")
def test_the_files_are_carried_over_in_a_tar(blocks: tuple[str, str], with_image: Shell) -> None:
    export, unpack = blocks
    with_image.run(export)
    with_image.run(f"umask 077\n{unpack}")
    held = {path.name: path.stat().st_mode & 0o777 for path in (with_image.directory / "tiktoken").iterdir()}
    assert held == {vocabulary.cache_key: 0o644 for vocabulary in VOCABULARIES}


@runs("curl ")
def test_two_files_are_downloaded_by_hand(blocks: tuple[str], shell: Shell, program: Host) -> None:
    # In place of the network, files are copied. The arguments are those of curl: -fo NAME URL.
    sources = {each.url: shared_directory() / each.cache_key for each in VOCABULARIES}
    cases = "".join(f"'{url}') cp {path} \"$2\" ;;\n" for url, path in sources.items())
    shell.put("curl", f'test "$1" = -fo\ncase $3 in\n{cases}*) exit 22 ;;\nesac')
    assert shell.run(blocks[0]).count(": OK") == 2
    assert program.run("verify", "--cache-dir", str(shell.directory)).code == 0


@runs("docker build")
def test_the_image_is_built(blocks: tuple[str, ...], with_engine: Shell) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    known = {"HTTP_PROXY", "HTTPS_PROXY", *re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE)}
    with_engine.replaced = REACHABLE
    for block in blocks:
        assert set(re.findall(r"--build-arg (\w+)=", block)) <= known
        with_engine.run(block)
        engine.docker("image", "rm", with_engine.image)


@runs("make image")
def test_make_builds_the_image_of_a_commit(blocks: tuple[str], with_engine: Shell) -> None:
    author = "-c user.name=nobody -c user.email=nobody@example.invalid"
    with_engine.run(f"git init -q && git add --all && git {author} commit -q -m 'A commit'")
    with_engine.run(blocks[0])
    labels = json.loads(engine.docker("image", "inspect", with_engine.image).stdout)[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == with_engine.run("git rev-parse HEAD").strip()
