from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from tests.samples import ROOT, Ended, command, names_in, process, unpack
from tiktoken_cache_init import __version__, cli
from tiktoken_cache_init import verify as verification
from tiktoken_cache_init.catalogue import VOCABULARIES, encoding
from tiktoken_cache_init.errors import Stopped
from tiktoken_cache_init.run import DeadlinePassed, Run

NAMES = sorted(known.cache_key for known in VOCABULARIES[:2])


@pytest.fixture
def offline(vocabularies: Path) -> list[str]:
    """Flags of a run that has every vocabulary at hand and no other source."""
    return ["--sources=baked", f"--baked-dir={vocabularies}"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def filled(volume: Path, offline: list[str]) -> Path:
    assert command("--cache-dir", str(volume), *offline).code == 0
    return volume


def ended(running: subprocess.Popen[bytes]) -> Ended:
    out, err = running.communicate(timeout=60)
    return Ended(running.returncode, out or b"", (err or b"").decode())


# The commands.


def test_a_fill_prints_nothing_on_standard_output_and_one_line_a_file_on_standard_error(
    volume: Path, offline: list[str]
) -> None:
    done = command("--cache-dir", str(volume), *offline)
    assert (done.code, done.stdout) == (0, b"")
    first, *files, last = done.stderr.splitlines()
    assert first.startswith(f"tiktoken-cache-init {__version__}: fill {volume} as ")
    assert files == [f"{v.published_name} ({v.cache_key}): installed from baked" for v in VOCABULARIES[:2]]
    assert last.startswith(f"ready: 2 files in {volume} (")
    assert names_in(volume) == NAMES


def test_the_environment_alone_is_enough(volume: Path, vocabularies: Path) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(volume), "TIKTOKEN_INIT_BAKED_DIR": str(vocabularies)}
    assert command(environment=environment).code == 0
    assert command("verify", environment=environment).code == 0


def test_a_fill_gives_its_result_as_json_besides(volume: Path, offline: list[str]) -> None:
    done = command("fill", "--json", "--log=json", "--cache-dir", str(volume), *offline)
    document = json.loads(done.stdout)
    assert document["ready"] is True
    assert [file["action"] for file in document["files"]] == ["installed"] * 2
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["start", "file", "file", "ready"]


def test_a_fill_that_fails_says_why_in_its_code_in_json_and_in_the_log(volume: Path) -> None:
    done = command("--json", "--cache-dir", str(volume), "--sources=baked", "--baked-dir=/nowhere")
    assert done.code == 4
    document = json.loads(done.stdout)
    assert document["ready"] is False
    assert done.stderr.splitlines()[-1] == f"tiktoken-cache-init: error: {document['error']}"


def test_a_fill_that_has_no_volume_still_gives_its_json(tmp_path: Path, offline: list[str]) -> None:
    (tmp_path / "file").touch()
    done = command("--json", "--cache-dir", f"{tmp_path}/file", *offline)
    assert done.code == 3
    document = json.loads(done.stdout)
    assert (document["ready"], document["files"]) == (False, [])
    assert "is not a folder" in document["error"]


def test_a_fill_of_a_link_that_leads_nowhere_fails_for_its_volume(tmp_path: Path, offline: list[str]) -> None:
    (tmp_path / "cache").symlink_to("nowhere")
    done = command("--json", "--cache-dir", f"{tmp_path}/cache", *offline)
    assert done.code == 3
    assert json.loads(done.stdout)["ready"] is False


