"""Output and exit code of each command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.drivers import Driver
from tests.samples import unpack
from tests.states import READY
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import VOCABULARIES

NAMES = sorted(known.cache_key for known in (CL100K, O200K))


def test_fill_writes_nothing_on_stdout_and_one_line_for_each_file_on_stderr(driver: Driver, volume: Path) -> None:
    done = driver.run("--cache-dir", str(volume), "--sources=baked")
    assert (done.code, done.stdout) == (0, b"")
    first, *files, last = done.stderr.splitlines()
    assert re.fullmatch(
        rf"tiktoken-cache-init {__version__}: fill {volume} as \d+:\d+: cl100k_base, o200k_base from baked", first
    )
    assert files == [f"{v.published_name} ({v.cache_key}): installed from baked" for v in (CL100K, O200K)]
    assert re.fullmatch(rf"ready: 2 files in {volume} \(\d+\.\d\d s\)", last)
    assert sorted(path.name for path in volume.iterdir()) == NAMES


def test_fill_changes_only_wrong_files_and_then_asks_for_a_restart(driver: Driver, filled: Path) -> None:
    before = [(filled / name).stat().st_mtime_ns for name in NAMES]
    done = driver.run("--cache-dir", str(filled), "--sources=baked")
    assert (done.code, done.stderr.count(": already right\n"), "restart" in done.stderr) == (0, 2, False)
    assert [(filled / name).stat().st_mtime_ns for name in NAMES] == before
    (filled / CL100K.cache_key).write_bytes(b"")
    done = driver.run("--cache-dir", str(filled), "--sources=baked")
    assert done.code == 0
    name = f"{CL100K.published_name} ({CL100K.cache_key})"
    assert f"{name}: was empty (0 bytes): replaced from baked\n" in done.stderr
    assert "restart a gateway that is already running: it read its files when it started\n" in done.stderr


def test_the_environment_alone_is_enough_and_fills_what_is_baked(driver: Driver, volume: Path) -> None:
    # Compose files pass an empty variable if it is not set. Then every baked encoding is wanted.
    environment = {"TIKTOKEN_CACHE_DIR": str(volume), "TIKTOKEN_INIT_ENCODINGS": ""}
    assert driver.run(environment=environment).code == 0
    assert sorted(path.name for path in volume.iterdir()) == sorted(known.cache_key for known in VOCABULARIES)
    assert driver.run("verify", environment=environment).code == 0


def test_fill_writes_its_result_as_json_on_stdout_and_its_log_as_json_on_stderr(driver: Driver, volume: Path) -> None:
    fill = ["fill", "--json", "--log=json", "--cache-dir", str(volume)]
    failed = driver.run(*fill, "--sources=fetch", "--origin=off")
    document, last = json.loads(failed.stdout), json.loads(failed.stderr.splitlines()[-1])
    assert (failed.code, document["ready"], document["error"]) == (4, False, last["message"])
    done = driver.run(*fill, "--sources=baked")
    document = json.loads(done.stdout)
    assert (done.code, document["schema"], document["ready"]) == (0, 1, True)
    assert [file["action"] for file in document["files"]] == ["installed"] * 2
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["start", "file", "file", "ready"]


def test_verify_reports_on_stdout_the_state_of_each_file_the_effect_on_a_gateway_and_the_fix(
    driver: Driver, filled: Path
) -> None:
    done = driver.run("verify", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.decode().splitlines() == [
        *(f"{v.published_name} ({v.cache_key}): right" for v in (CL100K, O200K)),
        READY,
    ]
    (filled / CL100K.cache_key).write_bytes(b"")
    (filled / O200K.cache_key).unlink()
    done = driver.run("verify", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (1, "")
    assert done.stdout.decode().splitlines() == [
        f"cl100k_base.tiktoken ({CL100K.cache_key}): WRONG: empty (0 bytes)",
        "  gateway: starts and counts wrong",
        "  fix: run fill",
        f"o200k_base.tiktoken ({O200K.cache_key}): missing",
        "  gateway: does not start: failed to get gpt-4o token encoder",
        "  fix: run fill",
        f"not ready: 2 of 2 files in {filled}: to run fill, repeat this command without 'verify'",
    ]
    document = json.loads(driver.run("verify", "--json", "--cache-dir", str(filled)).stdout)
    assert (document["schema"], document["ready"]) == (1, False)
    assert [file["gateway"] for file in document["files"]] == ["counts-wrong", "fails"]


def test_an_export_unpacks_to_a_directory_that_is_ready(driver: Driver, filled: Path, tmp_path: Path) -> None:
    done = driver.run("export", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    out = unpack(done.stdout, tmp_path / "out")
    assert driver.run("verify", "--cache-dir", str(out)).code == 0


@pytest.mark.parametrize("line", ["--help", "list"])
def test_the_help_and_the_list_do_not_depend_on_the_environment(driver: Driver, line: str) -> None:
    broken = {
        "TIKTOKEN_CACHE_DIR": " /stray",
        "TIKTOKEN_INIT_MIRRORS": "ftp://a.example",
        "HTTPS_PROXY": "http://[",
        "SSL_CERT_FILE": "/nowhere",
        "COLUMNS": "10",
        "TERM": "\x1b",
    }
    done = driver.run(line, environment=broken)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == driver.run(line).stdout != b""


def test_a_bad_setting_is_one_line_and_exit_code_2(driver: Driver, volume: Path) -> None:
    done = driver.run("--cache-dir", str(volume), "--deadlin", "5")
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr == "tiktoken-cache-init: error: fill has no option --deadlin: did you mean --deadline?\n"
