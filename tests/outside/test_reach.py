"""What only a rare run of the image reaches: it must be in it all the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.outside.driving import Command, Container, Unpacked, ended
from tests.samples import names_in

PACKAGE = Path("/usr/lib/python3.13/tiktoken_cache_init")


def laid_over(image: str, tmp_path: Path, name: str, source: str) -> Command:
    """Return the image's command with one of its modules replaced: a bug, as nobody has written it yet."""
    written = tmp_path / name
    written.write_text(source)
    return Command(Container(image, [tmp_path], {written: PACKAGE / name}))


def test_a_bug_is_one_line_that_names_its_place(image: str, tmp_path: Path) -> None:
    source = "def fill(*_):\n    raise KeyError('the secret')\n"
    command = laid_over(image, tmp_path, "fill.py", source)
    done = command("--cache-dir", str(tmp_path), "--mirror", "http://user:secret@a.example")
    assert (done.code, done.stdout) == (70, b"")
    said = "tiktoken-cache-init: error: a bug in this program, please report it: "
    assert done.stderr.splitlines()[1:] == [f"{said}KeyError: 'the ***' at {PACKAGE}/fill.py:2"]


def test_a_traceback_is_printed_where_nothing_else_can_be(image: str, tmp_path: Path) -> None:
    done = laid_over(image, tmp_path, "cli.py", "def main(*_):\n    pass\n1 / 0\n")("--version")
    assert done.code == 1
    first, *_, last = done.stderr.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "ZeroDivisionError: division by zero")
    assert 'tiktoken_cache_init/cli.py", line 3' in done.stderr


def test_a_warning_of_the_interpreter_is_printed(image: str, tmp_path: Path) -> None:
    source = "import sys, warnings\n\ndef main(*_):\n    warnings.warn('beware')\n    sys.exit(0)\n"
    done = laid_over(image, tmp_path, "cli.py", source)("--version")
    assert (done.code, done.stdout) == (0, b"")
    assert "UserWarning: beware" in done.stderr


@pytest.mark.parametrize("argument", [b"\xff", "你好".encode(), b"\xed\xa0\x80", b"\x1b[31m"])
def test_an_argument_that_is_no_text_is_answered_in_text(direct: Command, argument: bytes) -> None:
    # A command line is bytes; `str` stands for them here as it does in the process.
    done = direct(argument.decode("utf-8", "surrogateescape"))
    assert (done.code, done.stdout) == (2, b"")
    [line] = done.stderr.splitlines()
    assert line.startswith("tiktoken-cache-init: error: no command '")
    assert "\x1b" not in line


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "zh_CN.GB18030"}, {"PYTHONIOENCODING": "gbk"}])
def test_the_image_speaks_utf8_whatever_the_locale(
    unpacked: Unpacked, tmp_path: Path, offline: list[str], variables: dict[str, str]
) -> None:
    folder = tmp_path / "卷"
    done = ended(unpacked.start("--cache-dir", str(folder), *offline, environment=variables))
    assert done.code == 0
    assert f"ready: 2 files in {folder} (" in done.stderr
    assert len(names_in(folder)) == 2


def test_what_is_mounted_over_the_interpreter_s_settings_has_no_say(image: str, volume: Path) -> None:
    (volume / "sitecustomize.py").write_text("raise SystemExit(9)\n")
    command = Command(Container(image, [volume]))
    hostile = {"PYTHONPATH": str(volume), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": f"{volume}/sitecustomize.py"}
    assert command("--cache-dir", str(volume), environment=hostile).code == 0


def test_nothing_mounted_is_told_before_anything_is_written(image: str, volume: Path) -> None:
    done = Command(Container(image, []))("--sources=baked")
    assert done.code == 3
    assert "nothing is mounted at /cache/tiktoken" in done.stderr


def test_the_engine_s_exit_code_is_the_command_s(image: str) -> None:
    """2 for a bad setting, and not 125 to 127, which are the engine's own."""
    done = subprocess.run(["docker", "run", "--rm", image, "--no-such-flag"], check=False, capture_output=True)
    assert done.returncode == 2