@pytest.fixture
def unmounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the image, where nothing is mounted."""
    for module in (cli, verification):
        monkeypatch.setattr(module, "unmounted", lambda path: f"nothing is mounted at {path}: mount it")


@pytest.mark.usefixtures("unmounted")
def test_a_fill_of_a_folder_that_goes_with_the_container_writes_nothing(volume: Path, offline: list[str]) -> None:
    done = command("--json", "--cache-dir", str(volume), *offline)
    assert done.code == 3
    said = f"nothing is mounted at {volume}: mount it"
    assert done.stderr.splitlines()[1:] == [f"tiktoken-cache-init: error: {said}"]
    document = json.loads(done.stdout)
    assert (document["ready"], document["error"], document["files"]) == (False, said, [])
    assert not volume.exists() or names_in(volume) == []


def test_a_verification_of_a_folder_that_goes_with_the_container_is_not_ready(filled: Path, unmounted: None) -> None:
    done = command("verify", "--cache-dir", str(filled))
    said = f"nothing is mounted at {filled}: mount it"
    assert (done.code, done.stdout.decode().splitlines()) == (1, [said, f"not ready: {filled}"])
    document = json.loads(command("verify", "--json", "--cache-dir", str(filled)).stdout)
    assert (document["ready"], document["problems"], document["files"]) == (False, [said], [])


def test_an_export_needs_no_mount_but_says_so_where_there_is_nothing(
    filled: Path, unmounted: None, tmp_path: Path
) -> None:
    assert command("export", "--cache-dir", str(filled)).code == 0
    (filled / NAMES[0]).unlink()
    for folder in (filled, tmp_path / "none"):
        done = command("export", "--cache-dir", str(folder))
        said = f"tiktoken-cache-init: error: nothing is mounted at {folder}: mount it\n"
        assert (done.code, done.stdout, done.stderr) == (1, b"", said)


def test_a_verification_prints_its_result_and_nothing_else(filled: Path) -> None:
    done = command("verify", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    *files, last = done.stdout.decode().splitlines()
    assert files == [f"{v.published_name} ({v.cache_key}): right" for v in VOCABULARIES[:2]]
    assert last.startswith("ready: ")


def test_a_verification_of_what_is_not_ready_has_its_own_code(filled: Path) -> None:
    (filled / NAMES[0]).write_bytes(b"")
    done = command("verify", "--cache-dir", str(filled))
    assert done.code == 1
    assert b"COUNTS WRONG" in done.stdout
    assert done.stdout.decode().splitlines()[-1].startswith("not ready: 1 of 2 files")
    as_json = command("verify", "--json", "--cache-dir", str(filled))
    assert as_json.code == 1
    assert json.loads(as_json.stdout)["ready"] is False


def test_a_verification_of_no_folder_at_all_still_gives_its_json(tmp_path: Path) -> None:
    done = command("verify", "--json", "--cache-dir", f"{tmp_path}/none")
    assert done.code == 1
    assert json.loads(done.stdout)["error"] in done.stderr
    without = command("verify", "--cache-dir", f"{tmp_path}/none")
    assert (without.code, without.stdout, without.stderr) == (1, b"", done.stderr)


def test_the_json_of_a_verification_is_as_its_schema_says(filled: Path) -> None:
    schema = json.loads((ROOT / "docs/verify.schema.json").read_text())
    (filled / NAMES[0]).write_bytes(b"")
    document = json.loads(command("verify", "--json", "--cache-dir", str(filled)).stdout)
    assert list(document) == schema["required"]
    file_schema = schema["properties"]["files"]["items"]
    for file in document["files"]:
        assert list(file) == file_schema["required"]
        assert file["state"] in file_schema["properties"]["state"]["enum"]
        assert file["gateway"] in file_schema["properties"]["gateway"]["enum"]


def test_an_export_unpacks_to_a_volume_that_verifies(filled: Path, tmp_path: Path) -> None:
    done = command("export", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    out = unpack(done.stdout, tmp_path / "out")
    assert command("verify", "--cache-dir", str(out)).code == 0


def test_an_export_of_what_is_not_ready_writes_nothing(volume: Path) -> None:
    done = command("export", "--cache-dir", str(volume))
    assert (done.code, done.stdout) == (1, b"")
    assert "is not ready to be exported" in done.stderr


def test_an_export_to_a_terminal_is_refused(filled: Path) -> None:
    leader, follower = pty.openpty()
    done = ended(process("export", "--cache-dir", str(filled), stdout=follower))
    os.close(follower)
    os.close(leader)
    assert done.code == 2
    assert "send it to a file, as in 'export >cache.tar'" in done.stderr


# What goes wrong.


def test_a_bad_setting_is_one_line_and_its_code(volume: Path) -> None:
    done = command("--cache-dir", str(volume), "--deadlin", "5")
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr == "tiktoken-cache-init: error: no flag '--deadlin': did you mean --deadline?\n"


def test_a_bad_setting_is_a_json_line_where_the_log_is_json() -> None:
    by_variable = command(environment={"TIKTOKEN_INIT_LOG": " json"})
    assert json.loads(by_variable.stderr)["exit_code"] == 2
    by_flag = command("--log=json", "--deadline=never", "--cache-dir=/x")
    assert json.loads(by_flag.stderr)["exit_code"] == 2


def test_the_last_form_of_the_log_that_is_given_counts(volume: Path, offline: list[str]) -> None:
    done = command("--cache-dir", str(volume), "--log=text", "--log=json", *offline)
    assert all(json.loads(line) for line in done.stderr.splitlines())


def test_a_volume_that_does_not_answer_is_not_waited_for(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(_: Run, work: object, grace: float = 0) -> NoReturn:
        raise DeadlinePassed

    monkeypatch.setattr(Run, "wait_for", hang)
    for name in ("fill", "verify", "export"):
        done = command(name, "--cache-dir", str(volume), "--deadline=7", *offline)
        assert done.code == 3
        assert f"the deadline of 7 s passed and {volume} does not answer: check its storage" in done.stderr


def test_a_bug_is_one_line_with_its_place_and_without_secrets(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> NoReturn:
        raise KeyError("the secret")

    monkeypatch.setattr(cli, "fill", bug)
    mirror = ["--mirror", "http://user:secret@a.example"]
    done = command("--cache-dir", str(volume), *offline, *mirror)
    assert done.code == 70
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "tiktoken-cache-init: error: a bug in this program, please report it: KeyError: 'the ***' at "
    )
    assert "tiktoken_cache_init/cli.py:" in last


def test_an_error_of_the_system_is_not_blamed_on_standard_output(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(cli, "fill", fail)
    done = command("--cache-dir", str(volume), *offline)
    assert done.code != 0
    assert "standard output" not in done.stderr


def test_a_signal_that_was_caught_has_its_code(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> NoReturn:
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(cli, "fill", stopped)
    done = command("--cache-dir", str(volume), *offline)
    assert done.code == 143
    assert "stopped by signal 15" in done.stderr


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_who_asks_for_help_gets_it(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(flag).code == 0
    assert "tiktoken-cache-init" in capsys.readouterr().out


# The process: its pipes, its end.


def test_the_module_and_the_entry_point_are_the_same_program() -> None:
    for start in (["-m", "tiktoken_cache_init"], ["entrypoint.py"]):
        done = subprocess.run([sys.executable, *start, "--version"], cwd=ROOT, capture_output=True, check=True)
        assert done.stdout.decode() == f"tiktoken-cache-init {__version__}\n"
        assert not done.stderr


def test_help_reaches_a_pipe_whole() -> None:
    done = ended(process("--help"))
    assert done.code == 0
    assert done.stdout.decode().endswith("what each message means.\n")


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["verify"], ["export"], ["--help"]])
def test_a_full_disk_below_standard_output_is_told(filled: Path, arguments: list[str]) -> None:
    environment = {"TIKTOKEN_CACHE_DIR": str(filled)}
    with Path("/dev/full").open("wb") as full:
        done = ended(process(*arguments, environment=environment, stdout=full))
    assert done.code == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("tiktoken-cache-init: error: cannot write to standard output: No space left on device")


@pytest.mark.parametrize("arguments", [["list"], ["verify"], ["export"]])
def test_who_closes_the_pipe_has_had_enough(filled: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = ended(process(*arguments, environment={"TIKTOKEN_CACHE_DIR": str(filled)}, stdout=writer))
    os.close(writer)
    assert (done.code, done.stderr) == (141, "")


def test_a_log_that_cannot_be_written_does_not_keep_the_volume_from_being_filled(
    volume: Path, offline: list[str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = ended(process("--cache-dir", str(volume), *offline, stderr=full))
    assert done.code == 0
    assert names_in(volume) == NAMES


def test_a_log_that_nobody_reads_does_not_keep_the_volume_from_being_filled(volume: Path, offline: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = ended(process("--cache-dir", str(volume), *offline, stderr=writer))
    os.close(writer)
    assert done.code == 0
    assert names_in(volume) == NAMES


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_do_not_keep_the_volume_from_being_filled(
    volume: Path, offline: list[str], closed: tuple[int, ...]
) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    running = process("--cache-dir", str(volume), *offline, preexec_fn=close)
    assert ended(running).code == 0
    assert names_in(volume) == NAMES
    assert command("verify", "--cache-dir", str(volume)).code == 0


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--json"], ["fill", "--json"], ["list"]])
def test_a_terminal_without_unicode_is_written_to_in_escapes(
    tmp_path: Path, offline: list[str], arguments: list[str]
) -> None:
    folder = tmp_path / "café"
    folder.mkdir()
    extra = ["--extra", f"https://a.example/é.bin#sha256={'0' * 64}"] if arguments[0] == "list" else []
    environment = {"PYTHONIOENCODING": "ascii"}
    done = ended(process(*arguments, "--cache-dir", str(folder), *offline, *extra, environment=environment))
    assert done.code in (0, 1)
    assert done.stdout.isascii()


def test_a_folder_whose_name_is_no_text_is_filled_all_the_same(tmp_path: Path, offline: list[str]) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    done = ended(process("--json", "--cache-dir", str(folder), *offline))
    assert done.code == 0
    assert json.loads(done.stdout)["ready"] is True
    assert names_in(folder) == NAMES


def test_a_worker_that_hangs_does_not_hold_up_the_end(volume: Path) -> None:
    program = (
        "import sys, time\n"
        "from tiktoken_cache_init import cli, __main__\n"
        "cli.fill = lambda *_: time.sleep(600)\n"
        f"sys.argv = ['x', '--cache-dir={volume}', '--deadline=0.1']\n"
        "__main__.run()"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 3
    assert time.monotonic() - began < 30


def test_two_fills_at_once_are_both_ready(volume: Path, offline: list[str]) -> None:
    both = [process("--cache-dir", str(volume), *offline) for _ in range(4)]
    assert [ended(running).code for running in both] == [0] * 4
    assert names_in(volume) == NAMES


# What a short run does not load.


def loaded(*arguments: str) -> set[str]:
    program = (
        "import os, sys\n"
        "from tiktoken_cache_init.cli import main\n"
        "code = main(sys.argv[1:], {}, sys.stdout, sys.stderr)\n"
        "sys.stdout.write('\\n' + ' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}", *arguments],
        capture_output=True,
        check=True,
    )
    return set(done.stdout.decode().splitlines()[-1].split())


def test_a_fill_from_the_image_loads_neither_the_http_client_nor_what_only_failures_need(
    volume: Path, offline: list[str]
) -> None:
    modules = loaded("--cache-dir", str(volume), *offline)
    assert "tiktoken_cache_init.sources.baked" in modules
    needless = {"httpx", "ssl", "difflib", "json", "tarfile", "tiktoken_cache_init.sources.fetch"}
    assert needless & modules == set()


def test_another_vocabulary_s_only_bytes_are_kept_under_their_own_name(tmp_path: Path, vocabularies: Path) -> None:
    """Two services that want different encodings may share a volume."""
    cl100k, o200k = (
        encoding("cl100k_base").vocabularies[0].cache_key,
        encoding("o200k_base").vocabularies[0].cache_key,
    )
    shutil.copy(vocabularies / o200k, tmp_path / cl100k)
    arguments = ["--cache-dir", str(tmp_path), "--sources", "baked", "--baked-dir", str(vocabularies)]
    assert command(*arguments, "--encodings", "cl100k_base").code == 0
    assert command("verify", "--cache-dir", str(tmp_path)).code == 0


def test_right_bytes_are_found_beside_any_number_of_other_files(tmp_path: Path, vocabularies: Path) -> None:
    cl100k, o200k = (
        encoding("cl100k_base").vocabularies[0].cache_key,
        encoding("o200k_base").vocabularies[0].cache_key,
    )
    shutil.copy(vocabularies / cl100k, tmp_path / "cl100k_base.tiktoken")
    shutil.copy(vocabularies / o200k, tmp_path / o200k)
    for number in range(20_001):
        (tmp_path / f"{number:06}").touch()
    assert command("--cache-dir", str(tmp_path), "--sources", "baked", "--baked-dir", "/nowhere").code == 0
