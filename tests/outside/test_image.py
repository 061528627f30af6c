"""Properties that only the image has: interpreter and locale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN
from tests.drivers import Container


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "zh_CN.GB18030"}, {"PYTHONIOENCODING": "gbk"}])
def test_the_image_writes_utf8_in_any_locale(
    image: str, tmp_path: Path, vocabularies: Path, variables: dict[str, str]
) -> None:
    directory = tmp_path / "卷"
    driver = Container(image, [tmp_path, vocabularies])
    done = driver.run("--cache-dir", str(directory), "--sources=baked", environment=variables)
    assert done.code == 0
    assert f"ready: 6 files in {directory} (" in done.stderr


def test_no_variable_and_no_mounted_file_changes_what_the_interpreter_loads(image: str, volume: Path) -> None:
    (volume / "sitecustomize.py").write_text("raise SystemExit(9)\n")
    driver = Container(image, [volume], (*LOCKED_DOWN, "--workdir", str(volume)))
    hostile = {"PYTHONPATH": str(volume), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": f"{volume}/sitecustomize.py"}
    assert driver.run("--cache-dir", str(volume), environment=hostile).code == 0
