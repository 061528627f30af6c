from __future__ import annotations

import re

import pytest

from tests.samples import command
from tiktoken_cache_init import __version__
from tiktoken_cache_init.arguments import _OFTEN_MEANT, read
from tiktoken_cache_init.errors import EXIT_CODES, BadSetting
from tiktoken_cache_init.settings import COMMANDS, SETTINGS, load


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


@pytest.mark.parametrize("arguments", [["--cache-dir"], ["verify", "--cache-dir", "--json"]])
def test_a_flag_without_its_value_is_named_with_what_it_takes(arguments: list[str]) -> None:
    with pytest.raises(BadSetting, match=r"--cache-dir: its value is missing: write --cache-dir DIR$"):
        read(arguments)


@pytest.mark.parametrize(("flag", "named"), [("--json=1", "--json"), ("--help=x", "-h/--help")])
def test_a_value_for_a_flag_that_takes_none_is_refused(flag: str, named: str) -> None:
    with pytest.raises(BadSetting, match=f"^{named} takes no value: write it alone$"):
        read([flag])


def test_json_of_an_export_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"^--json: export writes a tar"):
        load(["export", "--json"], {"TIKTOKEN_CACHE_DIR": "/cache/tiktoken"})


@pytest.mark.parametrize("word", ["./tiktoken", "/cache/tiktoken", "sub/folder", "."])
def test_a_folder_in_place_of_a_command_is_answered_with_its_flag(word: str) -> None:
    with pytest.raises(BadSetting, match=f"^'{word}' is no command: to name the folder, write --cache-dir {word}$"):
        read([word])


@pytest.mark.parametrize(("word", "meant"), _OFTEN_MEANT.items())
def test_a_word_that_is_often_meant_for_a_command_is_answered_with_the_command(word: str, meant: str) -> None:
    assert meant in (*COMMANDS, "--help", "--version")
    with pytest.raises(BadSetting, match=f"^no command '{word}': did you mean '{meant}'"):
        read([word])


@pytest.mark.parametrize("columns", ["", "40", "80", "100", "500", "wide"])
def test_help_is_as_wide_as_the_terminal_within_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        read(["--help"])
    flags = [line for line in capsys.readouterr().out.partition("examples:")[0].splitlines() if line.startswith("   ")]
    limit = 98 if columns == "500" else max(40, int(columns) - 2) if columns.isdigit() else 78
    assert limit - 20 < max(map(len, flags)) <= max(limit, len("  TIKTOKEN_INIT_CONNECT_TIMEOUT]") + 26)


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

    commands = [line.split() for line in _EXAMPLES.splitlines()[1:] if not line.strip().startswith("#")]
    assert len(commands) == _EXAMPLES.count("  # ") + 1
    for words in commands:
        if words[0] == "python3":
            read(words[2:])
        elif words[-1] != "GATEWAY":
            at = words.index("tiktoken-cache-init")
            load(
                [word for word in words[at + 1 :] if not word.startswith(">")],
                {"TIKTOKEN_CACHE_DIR": "/cache/tiktoken"},
            )


def test_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--version") == f"tiktoken-cache-init {__version__}"
