from __future__ import annotations

import re

import pytest

from tests.samples import command
from tiktoken_cache_init import __version__
from tiktoken_cache_init.arguments import Arguments, parse
from tiktoken_cache_init.errors import EXIT_CODES, SettingError
from tiktoken_cache_init.settings import COMMANDS, SETTINGS

SHOWN = [setting for setting in SETTINGS if setting.help]


def refusal(*arguments: str) -> str:
    with pytest.raises(SettingError) as caught:
        parse(arguments)
    return str(caught.value)


def test_the_command_is_fill_unless_another_is_given() -> None:
    assert parse(["--cache-dir", "x"]).command == "fill"
    assert [parse([name]).command for name in COMMANDS] == list(COMMANDS)


def test_the_values_of_each_option_are_returned_by_field() -> None:
    assert parse(["fill", "--mirror", "a", "--mirror=b", "--log", "json"]) == Arguments(
        "fill", {"mirrors": ["a", "b"], "log": ["json"]}, False
    )


def test_json_is_a_switch_of_three_commands() -> None:
    assert [parse([name, "--json"]).json for name in ("fill", "verify", "list")] == [True] * 3
    assert refusal("export", "--json") == "export takes no --json: leave it out (it belongs to fill, verify, list)"


def test_each_command_takes_its_options_and_no_others() -> None:
    for name in COMMANDS:
        for setting in SHOWN:
            if name in setting.commands:
                assert parse([name, setting.option, "x"]).given == {setting.field: ["x"]}
            else:
                assert refusal(name, setting.option, "x").startswith(f"{name} takes no {setting.option}: leave it out")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("verfy", "verify"), ("exprt", "export"), ("lst", "list"), ("doctor", "verify"), ("run", "fill")],
)
def test_a_misspelled_command_is_refused_with_the_right_one(wrong: str, right: str) -> None:
    assert refusal(wrong) == f"'{wrong}' is no command: did you mean {right}?"


def test_a_command_that_resembles_no_other_is_refused_with_all_of_them() -> None:
    assert refusal("zzz") == "'zzz' is no command: write one of fill, verify, list, export"


@pytest.mark.parametrize("word", ["./tiktoken", "/cache/tiktoken", "sub/directory", "."])
def test_a_directory_in_place_of_a_command_is_refused_with_its_option(word: str) -> None:
    assert refusal(word) == f"'{word}' is no command: to name the directory, write --cache-dir {word}"


@pytest.mark.parametrize("setting", SHOWN, ids=lambda setting: setting.field)
def test_a_misspelled_option_is_refused_with_the_right_one(setting: object) -> None:
    [option] = [known.option for known in SETTINGS if known is setting]
    assert refusal(f"{option}x", "value") == f"there is no option {option}x: did you mean {option}?"


def test_an_abbreviated_option_is_refused() -> None:
    assert refusal("--deadlin", "5") == "there is no option --deadlin: did you mean --deadline?"


def test_an_option_that_resembles_no_other_is_refused_with_a_pointer_to_the_help() -> None:
    assert refusal("-q") == "there is no option -q: see tiktoken-cache-init fill --help"


@pytest.mark.parametrize("between", ["=", ":", "\n", " "])
def test_the_value_of_an_unknown_option_is_not_repeated(between: str) -> None:
    said = refusal(f"--mirrorr{between}http://user:secret@mirror.example")
    assert "secret" not in said
    assert said.endswith("did you mean --mirror?")


def test_a_command_after_the_options_is_refused_with_its_right_place() -> None:
    assert refusal("--json", "verify") == "the command comes first: write tiktoken-cache-init verify ..."


@pytest.mark.parametrize("arguments", [["--cache-dir"], ["verify", "--cache-dir", "--json"]])
def test_an_option_without_its_value_is_named(arguments: list[str]) -> None:
    assert refusal(*arguments).startswith("--cache-dir: expected one argument: see tiktoken-cache-init ")


def test_a_value_for_an_option_that_takes_none_is_refused() -> None:
    assert refusal("--json=1").startswith("--json: ignored explicit argument '1': see ")


def test_a_word_that_belongs_to_no_option_is_refused() -> None:
    assert refusal("--json", "stray").startswith("unexpected argument 'stray': see ")


# Help.


def test_help_and_version_are_printed_in_any_environment() -> None:
    wrong = {"TIKTOKEN_INIT_MODE": "x", "TIKTOKEN_CACHE_DIR": "", "TIKTOKEN_CACHEDIR": "/x"}
    for arguments in (
        ["--help"],
        ["-h"],
        ["verify", "--help"],
        *([name, "--version"] for name in COMMANDS),
        ["--version"],
    ):
        ended = command(*arguments, environment=wrong)
        assert (ended.code, ended.stderr) == (0, "")
        assert ended.stdout
        if "--version" in arguments:
            assert ended.stdout.decode() == f"tiktoken-cache-init {__version__}\n"


@pytest.mark.parametrize("page", [[], *([name] for name in COMMANDS)], ids=str)
def test_every_help_page_fits_80_columns_and_a_screen(page: list[str]) -> None:
    lines = parse([*page, "--help"]).text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 50


def test_the_help_of_a_command_has_its_options_with_their_defaults() -> None:
    for name in COMMANDS:
        text = " ".join(parse([name, "--help"]).text.split())
        for setting in SETTINGS:
            shown = f"{setting.option} {setting.metavar} {setting.help}" in text
            assert shown == (name in setting.commands and bool(setting.help)), setting.option
    assert "time for the whole run (300)" in " ".join(parse(["fill", "--help"]).text.split())


def test_the_main_help_has_the_commands_and_the_exit_codes() -> None:
    text = " ".join(parse(["--help"]).text.split())
    for table in (COMMANDS, EXIT_CODES):
        for name, meaning in table.items():
            assert re.search(rf"{re.escape(name)} +{re.escape(meaning)}", text)
