"""Properties that only the image has: interpreter, locale, mounts and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN
from tests.drivers import Container
from tiktoken_cache_init import REPORT_TO

PACKAGE = "/usr/lib/tiktoken-cache-init/tiktoken_cache_init"


def test_a_bug_is_one_line_that_names_its_place(image: str, tmp_path: Path) -> None:
    (tmp_path / "fill.py").write_text(
        "class Action:\n    pass\nFilled = Outcome = Action\ndef fill(*_):\n    raise KeyError('the secret')\n"
    )
    mount = ("--volume", f"{tmp_path}/fill.py:{PACKAGE}/fill.py:ro")
    driver = Container(image, [tmp_path], (*LOCKED_DOWN, *mount))
    done = driver.run("--cache-dir", str(tmp_path), "--mirror", "http://user:secret@a.example")
    assert (done.code, done.stdout) == (70, b"")
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tiktoken-cache-init: error: a bug in this program (KeyError: ")
    assert last.endswith(f"): report it, with the command and this line, to {REPORT_TO}")
    assert "secret" not in last


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "zh_CN.GB18030"}, {"PYTHONIOENCODING": "gbk"}])
def test_the_image_writes_utf8_in_any_locale(
    image: str, tmp_path: Path, offline: list[str], vocabularies: Path, variables: dict[str, str]
) -> None:
    directory = tmp_path / "卷"
    driver = Container(image, [tmp_path, vocabularies])
    done = driver.run("--cache-dir", str(directory), *offline, environment=variables)
    assert done.code == 0
    assert f"ready: 6 files in {directory} (" in done.stderr


def test_no_variable_and_no_mounted_file_changes_what_the_interpreter_loads(image: str, volume: Path) -> None:
    (volume / "sitecustomize.py").write_text("raise SystemExit(9)\n")
    driver = Container(image, [volume], (*LOCKED_DOWN, "--workdir", str(volume)))
    hostile = {"PYTHONPATH": str(volume), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": f"{volume}/sitecustomize.py"}
    assert driver.run("--cache-dir", str(volume), environment=hostile).code == 0
