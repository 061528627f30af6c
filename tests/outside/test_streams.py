"""Streams, arguments and names that only a host can pass to the command: an engine passes pipes and text."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.drivers import Host
from tests.vocabularies import DEFAULT

NAMES = sorted(known.cache_key for known in DEFAULT)


def is_filled(volume: Path) -> bool:
    return sorted(path.name for path in volume.iterdir()) == NAMES


@pytest.mark.parametrize("line", ["list", "export", "fill --json --sources=baked"])
def test_a_result_that_cannot_be_written_is_an_error_unless_its_reader_closed_the_pipe(
    host: Host, filled: Path, line: str
) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(filled)}
    with Path("/dev/full").open("wb") as full:
        done = host.run(*line.split(), environment=environment, stdout=full)
    assert done.code == 3
    said = "tiktoken-cache-init: error: cannot write to standard output: No space left on device: send it elsewhere"
    assert done.stderr.splitlines()[-1] == said
    reader, writer = os.pipe()
    os.close(reader)
    done = host.run(*line.split(), environment=environment, stdout=writer)
    os.close(writer)
    assert (done.code, "error" in done.stderr) == (141, False)


def test_a_log_that_cannot_be_written_does_not_stop_a_fill(host: Host, volume: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        assert host.run("--cache-dir", str(volume), "--sources=baked", stderr=full).code == 0
    assert is_filled(volume)


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_do_not_stop_a_fill(host: Host, volume: Path, closed: tuple[int, ...]) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    assert host.run("--cache-dir", str(volume), "--sources=baked", preexec_fn=close).code == 0
    assert is_filled(volume)


def test_a_directory_whose_name_is_not_utf8_is_filled(host: Host, tmp_path: Path) -> None:
    directory = tmp_path / os.fsdecode(b"caf\xe9")
    done = host.run("--json", "--cache-dir", str(directory), "--sources=baked")
    assert done.code == 0
    assert json.loads(done.stdout)["ready"] is True
    assert is_filled(directory)


def test_a_signal_stops_an_export_that_no_process_reads(host: Host, filled: Path) -> None:
    reader, writer = os.pipe()
    running = host.start("export", environment={"TIKTOKEN_CACHE_DIR": str(filled)}, stdout=writer)
    os.close(writer)
    os.read(reader, 1)  # The command is now writing, and the pipe is full.
    running.signal(signal.SIGTERM)
    done = running.wait()
    os.close(reader)
    assert done.code == 128 + signal.SIGTERM
    assert done.seconds < 1
