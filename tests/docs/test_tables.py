"""What the front page says of settings, commands and exit codes is what the program does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.clinic import tool
from tests.docs.markdown import section, spans
from tiktoken_cache_init.errors import EXIT_CODES
from tiktoken_cache_init.settings import COMMANDS, SETTINGS, Setting

SETTINGS_TABLE = section("README.md", "Settings").tables[0][1:]
COMMANDS_TABLE = section("README.md", "Commands").tables[0][1:]


def test_the_table_has_every_setting_in_the_order_of_the_help() -> None:
    written = [[cell.strip("`") for cell in row[:2]] for row in SETTINGS_TABLE]
    assert written == [[setting.variable, setting.flag] for setting in SETTINGS]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.field)
def test_a_setting_is_described_as_in_the_help(setting: Setting) -> None:
    [row] = [row for row in SETTINGS_TABLE if row[1] == f"`{setting.flag}`"]
    default = setting.default_note or (f"`{setting.default}`" if setting.default else "none")
    assert row[2:] == [setting.help, default]


def test_the_table_has_every_command_with_its_default_first() -> None:
    assert [spans(row[0])[0] for row in COMMANDS_TABLE] == list(COMMANDS)
    assert [spans(row[0])[0] for row in COMMANDS_TABLE if "default" in row[0]] == ["fill"]


@pytest.mark.parametrize(
    ("page", "title", "start", "between"),
    [("README.md", "Commands", "Exit codes: ", "; "), ("README.zh-CN.md", "命令", "退出码：", "；")],  # noqa: RUF001
)
def test_every_exit_code_is_listed(page: str, title: str, start: str, between: str) -> None:
    [text] = [part for part in section(page, title).prose.split("\n\n") if part.startswith(start)]
    listed = [part.split()[0] for part in text.removeprefix(start).replace("128 + n", "128+n").split(between)]
    assert listed == list(EXIT_CODES)


Case = Callable[[Path, Path], tuple[str, ...]]


def _full(folder: Path, vocabularies: Path) -> tuple[str, ...]:
    return ("--cache-dir", str(vocabularies))


def _empty(folder: Path, vocabularies: Path) -> tuple[str, ...]:
    return ("--cache-dir", str(folder))


def _no_such_setting(folder: Path, vocabularies: Path) -> tuple[str, ...]:
    return ("--cache-dir", str(folder), "--encodings", "none")


def _no_volume(folder: Path, vocabularies: Path) -> tuple[str, ...]:
    (folder / "file").touch()
    return ("--cache-dir", str(folder / "file"))


def _no_source(folder: Path, vocabularies: Path) -> tuple[str, ...]:
    return ("--cache-dir", str(folder), "--sources", "baked", "--baked-dir", str(folder / "none"))


CAUSES: dict[str, Case] = {"0": _full, "1": _empty, "2": _no_such_setting, "3": _no_volume, "4": _no_source}


@pytest.mark.parametrize(("command", "code"), [(spans(r[0])[0], c) for r in COMMANDS_TABLE for c in r[2].split(", ")])
def test_a_command_ends_with_each_of_its_exit_codes(
    command: str, code: str, tmp_path: Path, vocabularies: Path
) -> None:
    assert tool(command, *CAUSES[code](tmp_path, vocabularies)).code == int(code)


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_offered_where_the_page_says(command: str, vocabularies: Path) -> None:
    [sentence] = [s for s in section("README.md", "Commands").prose.split(".") if "take `--json`" in s]
    said = tool(command, "--cache-dir", str(vocabularies), "--json")
    as_json = said.code == 0 and said.out.lstrip()[:1] in ("{", "[")
    assert as_json is (command in spans(sentence))


def test_the_chinese_page_lists_the_same_exit_codes_for_each_command() -> None:
    chinese = section("README.zh-CN.md", "命令").tables[0][1:]
    assert [row[2].split("、") for row in chinese] == [row[2].split(", ") for row in COMMANDS_TABLE]
