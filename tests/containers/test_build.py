"""The build of the image: what can be handed in, the same bytes each time, and failures, each with its message.

The build prints each message as docs/building.md quotes it.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.containers.conftest import Built
from tests.containers.engine import LOCKED_DOWN, build, docker, entries
from tests.docs.markdown import section
from tests.drivers import Container
from tests.machine import ROOT
from tests.network.authority import Authority
from tests.server import Server
from tests.vocabularies import MERGES, O200K, RANKS


@pytest.fixture
def tag() -> Iterator[str]:
    """Return a name for an image, and remove the image at the end."""
    name = f"tiktoken-cache-init-test-built:{uuid.uuid4().hex[:12]}"
    yield name
    docker("image", "rm", "--force", name)


def test_published_names_and_other_encodings_can_be_handed_in(
    image: str, vocabularies: Path, tmp_path: Path, tag: str
) -> None:
    for known in (MERGES, RANKS):
        shutil.copy(vocabularies / known.cache_key, tmp_path / known.published_name)
    build("--target", "data", "--build-arg", "ENCODINGS=gpt2", "--tag", tag, vocabularies=tmp_path)
    assert {entry.name for entry in entries(tag) if not entry.isdir()} == {MERGES.cache_key, RANKS.cache_key}


def test_the_offline_image_fills_and_reports_that_it_cannot_fetch(built: Built, volume: str) -> None:
    image = built("offline")
    driver = Container(image, options=[*LOCKED_DOWN, "--volume", f"{volume}:/cache/tiktoken"])
    refused = driver.run("--sources", "fetch")
    assert (refused.code, "it is not part of this installation" in refused.stderr) == (4, True)
    # Compose files pass an empty variable if it is not set.
    filled = driver.run(environment={"TIKTOKEN_INIT_SOURCES": ""})
    assert (filled.code, "from baked\n" in filled.stderr) == (0, True)
    words = {word for entry in entries(image) for word in entry.name.replace(".", "/").split("/")}
    assert not words & {"httpx", "httpcore", "h11", "_ssl", "_hashlib", "libssl", "libcrypto", "certs", "asyncio"}


def test_building_again_gives_the_same_image(image: str, tmp_path: Path) -> None:
    # The second build repeats every step after the downloads.
    for name, options in (("first", []), ("second", ["--no-cache-filter", "lay-out-default,default"])):
        build(*options, "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--iidfile", str(tmp_path / name))
    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("LEFT_OUT['antigravity']", "error: the pattern antigravity matches no file"),
        ("MODULES['httpx']", "error: libpython3.13-stdlib has no module httpx"),
    ],
)
def test_a_row_of_the_lists_that_matches_nothing_stops_the_build(built: Built, row: str, message: str) -> None:
    program = f"from image import contents, lay_out; contents.{row} = ''; lay_out.main('default', lay_out.Path('/x'))"
    done = docker("run", "--rm", "--network", "none", built("lay-out"), "python3.13", "-c", program, check=False)
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr


# --- Failures ---------------------------------------------------------------------------------------------------------

OURS = {row[0].strip("`"): row[2] for row in section("docs/building.md", "When a build fails").tables[0][1:]}
"""Message of a failure -> the option to use."""
NOWHERE = "127.0.0.1:9"


class Failure(NamedTuple):
    """Build that fails. ``{untrusted}`` is a server with an untrusted certificate."""

    arguments: str = ""
    """Build arguments."""
    target: str = "wheels"
    file: str = "Dockerfile"
    """File of the context that is changed, if the arguments cannot make the build fail."""
    old: str = ""
    new: str = ""
    says: str = ""
    """Text in the output, besides the message and the option to use."""


FAILURES = {
    "error: the base image is not Debian 13": Failure("BASE_IMAGE=busybox"),
    "error: Debian's archive cannot be reached": Failure(f"DEBIAN_MIRROR=http://{NOWHERE}/debian"),
    "error: Debian's archive cannot be reached: the proxy's address is the build container itself": Failure(
        f"HTTP_PROXY=http://{NOWHERE} DEBIAN_MIRROR=http://mirror.invalid/debian", says="--network host"
    ),
    "error: the certificate of Debian's archive is not trusted": Failure("DEBIAN_MIRROR={untrusted}/debian"),
    "error: Debian's archive did not send every package": Failure(
        file="image/packages.txt", old="zlib1g=", new="no-such-package="
    ),
    "error: DEBIAN_MIRROR is 'mirror.example', which is not a URL": Failure("DEBIAN_MIRROR=mirror.example"),
    "error: the package index cannot be used": Failure(f"PIP_INDEX_URL=http://{NOWHERE}/simple"),
    "error: the certificate of the package index is not trusted": Failure("PIP_INDEX_URL={untrusted}/simple"),
    "error: the package index sent other bytes than those that are pinned": Failure(
        file="requirements/runtime.txt", old="sha256:....", new="sha256:0000"
    ),
    "error: the vocabularies cannot be obtained": Failure(
        target="bake",
        old="--sources fetch,wheel",
        new="--sources fetch --origin off",
        says="  tried /handed-in: wrong bytes",
    ),
    "error: --encodings: unknown encoding 'cl10k'": Failure("ENCODINGS=cl10k", target="bake"),
}


@pytest.fixture(scope="module")
def outputs(image: str, vocabularies: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run each build that must fail, all at once because they mostly wait; return message -> output of its build."""
    scratch = tmp_path_factory.mktemp("failures")
    wrong = scratch / "wrong"
    wrong.mkdir()
    content = bytearray((vocabularies / O200K.cache_key).read_bytes())
    content[1000] ^= 1
    (wrong / O200K.cache_key).write_bytes(content)

    def fail(failure: Failure, untrusted: str, context: Path) -> str:
        if failure.old:
            shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "tests"))
            changed = context / failure.file
            changed.write_text(re.sub(failure.old, failure.new, changed.read_text()))
        arguments = failure.arguments.format(untrusted=untrusted).split()
        options = ["--network", "host", "--target", failure.target, *(f"--build-arg={each}" for each in arguments)]
        done = build(*options, context=context if failure.old else ROOT, vocabularies=wrong, check=False)
        assert done.returncode != 0
        return (done.stdout + done.stderr).rstrip()

    with Server(Authority(scratch, "unknown").context("localhost")) as server, ThreadPoolExecutor() as pool:
        # pip cannot connect by TLS to an address.
        untrusted = server.url.replace("127.0.0.1", "localhost")
        started = {
            message: pool.submit(fail, failure, untrusted, scratch / f"context-{number}")
            for number, (message, failure) in enumerate(FAILURES.items())
        }
        return {message: each.result() for message, each in started.items()}


