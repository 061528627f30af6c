from __future__ import annotations

import re

import pytest

from tests.samples import command
from tiktoken_cache_init import __version__
from tiktoken_cache_init.arguments import read
from tiktoken_cache_init.errors import EXIT_CODES, BadSetting
from tiktoken_cache_init.settings import COMMANDS, SETTINGS


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        read(arguments)
    assert caught.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_command_is_fill_unless_another_is_given() -> None:
    assert read(["--cache-dir", "x"])[0] == "fill"
    assert [read([name])[0] for name in COMMANDS] == list(COMMANDS)


def test_what_is_given_comes_back_by_field_and_nothing_else_does() -> None:
    assert read(["verify", "--mirror", "a", "--mirror=b", "--log", "json"]) == (
        "verify",
        {"mirrors": ["a", "b"], "log": ["json"]},
        False,
    )


def test_json_is_a_switch() -> None:
    assert read(["list", "--json"]) == ("list", {}, True)


@pytest.mark.parametrize(("wrong", "right"), [("verfy", "verify"), ("exprt", "export"), ("lst", "list")])
def test_a_misspelled_command_is_answered_with_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(BadSetting, match=f"no command '{wrong}': did you mean '{right}'"):
        read([wrong])


def test_a_command_that_is_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(BadSetting, match="write one of fill, verify, list, export"):
        read(["zzz"])


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.field)
def test_a_misspelled_flag_is_answered_with_the_right_one(setting: object) -> None:
    flag = next(known.flag for known in SETTINGS if known is setting)
    wrong = flag + "x"
    with pytest.raises(BadSetting, match=f"no flag '{wrong}': did you mean {flag}"):
        read([wrong, "value"])


def test_a_flag_is_not_to_be_cut_short() -> None:
    with pytest.raises(BadSetting, match="no flag '--dead': did you mean --deadline"):
        read(["--dead", "5"])


def test_a_flag_that_is_like_no_other_is_answered_with_the_way_to_the_manual() -> None:
    with pytest.raises(BadSetting, match="no flag '-q': see --help"):
        read(["-q"])


def test_the_value_of_an_unknown_flag_is_not_repeated() -> None:
    with pytest.raises(BadSetting) as caught:
        read(["--mirrorr=http://user:secret@mirror.example"])
    assert "secret" not in str(caught.value)


def test_a_command_after_the_flags_is_told_where_it_belongs() -> None:
    with pytest.raises(BadSetting, match="'verify' comes first: tiktoken-cache-init verify"):
        read(["--json", "verify"])


def test_a_flag_without_its_value_is_named() -> None:
    with pytest.raises(BadSetting, match="--cache-dir"):
        read(["--cache-dir"])


def test_two_dashes_alone_mean_nothing() -> None:
    with pytest.raises(BadSetting, match="'--' has no meaning here"):
        read(["--json", "--"])


def test_two_dashes_are_no_value() -> None:
    ended = command("--cache-dir=/x", "--deadline=--")
    assert ended.code == 2
    assert "--deadline" in ended.stderr


def test_help_gives_every_setting_with_its_variable_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--help")
    for setting in SETTINGS:
        row = text.partition(f" {setting.flag} ")[2].partition(f"[{setting.variable}]")
        assert row[1], setting.flag
        assert setting.help in row[0]
        assert not setting.default or setting.default_note or f"(default: {setting.default})" in row[0]


def test_help_gives_the_commands_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "verify", "-h")
    for table in (COMMANDS, EXIT_CODES):
        for name, meaning in table.items():
            assert re.search(rf"{re.escape(name)} +{re.escape(meaning)}", text)


def test_help_has_each_group_once(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--help")
    for group in {setting.group for setting in SETTINGS}:
        assert text.count(f" {group}: --") == 1, group


def test_a_word_that_is_no_command_and_no_value_is_refused() -> None:
    with pytest.raises(BadSetting, match="'stray' belongs to no flag"):
        read(["--json", "stray"])


def test_the_examples_in_the_help_are_right() -> None:
    from tiktoken_cache_init.arguments import _EXAMPLES

    for line in _EXAMPLES.splitlines()[1:]:
        if not line.strip().startswith("docker"):
            read(line.split()[1:])


def test_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--version") == f"tiktoken-cache-init {__version__}"
