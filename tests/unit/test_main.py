"""The module ``__main__``."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.drivers import Host
from tests.machine import ROOT
from tests.samples import process_state, wait_until
from tiktoken_cache_init import __main__ as module
from tiktoken_cache_init import __version__, cli

WINDOWS = """
import runpy, sys
sys.platform = "win32"
sys.modules |= dict.fromkeys(("fcntl", "pwd", "grp", "resource", "termios"))
runpy.run_path("entrypoint.py", run_name="__main__")
"""


def test_windows_is_refused_with_advice() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, "verify"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = "tiktoken-cache-init: error: Windows is not supported: run this in WSL, or run the Docker image\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_the_module_and_the_entry_point_are_the_same_program() -> None:
    for start in ("-m tiktoken_cache_init", "entrypoint.py"):
        done = shell(f"{start} --version")
        assert (done.stdout, done.stderr) == (f"tiktoken-cache-init {__version__}\n", "")


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path) -> None:
    directory = tmp_path / "café"
    directory.mkdir()
    ended = Host().run("verify", "--cache-dir", str(directory), environment={"PYTHONIOENCODING": "ascii"})
    assert ended.code == 1
    assert b"caf\\xe9" in ended.stdout


def test_the_process_ends_with_the_exit_code_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked: set[int] = set()

    def main(*_: object) -> int:
        blocked.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return 7

    monkeypatch.setattr(cli, "main", main)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with process_state(), pytest.raises(SystemExit) as caught:
        module.run()
    assert caught.value.code == 7
    # A signal waits until `main` has set its handlers.
    assert blocked >= {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def shell(arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f"exec {sys.executable} {arguments}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_closed_stdout_is_an_error_and_a_closed_stderr_is_tolerated() -> None:
    done = shell("entrypoint.py --version >&-")
    assert done.returncode == 3
    assert "cannot write to standard output" in done.stderr
    done = shell("entrypoint.py --version 2>&-")
    assert (done.returncode, done.stdout) == (0, f"tiktoken-cache-init {__version__}\n")


def test_a_result_is_written_whole_to_a_non_blocking_pipe() -> None:
    program = (
        "from tiktoken_cache_init import cli, __main__ as m; "
        "cli.main = lambda _, __, out, ___: print('x' * 200000, file=out, flush=True) or 0; m.run()"
    )
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    running = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=writer)
    os.close(writer)
    waiting = array.array("i", [0])
    # The pipe holds 64 KiB, so the program has to wait.
    wait_until(lambda: fcntl.ioctl(reader, termios.FIONREAD, waiting) == 0 and waiting[0] >= 1 << 16)
    with os.fdopen(reader, "rb") as stream:
        assert len(stream.read()) == 200_001
    assert running.wait(30) == 0


def test_an_opened_file_never_gets_the_descriptor_of_a_closed_stream() -> None:
    program = (
        "import os; from tiktoken_cache_init import cli, __main__ as m; cli.main = lambda *_: os.open('/', 0); m.run()"
    )
    assert shell(f'-c "{program}" <&- >&- 2>&-').returncode > 2
