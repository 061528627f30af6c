from __future__ import annotations

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
    assert parse(["--cache-dir", "x"]).command == parse([]).command == "fill"
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


@pytest.mark.parametrize("setting", SHOWN, ids=lambda setting: setting.field)
def test_a_misspelled_option_is_refused_with_the_right_one(setting: object) -> None:
    [option] = [known.option for known in SETTINGS if known is setting]
    for wrong in (f"{option}x", option.upper(), option.replace("-", "_").replace("__", "--", 1)):
        if wrong != option:
            assert refusal(wrong, "value") == f"there is no option {wrong}: did you mean {option}?"


HELP = "see tiktoken-cache-init fill --help"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # Commands.
        ("verfy", "'verfy' is no command: did you mean verify?"),
        ("EXPORT", "'EXPORT' is no command: did you mean export?"),
        ("doctor", "'doctor' is no command: did you mean verify?"),
        ("zzz", "'zzz' is no command: write one of fill, verify, list, export, path"),
        ("help zzz", "'zzz' is no command: write one of fill, verify, list, export, path"),
        ("--json verify", "the command comes first: write tiktoken-cache-init verify ..."),
        # Options.
        ("--deadlin 5", "there is no option --deadlin: did you mean --deadline?"),
        ("--dir /x", "there is no option --dir: did you mean --cache-dir?"),
        ("--offline", "there is no option --offline: did you mean --origin off?"),
        ("--Verify", "there is no option --Verify: did you mean the command verify?"),
        ("-version", "there is no option -version: did you mean the command version?"),
        ("-q", f"there is no option -q: {HELP}"),
        ("-v tiktoken:/cache/tiktoken", f"there is no option -v: {HELP}"),
        ("-?", f"there is no option -...: {HELP}"),
        ("--cache-dir", f"--cache-dir: expected one argument: {HELP}"),
        ("verify --cache-dir --json", "--cache-dir: expected one argument: see tiktoken-cache-init verify --help"),
        ("--json=1", f"--json: ignored explicit argument '1': {HELP}"),
        # Words without their option.
        ("./tiktoken", "unexpected argument './tiktoken': write --cache-dir ./tiktoken"),
        ("fill ./tiktoken", "unexpected argument './tiktoken': write --cache-dir ./tiktoken"),
        ("verify .", "unexpected argument '.': write --cache-dir ."),
        ("list /x", "unexpected argument '/x': see tiktoken-cache-init list --help"),
        ("gpt2,r50k_base", "unexpected argument 'gpt2,r50k_base': write --encodings gpt2,r50k_base"),
        ("list all", "unexpected argument 'all': write --encodings all"),
        ("fill GPT-4o", "unexpected argument 'GPT-4o': write --encodings o200k_base"),
        ("http://a.example", "unexpected argument 'http://a.example': write --mirror http://a.example"),
        ("verify http://a", "unexpected argument 'http://a': see tiktoken-cache-init verify --help"),
        ("--json stray", f"unexpected argument 'stray': {HELP}"),
        ("export x.tar", "unexpected argument 'x.tar': export writes to standard output: write export >FILE"),
        ("export -o x.tar", "there is no option -o: export writes to standard output: write export >FILE"),
    ],
)
def test_a_natural_mistake_is_refused_with_what_to_write(line: str, said: str) -> None:
    assert refusal(*line.split(" ")) == said


def test_in_a_container_an_option_of_the_engine_is_refused_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.in_container", lambda: True)
    assert refusal("-v", "x:/y").endswith("--help (an option of docker run comes before the image's name)")
    monkeypatch.setattr("tiktoken_cache_init.place.in_pod", lambda: True)
    assert refusal("-v", "x:/y").endswith("--help")


@pytest.mark.parametrize("between", ["=", ":", "\n", " "])
def test_the_value_of_an_unknown_option_is_not_repeated(between: str) -> None:
    said = refusal(f"--mirrorr{between}http://user:secret@mirror.example")
    assert "secret" not in said
    assert said.endswith("did you mean --mirror?")


# Help.


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        ("--help|-h|-help|help", "usage: tiktoken-cache-init [COMMAND] "),
        *((f"{name} --help|{name} -h|help {name}", f"usage: tiktoken-cache-init {name} ") for name in COMMANDS),
        ("--version|-V|version|verify --version", f"tiktoken-cache-init {__version__}\n"),
    ],
)
def test_help_and_version_are_printed_in_any_environment(lines: str, start: str) -> None:
    wrong = {"TIKTOKEN_INIT_MODE": "x", "TIKTOKEN_CACHE_DIR": "", "TIKTOKEN_CACHEDIR": "/x"}
    for line in lines.split("|"):
        ended = command(*line.split(), environment=wrong)
        assert (ended.code, ended.stderr) == (0, "")
        assert ended.stdout.decode().startswith(start)


@pytest.mark.parametrize("page", [[], *([name] for name in COMMANDS)], ids=str)
def test_every_help_page_fits_80_columns_and_a_screen(page: list[str]) -> None:
    lines = parse([*page, "--help"]).text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 32


def test_the_help_of_a_command_has_its_options_with_their_defaults() -> None:
    for name in COMMANDS:
        text = " ".join(parse([name, "--help"]).text.split())
        for setting in SETTINGS:
            shown = f"{setting.option} {setting.metavar} {setting.help}" in text
            assert shown == (name in setting.commands and bool(setting.help)), setting.option
    for default in (
        "(300)",
        "(cl100k_base,o200k_base)",
        "(fetch,wheel)",
        "(/cache/tiktoken in the image; ",
    ):
        assert default in " ".join(parse(["fill", "--help"]).text.split())
    assert "or 'all' (all)" in parse(["list", "--help"]).text


def test_the_main_help_has_the_commands_and_the_exit_codes() -> None:
    text = " ".join(parse(["--help"]).text.split())
    for table in (COMMANDS, EXIT_CODES):
        for name, meaning in table.items():
            assert f"{name} {meaning}" in text
