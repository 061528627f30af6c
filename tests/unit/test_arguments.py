from __future__ import annotations

import pytest

from tiktoken_cache_init import __version__
from tiktoken_cache_init.arguments import Arguments, parse
from tiktoken_cache_init.errors import EXIT_CODES, SettingError
from tiktoken_cache_init.settings import COMMANDS, SETTINGS


def text(*arguments: str) -> str:
    printed = parse(arguments)
    assert isinstance(printed, str)
    return printed


def refusal(*arguments: str) -> str:
    with pytest.raises(SettingError) as caught:
        parse(arguments)
    return str(caught.value)


def test_a_command_line_is_a_command_and_the_values_of_each_option() -> None:
    given = {"mirrors": ["a", "b"], "log": ["json"]}
    assert parse(["verify", "--json", "--log=json"]) == Arguments("verify", {"log": ["json"]}, True)
    assert parse(["--mirror", "a", "--mirror=b", "--log", "json"]) == Arguments("fill", given, False)
    assert parse([]) == parse(["fill"]) == Arguments("fill", {}, False)


def test_each_command_takes_its_options_and_no_others() -> None:
    for name in COMMANDS:
        for setting in SETTINGS:
            if name in setting.commands:
                assert parse([name, setting.option, "x"]) == Arguments(name, {setting.field: ["x"]}, False)
            else:
                assert refusal(name, setting.option, "x").startswith(f"{name} has no option {setting.option}: ")


def test_a_misspelled_option_is_refused_with_the_right_one() -> None:
    for option in [setting.option for setting in SETTINGS]:
        for wrong in (f"{option}x", option.upper(), option.replace("e-d", "e_d")):
            if wrong != option:
                assert refusal(wrong, "value") == f"fill has no option {wrong}: did you mean {option}?"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("EXPOR", "'EXPOR' is no command: did you mean export?"),
        ("zzz", "'zzz' is no command: write one of fill, verify, list, export, path"),
        ("help zzz", "'zzz' is no command: write one of fill, verify, list, export, path"),
        ("--json verify", "the command comes first: write tiktoken-cache-init verify ..."),
        ("export --json", "export has no option --json: see tiktoken-cache-init export --help"),
        ("--hlep", "fill has no option --hlep: did you mean --help?"),
        ("-v tiktoken:/cache/tiktoken", "fill has no option -v: see tiktoken-cache-init fill --help"),
        ("verify --cache-dir --json", "--cache-dir: expected one argument: see tiktoken-cache-init verify --help"),
        ("--json=1", "--json: ignored explicit argument '1': see tiktoken-cache-init fill --help"),
        ("./tiktoken", "unexpected argument './tiktoken': write --cache-dir ./tiktoken"),
        ("/tiktoken", "unexpected argument '/tiktoken': write --cache-dir /tiktoken"),
        ("fill ./tiktoken", "unexpected argument './tiktoken': write --cache-dir ./tiktoken"),
        ("--json stray", "unexpected argument 'stray': see tiktoken-cache-init fill --help"),
        ("export ./x.tar", "unexpected argument './x.tar': see tiktoken-cache-init export --help"),
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
        ("--help|-h|help", "usage: tiktoken-cache-init [COMMAND] "),
        *((f"{name} --help|{name} -h|help {name}", f"usage: tiktoken-cache-init {name} ") for name in COMMANDS),
        ("--version|-V|version", f"tiktoken-cache-init {__version__}\n"),
    ],
)
def test_help_and_version_are_texts_that_fit_a_screen(lines: str, start: str) -> None:
    for line in lines.split("|"):
        printed = text(*line.split())
        assert printed.startswith(start)
        assert max(map(len, printed.splitlines())) <= 80
        assert printed.count("\n") <= 40


def test_the_help_of_a_command_has_its_options_with_their_defaults() -> None:
    pages = {name: " ".join(text("help", name).split()) for name in COMMANDS}
    for name, page in pages.items():
        for setting in SETTINGS:
            assert (f"{setting.option} {setting.metavar} {setting.help}" in page) == (name in setting.commands)
        assert ("HTTPS_PROXY" in page) == (name == "fill")
    for default in ("(300)", "(cl100k_base,o200k_base)", "(fetch,wheel)", "(/cache/tiktoken in the image; "):
        assert default in pages["fill"]
    assert "or 'all' (all)" in pages["list"]
    assert "()" not in pages["fill"]


def test_the_main_help_has_the_commands_and_the_exit_codes() -> None:
    page = " ".join(text("--help").split())
    for table in (COMMANDS, EXIT_CODES):
        for name, meaning in table.items():
            assert f"{name} {meaning}" in page
