from __future__ import annotations

import errno
import importlib
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

from tests.machine import ROOT
from tests.samples import (
    CONTENT,
    OTHER,
    TINY,
    Ended,
    command,
    names_in,
    process_state,
    staged_file,
    unpack,
)
from tiktoken_cache_init import REPORT_TO, __version__, catalogue, cli, place
from tiktoken_cache_init.catalogue import Encoding
from tiktoken_cache_init.errors import NotMountedError, Stopped, StorageError
from tiktoken_cache_init.fill import Filled
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import Delivery, Watch

Run = Callable[..., Ended]
ERROR = "tiktoken-cache-init: error: "


@pytest.fixture
def run(volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command on ``volume`` with tiny vocabularies, which are baked."""
    monkeypatch.setattr(
        catalogue, "ENCODINGS", (Encoding("cl100k_base", (TINY,), ("x",)), Encoding("o200k_base", (OTHER,), ("y",)))
    )

    def act(*arguments: str, **environment: str) -> Ended:
        usual = {"TIKTOKEN_CACHE_DIR": str(volume), "TIKTOKEN_INIT_SOURCES": "baked"}
        return command(*arguments, environment=usual | environment)

    return act


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command end with an error."""

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "fill", fail)
    for name in ("verify", "export"):
        monkeypatch.setattr(importlib.import_module(f"tiktoken_cache_init.{name}"), name, fail)


# Commands, streams and exit codes.


@pytest.mark.parametrize(
    ("line", "environment", "code", "out", "err"),
    [
        ("", {}, 0, "", "ready: 2 files in "),
        ("--origin=off", {"TIKTOKEN_INIT_SOURCES": "fetch"}, 4, "", f"{ERROR}could not obtain tiny.tiktoken, "),
        ("", {"TIKTOKEN_INIT_XYZZY": "1"}, 0, "", "warning: TIKTOKEN_INIT_XYZZY: no such setting exists"),
        ("--json", {}, 0, '"ready": true,', "ready: 2 files in "),
        (f"--json --cache-dir={__file__}", {}, 3, "is not a directory: ", f"{ERROR}{__file__} is not a directory: "),
        ("--log json", {}, 0, "", '"event": "ready"'),
        ("verify", {}, 1, "not ready: 2 of 2 files in ", ""),
        ("verify --json", {}, 1, '"command": "verify",', ""),
        ("verify --json --cache-dir=/nowhere", {}, 1, "there is no directory", f"{ERROR}there is no directory "),
        ("list", {"TIKTOKEN_CACHE_DIR": "", "TIKTOKEN_INIT_MIRRORS": "ftp://a.example"}, 0, "ENCODING ", ""),
        ("list --json", {}, 0, '{\n  "schema": 1,', ""),
        ("--help", {}, 0, "usage: ", ""),
        ("export", {}, 1, "", f"{ERROR}"),
        ("", {"TIKTOKEN_INIT_MIRRORS": "ftp://a.example"}, 2, "", f"{ERROR}TIKTOKEN_INIT_MIRRORS: "),
        ("--json --mode=x", {}, 2, "", f"{ERROR}--mode: "),
        ("--log=text --log=json --mode=x", {"TIKTOKEN_INIT_LOG": "text"}, 2, "", '"exit_code": 2}'),
        ("--mode=x", {"TIKTOKEN_INIT_LOG": " json "}, 2, "", '"exit_code": 2}'),
    ],
)
def test_each_result_has_its_exit_code_and_its_stream(
    run: Run, line: str, environment: dict[str, str], code: int, out: str, err: str
) -> None:
    ended = run(*line.split(), **environment)
    assert ended.code == code, ended
    for text, part in ((ended.stdout.decode(), out), (ended.stderr, err)):
        assert part in text if part else not text, text
    assert code != 2 or ended.stderr.count("\n") == 1


