"""The module ``__main__``."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples import ROOT
from tiktoken_cache_init import __main__ as module
from tiktoken_cache_init import __version__


class ExitedError(Exception):
    """The process would have ended."""


def test_windows_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delitem(sys.modules, "tiktoken_cache_init.__main__")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("tiktoken_cache_init.__main__")
    assert caught.value.code == (
        "tiktoken-cache-init: error: Windows is not supported: run this in WSL, or run the Docker image"
    )


def test_the_process_ends_with_the_exit_code_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        raise ExitedError

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(module, "main", lambda *_: 7)
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(ExitedError):
        module.run()
    assert codes == [7]


def shell(command: str, cache_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "TIKTOKEN_CACHE_DIR": str(cache_dir), "TIKTOKEN_INIT_SOURCES": "baked"}
    return subprocess.run(
        ["sh", "-c", f"exec {sys.executable} entrypoint.py {command}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_closed_stdout_is_an_error(tmp_path: Path) -> None:
    done = shell("--version >&-", tmp_path)
    assert done.returncode == 3
    assert "cannot write to standard output" in done.stderr


def test_a_closed_stderr_is_tolerated(tmp_path: Path) -> None:
    done = shell("--version 2>&-", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"tiktoken-cache-init {__version__}\n")


def test_a_file_in_the_volume_never_takes_the_place_of_a_closed_stream(volume: Path) -> None:
    done = shell("fill <&- >&- 2>&-", volume)
    assert done.returncode == 4
    assert list(volume.iterdir()) == []
