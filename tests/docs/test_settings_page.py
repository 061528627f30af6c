"""docs/settings.md describes the settings, commands and exit codes of the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.engine import ROOT
from tests.docs.markdown import section, spans
from tests.docs.running import tool
from tests.docs.settings import COMMAND_CODES, PAGES, written
from tests.drivers import install
from tiktoken_cache_init.catalogue import ENCODINGS
from tiktoken_cache_init.settings import COMMANDS, SETTINGS


@pytest.mark.parametrize("language", PAGES)
def test_the_tables_are_those_of_the_program(language: str) -> None:
    page = PAGES[language].read_text(encoding="utf-8")
    assert page == written(page, language), "run `python -m tests.docs.settings`"


def test_the_help_has_every_option_of_the_page() -> None:
    for command in COMMANDS:
        options = {setting.option for setting in SETTINGS if command in setting.commands}
        said = tool(command, "--help").out
        assert {word for word in said.split() if word.startswith("--")} >= options


def test_the_page_names_every_encoding() -> None:
    text = section("docs/settings.md", "Values").prose
    assert {encoding.name for encoding in ENCODINGS} | {"all"} <= set(spans(text))


@pytest.mark.parametrize(
    ("command", "code"), [(command, code) for command, codes in COMMAND_CODES.items() for code in codes]
)
def test_a_command_ends_with_each_of_its_exit_codes(
    command: str, code: str, tmp_path: Path, vocabularies: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    directory, more = {
        "0": (vocabularies, ()),
        "1": (tmp_path, ()),
        "2": (tmp_path, ("--encodings", "none")),
        "3": (file, ()),
        "4": (tmp_path, ("--sources", "baked")),
    }[code]
    if command in ("list", "path"):
        # They take no directory. They exit with 3 if they cannot write to standard output.
        program = ROOT / "entrypoint.py" if code == "1" else install(tmp_path / "program", vocabularies)
        with Path("/dev/full" if code == "3" else "/dev/null").open("w") as out:
            done = subprocess.run([sys.executable, program, command, *more], stdout=out, stderr=out, check=False)
        assert done.returncode == int(code)
    else:
        assert tool(command, "--cache-dir", str(directory), *more).code == int(code)


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_offered_where_the_page_says(command: str, vocabularies: Path) -> None:
    [sentence] = [
        line for line in section("docs/settings.md", "Commands").prose.splitlines() if "take `--json`" in line
    ]
    directory = () if command in ("list", "path") else ("--cache-dir", str(vocabularies))
    said = tool(command, *directory, "--json")
    assert (said.code == 0 and said.out.startswith("{")) is (command in spans(sentence))
