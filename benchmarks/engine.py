"""The engine: the peers' images, servers, containers, and images unpacked into folders."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tiktoken_cache_init.catalogue import VOCABULARIES

from .results import HERE, ROOT

PEERS = ("copy", "careful", "curl", "python", "server")
WANTED = {vocabulary.cache_key: vocabulary for vocabulary in VOCABULARIES[:2]}
"""What every peer puts into a volume, by name."""
WHEEL = "vocabularies-1-py3-none-any.whl"

_TRUSTED = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def docker(*arguments: str) -> str:
    """Run a docker command and return what it printed.

    Raises:
        RuntimeError: it failed; the text has what it said.
    """
    command = ["docker", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def revision(image: str) -> str:
    """Return the commit that an image says it was built from; empty if it does not say."""
    return docker("image", "inspect", "--format", '{{index .Config.Labels "org.opencontainers.image.revision"}}', image)


def peer(name: str) -> str:
    """Return the image of a peer."""
    return f"tiktoken-cache-init-benchmark:{name}"


def build_peers(image: str, scratch: Path) -> None:
    """Build every peer, with the vocabularies of the image under test."""
    wheel = scratch / "wheel"
    wheel.mkdir()
    take(image, scratch / "vocabularies", "/vocabularies")
    pack(wheel / WHEEL, scratch / "vocabularies")
    bundle = next((path for path in map(os.environ.get, _TRUSTED) if path and Path(path).is_file()), None)
    given = ["--secret", f"id=ca,src={bundle}"] if bundle else []
    for name, folder in (("scripts", ROOT / "image"), ("requirements", ROOT / "requirements"), ("wheel", wheel)):
        given += ["--build-context", f"{name}={folder}"]
    for name in ("BUSYBOX", "DEBIAN"):
        given += ["--build-arg", f"{name}={os.environ[name]}"] if name in os.environ else []
    for name in PEERS:
        target = ["--target", name, "--tag", peer(name), "--build-arg", f"IMAGE={image}"]
        docker("build", "--quiet", *given, *target, str(HERE / "peers"))


def pack(wheel: Path, vocabularies: Path) -> None:
    """Write a wheel that holds the two vocabularies, for pip to install."""
    about = "vocabularies-1.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in WANTED:
            archive.write(vocabularies / name, name)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: vocabularies\nVersion: 1\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in archive.namelist()))


def take(image: str, folder: Path, path: str = "/.") -> None:
    """Copy what an image holds at a path into a new folder."""
    container = docker("create", image)
    try:
        docker("cp", "--quiet", f"{container}:{path}", str(folder))
    finally:
        docker("rm", container)


def configured(image: str) -> list[str]:
    """Return the command that a container of the image runs."""
    form = "{{range .Config.Entrypoint}}{{println .}}{{end}}{{range .Config.Cmd}}{{println .}}{{end}}"
    return docker("image", "inspect", "--format", form, image).split("\n")


def container(image: str, folder: Path, *arguments: str, options: Sequence[str] = ("--network", "none")) -> list[str]:
    """Return the command that runs an image on a folder."""
    return ["docker", "run", "--rm", *options, "--volume", f"{folder}:/cache/tiktoken", image, *arguments]


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve the files on loopback while the context lasts, and give the server's URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    name = f"tiktoken-cache-init-benchmark-{uuid.uuid4().hex[:12]}"
    docker("run", "--detach", "--rm", "--network", "host", "--name", name, peer("server"), address)
    try:
        host, _, port = address.partition(":")
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                break
            time.sleep(0.05)
        yield f"http://{address}"
    finally:
        docker("rm", "--force", name)