def test_a_fill_makes_the_directory_ready_for_verify_and_export(run: Run, volume: Path, tmp_path: Path) -> None:
    assert run().stderr.startswith(f"tiktoken-cache-init {__version__}: fill {volume} as ")
    assert (run("verify").code, json.loads(run("verify", "--json").stdout)["ready"]) == (0, True)
    ended = run("export")
    assert (ended.code, ended.stderr) == (0, "")
    assert names_in(unpack(ended.stdout, tmp_path / "out")) == names_in(volume)


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
    assert ended.stderr.startswith(f"{ERROR}no vocabulary is baked into this installation: ")


@pytest.mark.parametrize("name", ["fill", "verify", "export"])
def test_an_error_of_the_volume_gets_its_remedy(
    run: Run, volume: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, StorageError("read", "/x", OSError(errno.EROFS, "Read-only file system")))
    ended = run(name, *["--json"] * (name != "export"))
    said = "cannot read /x: Read-only file system: mount it read-write, or name another directory"
    assert (ended.code, ended.stderr.endswith(f"{ERROR}{said}\n")) == (3, True)
    assert name == "export" or json.loads(ended.stdout)["error"] == said
    fail_with(monkeypatch, NotMountedError("/x", []))
    ended = run(name)
    assert (ended.code, ": add -v tiktoken:/x\n" in ended.said) == (3 if name == "fill" else 1, True)
    assert name != "verify" or ended.said.endswith(f"\nnot ready: {volume}\n")


def test_the_modes_of_new_directories_do_not_depend_on_the_umask(run: Run, tmp_path: Path, baked: Path) -> None:
    with process_state():
        os.umask(0o077)
        arguments = ["fill", "--cache-dir", str(tmp_path / "a/b"), "--sources", "baked"]
        assert cli.main(arguments, {}, io.StringIO(), io.StringIO()) == 0
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a/b")} == {0o755}


def test_progress_is_shown_while_a_fill_waits_for_bytes(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_: Settings, watch: Watch) -> Filled:
        with staged_file(volume) as staged:
            staged.write(CONTENT[:7])
            watch([Delivery(staged)])
        return Filled(())

    monkeypatch.setattr(cli, "fill", wait)
    monkeypatch.setattr("tiktoken_cache_init.output.progress._FIRST_AFTER", 0.0)
    err = on_terminal("--cache-dir", str(volume))[2]
    clear = "\r\x1b[K"
    assert [line[:25] for line in err.split(clear)[1:]] == [
        "fetching: 7 of 21 bytes, ",
        "ready: 0 file in " + str(volume)[:8],
    ]


# Errors.


def test_a_bug_is_one_line_with_its_place_and_without_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyError("the secret"))
    ended = run("--mirror=http://user:secret@a.example")
    assert ended.code == 70
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"{ERROR}a bug in this program (KeyError: 'the ***' at ")
    assert last.endswith(f"): report it, with the command and this line, to {REPORT_TO}")
    assert "tiktoken_cache_init/cli.py:" in last


@pytest.mark.parametrize("name", ["TIKTOKEN_X", "HTTPS_PROXY", "http_proxy", "PIP_INDEX_URL"])
def test_no_line_has_a_secret_of_the_environment(run: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyError("the secret"))
    assert "the ***" in run(**{name: "http://user:secret@a.example"}).stderr


def wrapped(error: BaseException) -> RuntimeError:
    """Return an error as Python 3.11 wraps it while an imported module makes a class."""
    wrapping = RuntimeError("Error calling __set_name__")
    wrapping.__cause__ = error
    return wrapping


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Stopped(2), 130, "stopped by signal 2: run again to continue"),
        (wrapped(Stopped(15)), 143, "stopped by signal 15: run again to continue"),
        (wrapped(KeyError()), 70, ""),
        (MemoryError(), 3, "too little memory: allow 64 MiB (ulimit -v, docker run --memory)"),
    ],
)
def test_what_ends_a_run_has_its_exit_code(
    run: Run, error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, error)
    ended = run()
    assert ended.code == code
    assert said in ended.stderr.splitlines()[-1]


