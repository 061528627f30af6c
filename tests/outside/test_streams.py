"""The pipes, terminals and disks that the command writes to, and what else no engine hands on as it is."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

from tests.outside.driving import Command, ended
from tests.samples import names_in
from tiktoken_cache_init.catalogue import VOCABULARIES

NAMES = sorted(known.cache_key for known in VOCABULARIES[:2])


def test_help_reaches_a_pipe_whole(direct: Command) -> None:
    done = direct("--help")
    assert done.code == 0
    assert done.stdout.decode().endswith("what each message means.\n")


def test_an_export_to_a_terminal_is_refused(direct: Command, filled: Path) -> None:
    leader, follower = pty.openpty()
    done = direct("export", "--cache-dir", str(filled), stdout=follower)
    os.close(follower)
    os.close(leader)
    assert done.code == 2
    assert "send it to a file, as in 'export >cache.tar'" in done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["verify"], ["export"], ["--help"]])
def test_a_full_disk_below_standard_output_is_told(direct: Command, filled: Path, arguments: list[str]) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(filled)}
    with Path("/dev/full").open("wb") as full:
        done = direct(*arguments, environment=environment, stdout=full)
    assert done.code == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("tiktoken-cache-init: error: cannot write to standard output: No space left on device")


@pytest.mark.parametrize("arguments", [["list"], ["verify"], ["export"]])
def test_who_closes_the_pipe_has_had_enough(direct: Command, filled: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = direct(*arguments, environment={"TIKTOKEN_CACHE_DIR": str(filled)}, stdout=writer)
    os.close(writer)
    assert (done.code, done.stderr) == (141, "")


def test_a_log_that_cannot_be_written_does_not_keep_the_volume_from_being_filled(
    direct: Command, volume: Path, offline: list[str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = direct("--cache-dir", str(volume), *offline, stderr=full)
    assert done.code == 0
    assert names_in(volume) == NAMES


def test_a_log_that_nobody_reads_does_not_keep_the_volume_from_being_filled(
    direct: Command, volume: Path, offline: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = direct("--cache-dir", str(volume), *offline, stderr=writer)
    os.close(writer)
    assert done.code == 0
    assert names_in(volume) == NAMES


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_do_not_keep_the_volume_from_being_filled(
    direct: Command, volume: Path, offline: list[str], closed: tuple[int, ...]
) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    running = direct.start("--cache-dir", str(volume), *offline, preexec_fn=close)
    assert ended(running).code == 0
    assert names_in(volume) == NAMES
    assert direct("verify", "--cache-dir", str(volume)).code == 0


def test_a_folder_whose_name_is_no_text_is_filled_all_the_same(
    direct: Command, tmp_path: Path, offline: list[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    done = direct("--json", "--cache-dir", str(folder), *offline)
    assert done.code == 0
    assert json.loads(done.stdout)["ready"] is True
    assert names_in(folder) == NAMES


def test_fills_at_once_are_all_ready(direct: Command, volume: Path, offline: list[str]) -> None:
    both = [direct.start("--cache-dir", str(volume), *offline) for _ in range(4)]
    assert [ended(running).code for running in both] == [0] * 4
    assert names_in(volume) == NAMES


@pytest.mark.parametrize("arguments", [["export"], ["verify"], ["verify", "--json"], ["list"], ["fill", "--json"]])
def test_a_result_that_goes_nowhere_is_a_failure(
    direct: Command, filled: Path, offline: list[str], arguments: list[str]
) -> None:
    running = direct.start(*arguments, "--cache-dir", str(filled), *offline, preexec_fn=lambda: os.close(1))
    done = ended(running)
    assert done.code == 3
    assert "cannot write to standard output: Bad file descriptor" in done.stderr
