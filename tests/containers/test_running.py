"""Containers of the image: named volumes, signals, help."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN, docker, platform, run
from tests.drivers import Container
from tiktoken_cache_init.catalogue import VOCABULARIES

WANTED = {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES}


def digests(volume: str, busybox: str) -> dict[str, str]:
    """Return the SHA-256 of each file in a volume, as another container sees them."""
    done = docker("run", "--rm", "--volume", f"{volume}:/v:ro", busybox, "sh", "-c", "cd /v && sha256sum $(ls -A)")
    return {name: digest for digest, name in (line.split() for line in done.stdout.splitlines())}


def stamps(volume: str, busybox: str) -> str:
    """Return the inodes, owners, modes and times of a volume and its files: any write changes one of them."""
    script = "stat -c '%i %u:%g %a %Y %Z %n' /v $(find /v -type f | sort)"
    return docker("run", "--rm", "--volume", f"{volume}:/v:ro", busybox, "sh", "-c", script).stdout


def test_a_new_named_volume_is_filled_without_any_capability(image: str, volume: str, busybox: str) -> None:
    done = run(image, [f"{volume}:/cache/tiktoken"])
    assert done.returncode == 0, done.stderr
    assert digests(volume, busybox) == WANTED


def test_a_second_run_writes_nothing(image: str, volume: str, busybox: str) -> None:
    run(image, [f"{volume}:/cache/tiktoken"])
    before = stamps(volume, busybox)
    time.sleep(1.1)  # The times have whole seconds.
    assert run(image, [f"{volume}:/cache/tiktoken"]).returncode == 0
    assert stamps(volume, busybox) == before


def test_a_directory_that_the_daemon_makes_is_filled(image: str, bind_directory: Path) -> None:
    made = bind_directory / "by" / "the" / "daemon"
    done = run(image, [f"{made}:/cache/tiktoken"])
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in made.iterdir()) == sorted(WANTED)


@pytest.mark.parametrize(
    "kind", ["tmpfs", "tmpfs volume", "anonymous volume", "part of a tmpfs", "pod", "named volume"]
)
def test_a_volume_that_does_not_outlive_the_container_is_reported(image: str, volume: str, kind: str) -> None:
    in_memory, at = f"{volume}-memory", "/cache/tiktoken"
    docker("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", in_memory)
    try:
        options = {
            "tmpfs": ["--tmpfs", at],
            "tmpfs volume": ["--volume", f"{in_memory}:{at}"],
            "anonymous volume": ["--volume", at],
            "part of a tmpfs": ["--volume", f"/dev/shm/{volume}:{at}"],
            "pod": ["--tmpfs", at, "--env", "KUBERNETES_SERVICE_HOST=10.0.0.1"],
            "named volume": ["--volume", f"{volume}:{at}"],
        }[kind]
        done = run(image, [], options=[*LOCKED_DOWN, *options])
    finally:
        docker("volume", "rm", in_memory)
        shutil.rmtree(f"/dev/shm/{volume}", ignore_errors=True)
    assert done.returncode == 0, done.stderr
    warned = next(
        (word for word in ("a tmpfs", "an anonymous volume") if f"warning: {at} is {word}, " in done.stderr), ""
    )
    assert warned == {"tmpfs": "a tmpfs", "tmpfs volume": "a tmpfs", "anonymous volume": "an anonymous volume"}.get(
        kind, ""
    )


def test_verify_is_ready_only_after_a_fill(image: str, volume: str) -> None:
    mounts = [f"{volume}:/cache/tiktoken"]
    assert run(image, mounts, "verify").returncode == 1
    assert run(image, mounts).returncode == 0
    verified = run(image, mounts, "verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["ready"]) == (0, True)


def test_an_unknown_variable_is_refused_with_the_right_name(image: str, volume: str) -> None:
    options = [*LOCKED_DOWN, "--env", "TIKTOKEN_INIT_ENCODING=all"]
    done = run(image, [f"{volume}:/cache/tiktoken"], options=options)
    assert done.returncode == 2
    assert "TIKTOKEN_INIT_ENCODING: no such setting exists: write TIKTOKEN_INIT_ENCODINGS" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_not_baked_cannot_be_obtained_without_a_network(image: str, volume: str) -> None:
    private = f"https://vocabularies.example/own.tiktoken#sha256={'0' * 64}"
    done = run(image, [f"{volume}:/cache/tiktoken"], "--extra", private, "--timeout", "1")
    assert done.returncode == 4
    assert "could not obtain own.tiktoken" in done.stderr


def test_the_image_reports_that_it_has_no_wheel_source(image: str, volume: str) -> None:
    done = run(image, [f"{volume}:/cache/tiktoken"], "--sources", "wheel")
    assert done.returncode == 4
    assert "remove wheel from TIKTOKEN_INIT_SOURCES" in done.stderr


def test_the_export_is_a_tar_of_the_filled_volume(image: str, volume: str) -> None:
    run(image, [f"{volume}:/cache/tiktoken"])
    options = ["--rm", *platform(), *LOCKED_DOWN, "--volume", f"{volume}:/cache/tiktoken:ro"]
    done = subprocess.run(["docker", "run", *options, image, "export"], check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        held = {}
        for entry in tar:
            content = tar.extractfile(entry)
            assert content is not None
            held[entry.name] = hashlib.sha256(content.read()).hexdigest()
    assert held == WANTED


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["list"], ["list", "--json"], ["list", "--encodings", "all"]]
)
def test_help_version_and_list_need_no_volume(image: str, arguments: list[str]) -> None:
    done = run(image, [], *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_twenty_containers_that_start_at_once_on_one_volume_succeed(image: str, volume: str, busybox: str) -> None:
    driver = Container(image, [], [*LOCKED_DOWN, "--volume", f"{volume}:/cache/tiktoken"])
    started = [driver.start() for _ in range(20)]
    ended = [running.wait() for running in started]
    assert {each.code for each in ended} == {0}, [each.said for each in ended if each.code]
    assert digests(volume, busybox) == WANTED


@pytest.fixture
def busy(image: str, volume: str) -> Iterator[str]:
    """Start a container that waits for a mirror that never answers."""
    name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
    options = ["--name", name, *platform(), "--read-only", "--cap-drop", "ALL", "--network", "host"]
    options += ["--volume", f"{volume}:/cache/tiktoken"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}"
        fetching = ["--sources", "fetch", "--origin", "off", "--mirror", mirror, "--timeout", "200"]
        docker("run", "--detach", *options, image, *fetching)
        yield from _started(name)


def _started(name: str) -> Iterator[str]:
    for _ in range(200):
        if docker("logs", name).stderr:
            break
        time.sleep(0.05)
    yield name
    docker("rm", "--force", name)


@pytest.mark.parametrize(("signal", "number"), [("TERM", 15), ("INT", 2), ("HUP", 1)])
def test_pid_1_ends_on_a_signal(busy: str, volume: str, busybox: str, signal: str, number: int) -> None:
    docker("kill", "--signal", signal, busy)
    # The code would be 137 if the engine had to kill it.
    assert docker("wait", busy, timeout=60).stdout.strip() == str(128 + number)
    assert stamps(volume, busybox).count("\n") == 1, "a file is left in the volume"


def test_docker_stop_ends_the_container_at_once(busy: str) -> None:
    docker("stop", "--time", "60", busy, timeout=50)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", busy).stdout.strip() == "143"