def test_a_signal_that_waited_ends_the_run_and_none_changes_its_exit_code_afterwards(volume: Path) -> None:
    with process_state():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.raise_signal(signal.SIGTERM)
        assert cli.main(["list"], {}, io.StringIO(), io.StringIO()) == 143
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= {signal.SIGTERM, signal.SIGINT, signal.SIGALRM}


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
def test_the_deadline_is_over_when_a_command_reports(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, report: str
) -> None:
    real = getattr(cli, report)

    def checked(*arguments: Any) -> Any:
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        return real(*arguments)

    monkeypatch.setattr(cli, report, checked)
    assert run(name).code in (0, 1)


class Broken(io.TextIOWrapper):
    """Stdout that fails."""

    def __init__(self, error: OSError) -> None:
        super().__init__(io.BytesIO(), "utf-8")
        self._error = error

    def write(self, _: str) -> int:
        raise self._error


@pytest.mark.parametrize("line", ["list", "list --json", "--help"])
def test_a_stdout_that_fails_is_an_error_and_a_closed_pipe_ends_the_run_without_a_message(line: str) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    said = f"{ERROR}cannot write to standard output: No space left on device: send it elsewhere\n"
    for error, code, text in ((full, 3, said), (BrokenPipeError(), 128 + signal.SIGPIPE, "")):
        err = io.StringIO()
        with process_state():
            assert cli.main(line.split(), {}, Broken(error), err) == code
        assert err.getvalue() == text


class Terminal(io.TextIOWrapper):
    """Stream that is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What was written."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


def on_terminal(*arguments: str, **environment: str) -> tuple[int, str, str]:
    out, err = Terminal(), Terminal()
    with process_state():
        code = cli.main(arguments, environment, out, err)
    return code, out.text, err.text


@pytest.mark.parametrize("name", ["list", "export", "verify"])
def test_every_result_is_flushed_because_the_process_ends_without_cleaning_up(
    run: Run, name: str, volume: Path, tmp_path: Path
) -> None:
    run()
    path = tmp_path / "result"
    with path.open("w", buffering=1 << 20) as out, process_state():
        assert cli.main([name], {"TIKTOKEN_CACHE_DIR": str(volume)}, out, io.StringIO()) == 0
        assert path.read_bytes() == run(name).stdout


def test_a_terminal_gets_no_tar(volume: Path) -> None:
    code, out, err = on_terminal("export", TIKTOKEN_CACHE_DIR=str(volume))
    assert (code, out) == (2, "")
    assert "send it to a file, as in 'export >cache.tar'" in err


def test_a_name_in_the_volume_cannot_move_the_cursor(run: Run, volume: Path) -> None:
    (volume / "\x1b[2Jevil").write_bytes(CONTENT)
    said = run("verify").stdout.decode()
    assert "\\x1b[2Jevil" in said
    assert "\x1b" not in said


def test_a_signal_ends_an_export_at_once_unless_it_was_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)

    codes: list[int] = []
    monkeypatch.setattr("tiktoken_cache_init.export.export", stopped)
    monkeypatch.setattr(os, "_exit", codes.append)
    with process_state():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        run("export")
    assert codes == [143]


def test_a_fill_from_baked_files_imports_no_network_code_and_nothing_for_failures(volume: Path, baked: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tiktoken_cache_init import catalogue, cli, place\n"
        "from tiktoken_cache_init.catalogue import Encoding, Vocabulary\n"
        f"catalogue.ENCODINGS = Encoding('cl100k_base', ({TINY},), ''), Encoding('o200k_base', ({OTHER},), '')\n"
        f"place.BAKED_DIR = {str(baked)!r}\n"
        f"environment = {{'TIKTOKEN_CACHE_DIR': {str(volume)!r}, 'TIKTOKEN_INIT_SOURCES': 'baked'}}\n"
        "code = cli.main([], environment, sys.stdout, sys.stderr)\n"
        "print(*sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=ROOT, capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "tiktoken_cache_init.sources.files" in loaded
    assert not loaded & {
        "httpx",
        "ssl",
        "asyncio",
        "argparse",
        "json",
        "urllib.parse",
        "tiktoken_cache_init.sources.fetch",
    }
