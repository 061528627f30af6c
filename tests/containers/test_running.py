"""Containers of the image: volumes, signals, and many at once."""

from __future__ import annotations

import shutil
import signal
import socket
from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN, docker
from tests.drivers import Container
from tiktoken_cache_init.catalogue import VOCABULARIES

AT = "/cache/tiktoken"


def test_twenty_containers_that_start_at_once_on_a_new_volume_succeed(image: str, volume: str) -> None:
    driver = Container(image, options=[*LOCKED_DOWN, "--volume", f"{volume}:{AT}"])
    started = [driver.start() for _ in range(20)]
    ended = [running.wait() for running in started]
    assert [each.said for each in ended if each.code] == []
    listed = docker("run", "--rm", "--volume", f"{volume}:/v:ro", "busybox", "ls", "-A", "/v").stdout
    assert sorted(listed.split()) == sorted(vocabulary.cache_key for vocabulary in VOCABULARIES)
    assert driver.run("verify").code == 0


@pytest.mark.parametrize(
    ("options", "warned"),
    {
        "tmpfs": (f"--tmpfs {AT}", "a tmpfs"),
        "tmpfs volume": (f"--volume NAME-memory:{AT}", "a tmpfs"),
        "anonymous volume": (f"--volume {AT}", "an anonymous volume"),
        "part of a tmpfs": (f"--volume /dev/shm/NAME:{AT}", ""),
        "pod": (f"--tmpfs {AT} --env KUBERNETES_SERVICE_HOST=10.0.0.1", ""),
        "named volume": (f"--volume NAME:{AT}", ""),
    }.values(),
)
def test_a_volume_that_does_not_outlive_the_container_is_reported(
    image: str, volume: str, options: str, warned: str
) -> None:
    docker("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", f"{volume}-memory")
    try:
        done = Container(image, options=[*LOCKED_DOWN, *options.replace("NAME", volume).split()]).run()
    finally:
        docker("volume", "rm", f"{volume}-memory")
        shutil.rmtree(f"/dev/shm/{volume}", ignore_errors=True)
    assert done.code == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "warning: " in line]
    assert [line.partition(f"warning: {AT} is ")[2].partition(", ")[0] for line in warnings] == [warned][: bool(warned)]


def test_the_image_reports_that_it_has_no_wheel_source(image: str, volume: str) -> None:
    done = Container(image, options=[*LOCKED_DOWN, "--volume", f"{volume}:{AT}"]).run("--sources", "wheel")
    assert (done.code, "remove wheel from TIKTOKEN_INIT_SOURCES" in done.stderr) == (4, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_pid_1_ends_on_a_signal(image: str, tmp_path: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}"
        fetch = ["--sources", "fetch", "--origin", "off", "--mirror", mirror, "--timeout", "200"]
        running = Container(image, [tmp_path], ("--network", "host")).start("--cache-dir", str(tmp_path), *fetch)
        silent.settimeout(60)
        silent.accept()
        running.signal(number)
        # The code would be 137 if the engine had to kill it.
        assert running.wait().code == 128 + number
    assert list(tmp_path.iterdir()) == []
