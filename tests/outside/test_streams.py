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


def closing(*numbers: int) -> dict[str, object]:
    """Return the option of `subprocess.Popen` that closes these file descriptors."""

    def close() -> None:
        for number in numbers:
            os.close(number)

    return {"preexec_fn": close}


@pytest.mark.parametrize("line", ["list", "--help", "verify", "export", "fill --json --sources=baked"])
def test_a_stdout_that_cannot_be_written_is_an_error_for_each_command_with_a_result(
    host: Host, filled: Path, line: str
) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(filled)}
    with Path("/dev/full").open("wb") as full:
        done = host.run(*line.split(), environment=environment, stdout=full)
    closed = host.run(*line.split(), environment=environment, **closing(1))
    for ended, reason in ((done, "No space left on device"), (closed, "Bad file descriptor")):
        assert ended.code == 3
        last = ended.stderr.splitlines()[-1]
        assert last == f"tiktoken-cache-init: error: cannot write to standard output: {reason}: send it elsewhere"


@pytest.mark.parametrize("arguments", [["list"], ["verify"], ["export"]])
def test_a_reader_that_closes_the_pipe_ends_the_run_without_a_message(
    host: Host, filled: Path, arguments: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = host.run(*arguments, environment={"TIKTOKEN_CACHE_DIR": str(filled)}, stdout=writer)
    os.close(writer)
    assert (done.code, done.stderr) == (141, "")


@pytest.mark.parametrize("reader", ["full disk", "gone"])
def test_a_log_that_cannot_be_written_does_not_stop_a_fill(
    host: Host, volume: Path, offline: list[str], reader: str
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with Path("/dev/full").open("wb") as full, os.fdopen(theirs, "wb") as pipe:
        stderr = full if reader == "full disk" else pipe
        assert host.run("--cache-dir", str(volume), *offline, stderr=stderr).code == 0
    assert is_filled(volume)


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_do_not_stop_a_fill(
    host: Host, volume: Path, offline: list[str], closed: tuple[int, ...]
) -> None:
    assert host.run("--cache-dir", str(volume), *offline, **closing(*closed)).code == 0
    assert is_filled(volume)


def test_a_directory_whose_name_is_not_utf8_is_filled(host: Host, tmp_path: Path, offline: list[str]) -> None:
    directory = tmp_path / os.fsdecode(b"caf\xe9")
    done = host.run("--json", "--cache-dir", str(directory), *offline)
    assert done.code == 0
    assert json.loads(done.stdout)["ready"] is True
    assert is_filled(directory)


@pytest.mark.parametrize("argument", [b"\xff", b"\xed\xa0\x80"])
def test_an_argument_that_is_not_utf8_is_reported_in_printable_characters(host: Host, argument: bytes) -> None:
    done = host.run(os.fsdecode(argument))
    assert (done.code, done.stdout) == (2, b"")
    [line] = done.stderr.splitlines()
    assert "is no command" in line
    assert line.isprintable()


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
