"""What a container of the image does."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN, docker, platform, run
from tiktoken_cache_init.catalogue import VOCABULARIES

WANTED = {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES[:2]}


def digests(volume: str, busybox: str) -> dict[str, str]:
    """Return the SHA-256 of each file in a volume, as another container sees them."""
    done = docker("run", "--rm", "--volume", f"{volume}:/v:ro", busybox, "sh", "-c", "cd /v && sha256sum $(ls -A)")
    return {name: digest for digest, name in (line.split() for line in done.stdout.splitlines())}


def stamps(volume: str, busybox: str) -> str:
    """Return what would tell of a write to a volume: the inodes, owners, modes and times of all in it."""
    script = "stat -c '%i %u:%g %a %Y %Z %n' /v $(find /v -type f | sort)"
    return docker("run", "--rm", "--volume", f"{volume}:/v:ro", busybox, "sh", "-c", script).stdout


def test_a_new_volume_is_filled_with_every_right_taken(image: str, volume: str, busybox: str) -> None:
    done = run(image, [f"{volume}:/cache/tiktoken"])
    assert done.returncode == 0, done.stderr
    assert digests(volume, busybox) == WANTED


def test_a_filled_volume_is_left_as_it_is(image: str, volume: str, busybox: str) -> None:
    run(image, [f"{volume}:/cache/tiktoken"])
    before = stamps(volume, busybox)
    time.sleep(1.1)  # the times are compared in seconds
    assert run(image, [f"{volume}:/cache/tiktoken"]).returncode == 0
    assert stamps(volume, busybox) == before


def test_a_filled_volume_may_be_mounted_read_only(image: str, volume: str) -> None:
    run(image, [f"{volume}:/cache/tiktoken"])
    assert run(image, [f"{volume}:/cache/tiktoken:ro"]).returncode == 0


def test_a_folder_that_the_daemon_makes_is_filled(image: str, folder: Path) -> None:
    made = folder / "by" / "the" / "daemon"
    done = run(image, [f"{made}:/cache/tiktoken"])
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in made.iterdir()) == sorted(WANTED)


def test_any_user_fills_a_folder_that_lets_it_write(image: str, folder: Path) -> None:
    folder.chmod(0o777)
    done = run(image, [f"{folder}:/cache/tiktoken"], options=[*LOCKED_DOWN, "--user", "4321:4321"])
    assert done.returncode == 0, done.stderr
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in folder.iterdir()} == {(4321, 0o644)}


def test_a_folder_of_somebody_else_says_whom_to_run_as(image: str, folder: Path, busybox: str) -> None:
    docker("run", "--rm", "--volume", f"{folder}:/f", busybox, "chown", "1234:1234", "/f")
    refused = run(image, [f"{folder}:/cache/tiktoken"])
    assert refused.returncode == 3
    assert 'user: "1234:1234"' in refused.stderr
    assert run(image, [f"{folder}:/cache/tiktoken"], options=[*LOCKED_DOWN, "--user", "1234:1234"]).returncode == 0


def test_a_volume_of_another_container_is_not_ready_until_filled(image: str, volume: str) -> None:
    mounts = [f"{volume}:/cache/tiktoken"]
    assert run(image, mounts, "verify").returncode == 1
    assert run(image, mounts).returncode == 0
    verified = run(image, mounts, "verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["ready"]) == (0, True)


def test_an_unknown_variable_is_refused_with_the_right_name(image: str, volume: str) -> None:
    options = [*LOCKED_DOWN, "--env", "TIKTOKEN_INIT_ENCODING=all"]
    done = run(image, [f"{volume}:/cache/tiktoken"], options=options)
    assert done.returncode == 2
    assert "TIKTOKEN_INIT_ENCODING: no such setting exists; did you mean TIKTOKEN_INIT_ENCODINGS?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_read_only_mount_of_an_empty_volume_is_refused(image: str, volume: str) -> None:
    done = run(image, [f"{volume}:/cache/tiktoken:ro"])
    assert done.returncode == 3
    assert "mounted read-only" in done.stderr


def test_what_is_not_baked_cannot_be_had_without_a_network(image: str, volume: str) -> None:
    done = run(image, [f"{volume}:/cache/tiktoken"], "--encodings", "gpt2", "--retries", "1")
    assert done.returncode == 4
    assert "could not obtain vocab.bpe, encoder.json" in done.stderr


def test_the_wheel_source_is_said_to_be_absent(image: str, volume: str) -> None:
    done = run(image, [f"{volume}:/cache/tiktoken"], "--sources", "wheel")
    assert done.returncode == 2
    assert "the source 'wheel' is not part of this image" in done.stderr


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
def test_it_speaks_for_itself(image: str, arguments: list[str]) -> None:
    done = run(image, [], *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.fixture
def busy(image: str, volume: str) -> Iterator[str]:
    """A container that goes on trying: nothing listens at the mirror, and it has patience."""
    name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
    fetching = ["--sources", "fetch", "--origin", "off", "--mirror", "http://127.0.0.1:9", "--retries", "1000"]
    options = ["--name", name, *platform(), *LOCKED_DOWN, "--volume", f"{volume}:/cache/tiktoken"]
    docker("run", "--detach", *options, image, *fetching)
    for _ in range(200):
        if docker("logs", name).stderr:
            break
        time.sleep(0.05)
    yield name
    docker("rm", "--force", name)


@pytest.mark.parametrize(("signal", "number"), [("TERM", 15), ("INT", 2), ("HUP", 1)])
def test_it_ends_when_asked_to_though_it_is_process_one(
    busy: str, volume: str, busybox: str, signal: str, number: int
) -> None:
    docker("kill", "--signal", signal, busy)
    # An engine that has to kill it makes that 137.
    assert docker("wait", busy, timeout=60).stdout.strip() == str(128 + number)
    assert stamps(volume, busybox).count("\n") == 1, "nothing is left in the volume"


def test_docker_stop_does_not_have_to_wait(busy: str) -> None:
    docker("stop", "--time", "60", busy, timeout=50)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", busy).stdout.strip() == "143"
