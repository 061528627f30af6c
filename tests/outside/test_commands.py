"""What each command says, and what it exits with."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside.driving import Command
from tests.samples import ROOT, names_in, unpack
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import VOCABULARIES, encoding

NAMES = sorted(known.cache_key for known in VOCABULARIES[:2])


def test_a_fill_prints_nothing_on_standard_output_and_one_line_a_file_on_standard_error(
    command: Command, volume: Path, offline: list[str]
) -> None:
    done = command("--cache-dir", str(volume), *offline)
    assert (done.code, done.stdout) == (0, b"")
    first, *files, last = done.stderr.splitlines()
    assert first.startswith(f"tiktoken-cache-init {__version__}: fill {volume} as ")
    assert files == [f"{v.published_name} ({v.cache_key}): installed from baked" for v in VOCABULARIES[:2]]
    assert last.startswith(f"ready: 2 files in {volume} (")
    assert names_in(volume) == NAMES


def test_the_environment_alone_is_enough(command: Command, volume: Path, vocabularies: Path) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(volume), "TIKTOKEN_INIT_BAKED_DIR": str(vocabularies)}
    assert command(environment=environment).code == 0
    assert command("verify", environment=environment).code == 0


def test_a_fill_gives_its_result_as_json_besides(command: Command, volume: Path, offline: list[str]) -> None:
    done = command("fill", "--json", "--log=json", "--cache-dir", str(volume), *offline)
    document = json.loads(done.stdout)
    assert document["ready"] is True
    assert [file["action"] for file in document["files"]] == ["installed"] * 2
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["start", "file", "file", "ready"]


def test_a_fill_that_fails_says_why_in_its_code_in_json_and_in_the_log(command: Command, volume: Path) -> None:
    done = command("--json", "--cache-dir", str(volume), "--sources=baked", "--baked-dir=/nowhere")
    assert done.code == 4
    document = json.loads(done.stdout)
    assert document["ready"] is False
    assert done.stderr.splitlines()[-1] == f"tiktoken-cache-init: error: {document['error']}"


def test_a_fill_that_has_no_volume_still_gives_its_json(command: Command, tmp_path: Path, offline: list[str]) -> None:
    (tmp_path / "file").touch()
    done = command("--json", "--cache-dir", f"{tmp_path}/file", *offline)
    assert done.code == 3
    document = json.loads(done.stdout)
    assert (document["ready"], document["files"]) == (False, [])
    assert "is not a folder" in document["error"]


def test_a_fill_of_a_link_that_leads_nowhere_fails_for_its_volume(
    command: Command, tmp_path: Path, offline: list[str]
) -> None:
    (tmp_path / "cache").symlink_to("nowhere")
    done = command("--json", "--cache-dir", f"{tmp_path}/cache", *offline)
    assert done.code == 3
    assert json.loads(done.stdout)["ready"] is False


def test_a_verification_prints_its_result_and_nothing_else(command: Command, filled: Path) -> None:
    done = command("verify", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    *files, last = done.stdout.decode().splitlines()
    assert files == [f"{v.published_name} ({v.cache_key}): right" for v in VOCABULARIES[:2]]
    assert last.startswith("ready: ")


def test_a_verification_of_what_is_not_ready_has_its_own_code(command: Command, filled: Path) -> None:
    (filled / NAMES[0]).write_bytes(b"")
    done = command("verify", "--cache-dir", str(filled))
    assert done.code == 1
    assert b"COUNTS WRONG" in done.stdout
    assert done.stdout.decode().splitlines()[-1].startswith("not ready: 1 of 2 files")
    as_json = command("verify", "--json", "--cache-dir", str(filled))
    assert as_json.code == 1
    assert json.loads(as_json.stdout)["ready"] is False


def test_a_verification_of_no_folder_at_all_still_gives_its_json(command: Command, tmp_path: Path) -> None:
    done = command("verify", "--json", "--cache-dir", f"{tmp_path}/none")
    assert done.code == 1
    assert json.loads(done.stdout)["error"] in done.stderr
    without = command("verify", "--cache-dir", f"{tmp_path}/none")
    assert (without.code, without.stdout, without.stderr) == (1, b"", done.stderr)


def test_the_json_of_a_verification_is_as_its_schema_says(command: Command, filled: Path) -> None:
    schema = json.loads((ROOT / "docs/verify.schema.json").read_text())
    (filled / NAMES[0]).write_bytes(b"")
    document = json.loads(command("verify", "--json", "--cache-dir", str(filled)).stdout)
    assert list(document) == schema["required"]
    file_schema = schema["properties"]["files"]["items"]
    for file in document["files"]:
        assert list(file) == file_schema["required"]
        assert file["state"] in file_schema["properties"]["state"]["enum"]
        assert file["gateway"] in file_schema["properties"]["gateway"]["enum"]


def test_an_export_unpacks_to_a_volume_that_verifies(command: Command, filled: Path, tmp_path: Path) -> None:
    done = command("export", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    out = unpack(done.stdout, tmp_path / "out")
    assert command("verify", "--cache-dir", str(out)).code == 0


def test_an_export_of_what_is_not_ready_writes_nothing(command: Command, volume: Path) -> None:
    done = command("export", "--cache-dir", str(volume))
    assert (done.code, done.stdout) == (1, b"")
    assert "is not ready to be exported" in done.stderr


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_who_asks_for_help_gets_it(command: Command, flag: str) -> None:
    done = command(flag)
    assert (done.code, done.stderr) == (0, "")
    assert b"tiktoken-cache-init" in done.stdout


def test_a_bad_setting_is_one_line_and_its_code(command: Command, volume: Path) -> None:
    done = command("--cache-dir", str(volume), "--deadlin", "5")
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr == "tiktoken-cache-init: error: no flag '--deadlin': did you mean --deadline?\n"


def test_a_bad_setting_is_a_json_line_where_the_log_is_json(command: Command) -> None:
    by_variable = command(environment={"TIKTOKEN_INIT_LOG": " json", "TIKTOKEN_INIT_DEADLINE": "never"})
    assert json.loads(by_variable.stderr)["exit_code"] == 2
    by_flag = command("--log=json", "--deadline=never", "--cache-dir=/x")
    assert json.loads(by_flag.stderr)["exit_code"] == 2


def test_the_last_form_of_the_log_that_is_given_counts(command: Command, volume: Path, offline: list[str]) -> None:
    done = command("--cache-dir", str(volume), "--log=text", "--log=json", *offline)
    assert all(json.loads(line) for line in done.stderr.splitlines())


def test_another_vocabulary_s_only_bytes_are_kept_under_their_own_name(
    command: Command, tmp_path: Path, vocabularies: Path
) -> None:
    """Two services that want different encodings may share a volume."""
    cl100k, o200k = (
        encoding("cl100k_base").vocabularies[0].cache_key,
        encoding("o200k_base").vocabularies[0].cache_key,
    )
    shutil.copy(vocabularies / o200k, tmp_path / cl100k)
    arguments = ["--cache-dir", str(tmp_path), "--sources", "baked", "--baked-dir", str(vocabularies)]
    assert command(*arguments, "--encodings", "cl100k_base").code == 0
    assert command("verify", "--cache-dir", str(tmp_path)).code == 0


def test_right_bytes_are_found_beside_any_number_of_other_files(
    command: Command, tmp_path: Path, vocabularies: Path
) -> None:
    cl100k, o200k = (
        encoding("cl100k_base").vocabularies[0].cache_key,
        encoding("o200k_base").vocabularies[0].cache_key,
    )
    shutil.copy(vocabularies / cl100k, tmp_path / "cl100k_base.tiktoken")
    shutil.copy(vocabularies / o200k, tmp_path / o200k)
    for number in range(20_001):
        (tmp_path / f"{number:06}").touch()
    assert command("--cache-dir", str(tmp_path), "--sources", "baked", "--baked-dir", "/nowhere").code == 0


def test_a_gateway_is_spoken_of_only_where_one_would_start(command: Command, filled: Path) -> None:
    flags = ["--cache-dir", str(filled)]
    for wanted in ([], ["--layout", "cache"], ["--encodings", "cl100k_base,o200k_base"]):
        last = command("verify", *flags, *wanted).stdout.decode().splitlines()[-1]
        assert last == f"ready: a gateway with {filled} starts and counts right"
    (filled / "cl100k_base.tiktoken").symlink_to(encoding("cl100k_base").vocabularies[0].cache_key)
    for wanted in (["--encodings", "cl100k_base"], ["--encodings", "cl100k_base", "--layout", "published"]):
        done = command("verify", *flags, *wanted)
        last = done.stdout.decode().splitlines()[-1]
        assert (done.code, last) == (0, f"ready: all that is wanted in {filled} is right")


def test_what_a_folder_is_called_cannot_move_a_terminal_s_cursor(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    done = command("verify", "--cache-dir", str(folder))
    assert done.code == 1
    assert rb"a\x1b[2Jb" in done.stdout
    assert all(line.isprintable() for line in done.stdout.decode().splitlines())


@pytest.fixture
def immutable(volume: Path) -> Iterator[Path]:
    """A volume with a wrong file that not even root may replace."""
    (volume / NAMES[0]).touch()
    if subprocess.run(["chattr", "+i", volume / NAMES[0]], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, can make no file immutable")
    yield volume
    subprocess.run(["chattr", "-i", volume / NAMES[0]], capture_output=True, check=True)


def test_an_immutable_file_is_told_with_what_lifts_that(command: Command, immutable: Path, offline: list[str]) -> None:
    done = command("--cache-dir", str(immutable), *offline)
    assert done.code == 3
    assert f"see what lsattr says of {immutable / NAMES[0]}, and take an 'i' away with chattr -i" in done.stderr
    subprocess.run(["chattr", "-i", immutable / NAMES[0]], check=True)
    assert command("--cache-dir", str(immutable), *offline).code == 0


@pytest.mark.parametrize("way", ["./", "d/", "././", "d/./"])
def test_a_link_to_another_name_that_is_put_right_is_not_believed(
    command: Command, volume: Path, offline: list[str], vocabularies: Path, way: str
) -> None:
    """What it leads to is right when it is looked at, and about to be overwritten."""
    cl100k, o200k = (known.cache_key for known in VOCABULARIES[:2])
    shutil.copy(vocabularies / cl100k, volume / o200k)
    (volume / "d").symlink_to(".")
    (volume / cl100k).symlink_to(f"{way}{o200k}")
    assert command("--cache-dir", str(volume), *offline).code == 0
    assert command("verify", "--cache-dir", str(volume)).code == 0


def test_a_folder_any_number_of_folders_deep_is_made(command: Command, tmp_path: Path, offline: list[str]) -> None:
    done = command("--cache-dir", f"{tmp_path}/{'a/' * 1500}b", *offline)
    # Python's own clean-up would go no deeper than its stack.
    subprocess.run(["rm", "-r", tmp_path / "a"], check=True)
    assert done.code == 0, done.stderr