@pytest.mark.parametrize("message", FAILURES)
def test_a_failure_names_the_option_to_use(message: str, outputs: dict[str, str]) -> None:
    assert OURS.keys() <= FAILURES.keys()
    # Without the number of the step and the time.
    lines = re.findall(r"^#\d+ [\d.]+ (?:tiktoken-cache-init: )?(error: .*)$", outputs[message], re.MULTILINE)
    assert lines[-1].startswith(message)
    for option in re.findall(r"`([A-Z_]+|--[^`]*)`", OURS.get(message, "")):
        assert option in lines[-1] or option == "ENCODINGS"
    assert FAILURES[message].says in outputs[message]
    assert outputs[message].splitlines()[-1].startswith("ERROR: failed to solve: ")


def test_a_mirror_of_debian_replaces_the_archive(built: Built) -> None:
    stage = built("lay-out")
    show = "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"
    found = re.search(r"https?://\S+/debian\b", docker("run", "--rm", stage, "sh", "-c", show).stdout)
    assert found
    # The mirror is the archive itself, with the port in its URL.
    mirror = re.sub(r"(//[^/:]+)", r"\1:80", found[0])
    options = ["--rm", "--network", "host", "--env", f"DEBIAN_MIRROR={mirror}/", "--volume", f"{ROOT}/image:/image:ro"]
    done = docker("run", *options, stage, "sh", "-ec", f"/image/install.sh --record; {show}")
    assert "python3.13-minimal=3.13" in done.stdout
    assert mirror in done.stdout
    assert found[0] not in done.stdout


def test_the_compose_example_passes_its_variables_to_the_build_and_waits_for_the_fill() -> None:
    given = {"BASE_IMAGE": "a", "DEBIAN_MIRROR": "b", "PIP_INDEX_URL": "c", "ENCODINGS": "d"}
    command = ["compose", "--file", str(ROOT / "docker-compose.example.yml"), "config", "--format", "json"]
    merged = json.loads(docker(*command, variables=given | {"SSL_CERT_FILE": "/ca.pem"}).stdout)
    made = merged["services"]["tiktoken-init"]["build"]
    assert (made["args"], [each["source"] for each in made["secrets"]]) == (given, ["ca"])
    assert merged["secrets"]["ca"]["file"] == "/ca.pem"
    awaited = merged["services"]["new-api"]["depends_on"]["tiktoken-init"]
    assert awaited["condition"] == "service_completed_successfully"
