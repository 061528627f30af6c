from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.samples import (
    CONTENT,
    OTHER,
    ROOT,
    TINY,
    Ended,
    as_nobody,
    command,
    names_in,
    process,
    process_state,
    public_directory,
    staged_file,
    unpack,
    wait_until,
)
from tests.unit.sources.server import Server, silent
from tiktoken_cache_init import REPORT_TO, __version__, catalogue, cli, place
from tiktoken_cache_init.catalogue import Encoding
from tiktoken_cache_init.errors import Stopped
from tiktoken_cache_init.fill import Filled
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import Delivery, Watch

Run = Callable[..., Ended]


@pytest.fixture
def run(volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command on ``volume`` with tiny vocabularies, which are baked."""
    monkeypatch.setattr(
        catalogue, "ENCODINGS", (Encoding("cl100k_base", (TINY,), ("x",)), Encoding("o200k_base", (OTHER,), ("y",)))
    )

    def act(*arguments: str, **environment: str) -> Ended:
        usual = {
            "TIKTOKEN_CACHE_DIR": str(volume),
            "TIKTOKEN_INIT_SOURCES": "baked",
        }
        return command(*arguments, environment=usual | environment)

    return act


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "fill", fail)


# Commands, streams and exit codes.


def test_a_run_without_arguments_fills(run: Run, volume: Path) -> None:
    ended = run()
    assert (ended.code, ended.stdout) == (0, b"")
    lines = ended.stderr.splitlines()
    assert lines[0].startswith(f"tiktoken-cache-init {__version__}: fill {volume} as ")
    assert lines[1] == f"tiny.tiktoken ({TINY.cache_key}): installed from baked"
    assert lines[-1].startswith(f"ready: 2 files in {volume} (")
    assert names_in(volume) == sorted([TINY.cache_key, OTHER.cache_key])


def test_the_modes_of_new_directories_do_not_depend_on_the_umask(run: Run, tmp_path: Path, baked: Path) -> None:
    with process_state():
        os.umask(0o077)
        arguments = ["fill", "--cache-dir", str(tmp_path / "a/b"), "--sources", "baked"]
        assert cli.main(arguments, {}, io.StringIO(), io.StringIO()) == 0
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a/b")} == {0o755}


def test_a_fill_that_obtains_nothing_exits_with_4(run: Run) -> None:
    ended = run(TIKTOKEN_INIT_SOURCES="fetch", TIKTOKEN_INIT_ORIGIN="off")
    assert ended.code == 4
    assert ended.stderr.splitlines()[-1].startswith("tiktoken-cache-init: error: could not obtain tiny.tiktoken, ")


def test_a_fill_with_json_writes_its_document_to_stdout_and_its_log_to_stderr(run: Run, volume: Path) -> None:
    ended = run("--json")
    document = json.loads(ended.stdout)
    assert (document["ready"], document["cache_dir"], len(document["files"])) == (True, str(volume), 2)
    assert ended.stderr.splitlines()[-1].startswith("ready: ")
    ended = run("fill", "--json", TIKTOKEN_CACHE_DIR=__file__)
    assert ended.code == 3
    assert "is not a directory" in json.loads(ended.stdout)["error"]


def test_verify_exits_with_1_until_the_directory_is_ready(run: Run, volume: Path) -> None:
    ended = run("verify")
    assert (ended.code, ended.stderr) == (1, "")
    assert ended.stdout.decode().splitlines()[-1].startswith("not ready: 2 of 2 files in ")
    run()
    ended = run("verify")
    assert (ended.code, ended.stderr) == (0, "")
    document = json.loads(run("verify", "--json").stdout)
    assert (document["ready"], document["command"]) == (True, "verify")


def test_verify_of_a_missing_directory_exits_with_1_and_has_a_document_too(run: Run) -> None:
    ended = run("verify", "--json", "--cache-dir=/nowhere/at/all")
    assert ended.code == 1
    assert json.loads(ended.stdout)["error"] in ended.stderr


def test_variables_that_a_command_does_not_use_cannot_stop_it(run: Run) -> None:
    assert run().code == 0
    assert run("list", TIKTOKEN_CACHE_DIR="").code == 0
    assert run("verify", TIKTOKEN_INIT_MIRRORS="ftp://a.example").code == 0
    assert run("fill", TIKTOKEN_INIT_MIRRORS="ftp://a.example").code == 2


def test_verify_of_a_directory_that_this_user_cannot_open_exits_with_3() -> None:
    with public_directory() as above:
        (above / "closed/directory").mkdir(parents=True)
        (above / "closed").chmod(0)
        try:
            with as_nobody():
                ended = command("verify", "--cache-dir", str(above / "closed/directory"))
        finally:
            (above / "closed").chmod(0o700)
    assert (ended.code, ended.stdout) == (3, b"")
    assert f"error: cannot open {above}/closed/directory: Permission denied: " in ended.stderr


def test_list_needs_no_directory(run: Run) -> None:
    ended = command("list")
    assert ended.code == 0
    assert ended.stdout.decode().startswith("ENCODING ")
    assert json.loads(command("list", "--json").stdout)["schema"] == 1


def test_path_prints_the_directory_of_the_baked_vocabularies(
    baked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the image, the directory of the package is a link.
    (tmp_path / "link").symlink_to(baked)
    monkeypatch.setattr(place, "BAKED_DIR", str(tmp_path / "link"))
    assert command("path")[:2] == (0, f"{baked}\n".encode())
    monkeypatch.setattr(place, "BAKED_DIR", str(tmp_path / "none"))
    ended = command("path")
    assert (ended.code, ended.stdout) == (1, b"")
    assert ended.stderr.startswith("tiktoken-cache-init: error: no vocabulary is baked into this installation: ")


def test_export_writes_a_tar_to_stdout(run: Run, tmp_path: Path) -> None:
    assert run("export").code == 1
    run()
    ended = run("export")
    assert (ended.code, ended.stderr) == (0, "")
    assert names_in(unpack(ended.stdout, tmp_path / "out")) == sorted([TINY.cache_key, OTHER.cache_key])


def test_a_bad_setting_exits_with_2(run: Run) -> None:
    for ended in (run("--mode=x"), run("frobnicate"), run(TIKTOKEN_INIT_MODE="x")):
        assert ended.code == 2
        assert ended.stdout == b""
        assert ended.stderr.startswith("tiktoken-cache-init: error: ")
        assert ended.stderr.count("\n") == 1


def test_a_warning_about_the_environment_does_not_stop_the_run(run: Run) -> None:
    ended = run(TIKTOKEN_OFFLINE="1")
    assert ended.code == 0
    assert ended.stderr.startswith("warning: TIKTOKEN_OFFLINE: no program reads it")


@pytest.mark.parametrize("arguments", [["--log=json", "--mode=x"], ["--log", "json", "--mode=x"], ["--mode=x"]])
def test_an_error_about_a_setting_has_the_requested_log_format(run: Run, arguments: list[str]) -> None:
    ended = run(*arguments, **({} if "json" in " ".join(arguments) else {"TIKTOKEN_INIT_LOG": "json"}))
    record = json.loads(ended.stderr)
    assert (record["event"], record["exit_code"]) == ("error", 2)


def test_every_line_of_a_json_log_is_an_object(run: Run) -> None:
    records = [json.loads(line) for line in run("--log", "json").stderr.splitlines()]
    assert [record["event"] for record in records] == ["start", "file", "file", "ready"]


def test_progress_is_shown_while_a_fill_waits_for_bytes(
    run: Run, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_: Settings, watch: Watch) -> Filled:
        with staged_file(volume) as staged:
            staged.write(CONTENT[:7])
            watch([Delivery(staged)])
            watch([Delivery(staged)])
        return Filled(())

    monkeypatch.setattr(cli, "fill", wait)
    monkeypatch.setattr("tiktoken_cache_init.output.progress._FIRST_AFTER", 0.0)
    assert [line[:25] for line in run().stderr.splitlines()][1:-1] == ["fetching: 7 of 21 bytes, "]


# Errors.


def test_a_bug_is_one_line_with_its_place_and_without_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyError("the secret"))
    ended = run("--mirror", "http://user:secret@a.example")
    assert ended.code == 70
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("tiktoken-cache-init: error: a bug in this program (KeyError: 'the ***' at ")
    assert last.endswith(f"): report it, with the command and this line, to {REPORT_TO}")
    assert "tiktoken_cache_init/cli.py:" in last


def test_a_system_error_is_not_reported_as_an_error_of_standard_output(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, OSError(5, "Input/output error"))
    ended = run()
    assert ended.code == 70
    assert "standard output" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_has_its_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fail_with(monkeypatch, Stopped(number))
    ended = run()
    assert ended.code == 128 + number
    assert ended.stderr.endswith(f"error: stopped by signal {number:d}: run again to continue\n")


def test_a_signal_that_python_has_wrapped_has_its_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = Stopped(signal.SIGTERM)
    fail_with(monkeypatch, wrapped)
    assert run().code == 143


def test_storage_that_does_not_answer_is_given_up_at_the_deadline(
    run: Run, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "fill", lambda *_: time.sleep(60))
    began = time.monotonic()
    ended = run("--deadline=0.1")
    assert ended.code == 3
    assert f"the deadline of 0.1 s passed and {volume} does not answer: check its storage" in ended.stderr
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("name", "report"), [("fill", "report_fill"), ("verify", "verify_lines")])
def test_a_deadline_that_passes_during_the_report_does_not_change_the_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, report: str
) -> None:
    assert run().code == 0
    real = getattr(cli, report)

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(1.5)
        return real(*arguments, **options)

    monkeypatch.setattr(cli, report, slowly)
    ended = run(name, "--deadline=1")
    assert (ended.code, ended.stderr.count("error")) == (0, 0)


def test_no_alarm_is_left_after_a_run(run: Run) -> None:
    run()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


class Broken(io.TextIOWrapper):
    """Stdout that fails."""

    def __init__(self, error: OSError) -> None:
        super().__init__(io.BytesIO(), "utf-8")
        self._error = error

    def write(self, _: str) -> int:
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BrokenPipeError(), 128 + signal.SIGPIPE, ""),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            3,
            "cannot write to standard output: No space left on device: ",
        ),
    ],
)
def test_a_stdout_that_fails_is_an_error_and_a_closed_pipe_ends_the_run_without_a_message(
    error: OSError, code: int, said: str
) -> None:
    for arguments in (["list"], ["list", "--json"], ["--help"], ["--version"]):
        err = io.StringIO()
        with process_state():
            assert cli.main(arguments, {}, Broken(error), err) == code
        assert said in err.getvalue()
        assert bool(said) == bool(err.getvalue())


class Terminal(io.TextIOWrapper):
    """Stdout that is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8")

    def isatty(self) -> bool:
        return True


def on_terminal(*arguments: str, **environment: str) -> tuple[int, str, str]:
    out, err = Terminal(), io.StringIO()
    with process_state():
        code = cli.main(arguments, environment, out, err)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return code, out.buffer.getvalue().decode(), err.getvalue()


def test_an_export_to_a_terminal_is_refused(volume: Path) -> None:
    code, out, err = on_terminal("export", TIKTOKEN_CACHE_DIR=str(volume))
    assert (code, out) == (2, "")
    assert "send it to a file, as in 'export >cache.tar'" in err


def test_a_terminal_gets_colour_unless_it_is_disabled(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verified() -> str:
        return on_terminal("verify", TIKTOKEN_CACHE_DIR=str(volume))[1]

    assert "\x1b[31mmissing\x1b[0m" in verified()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in verified()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in verified()


def test_a_name_in_the_volume_cannot_move_the_cursor(run: Run, volume: Path) -> None:
    (volume / "\x1b[2Jevil").write_bytes(CONTENT)
    ended = run("verify")
    assert b"\x1b" not in ended.stdout
    assert b"\\x1b[2Jevil" in ended.stdout
    assert "\\x1b[2Jevil" in on_terminal("verify", TIKTOKEN_CACHE_DIR=str(volume))[1]


def test_an_export_ignores_a_signal_that_was_ignored(volume: Path) -> None:
    with process_state():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        cli.main(["export", "--cache-dir", str(volume)], {}, io.TextIOWrapper(io.BytesIO()), io.StringIO())
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


# Signals.


def test_a_fetch_that_is_stopped_ends_within_a_second_and_leaves_nothing(volume: Path) -> None:
    server = Server()
    server.script("/encodings/cl100k_base.tiktoken", silent)
    running = process(f"--cache-dir={volume}", f"--mirror={server.url}", "--origin=off", "--sources=fetch")
    wait_until(lambda: server.requests)
    began = time.monotonic()
    running.terminate()
    _, err = running.communicate(timeout=30)
    assert running.returncode == 143, err
    assert time.monotonic() - began < 1
    assert names_in(volume) == []
    server.close()


# The process.


def test_the_module_and_the_entry_point_are_the_same_program() -> None:
    for start in (["-m", "tiktoken_cache_init"], ["entrypoint.py"]):
        done = subprocess.run([sys.executable, *start, "--version"], cwd=ROOT, capture_output=True, check=True)
        assert done.stdout.decode() == f"tiktoken-cache-init {__version__}\n"
        assert not done.stderr


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path) -> None:
    directory = tmp_path / "café"
    directory.mkdir()
    running = process("verify", "--cache-dir", str(directory), environment={"PYTHONIOENCODING": "ascii"})
    out, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert out.isascii()
    assert b"caf\\xe9" in out


def test_a_fill_from_baked_files_imports_no_network_code_and_nothing_for_failures(volume: Path, baked: Path) -> None:
    program = (
        "import sys\n"
        "from tiktoken_cache_init import catalogue, cli, place\n"
        "from tests.samples import OTHER, TINY\n"
        "known = catalogue.Encoding\n"
        "catalogue.ENCODINGS = (known('cl100k_base', (TINY,), ''), known('o200k_base', (OTHER,), ''))\n"
        f"place.BAKED_DIR = {str(baked)!r}\n"
        f"environment = {{'TIKTOKEN_CACHE_DIR': {str(volume)!r}, 'TIKTOKEN_INIT_SOURCES': 'baked'}}\n"
        "code = cli.main([], environment, sys.stdout, sys.stderr)\n"
        "print(*sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True)
    loaded = set(done.stdout.split())
    assert "tiktoken_cache_init.sources.baked" in loaded
    assert not loaded & {"httpx", "ssl", "asyncio", "argparse", "json", "tiktoken_cache_init.sources.fetch"}
