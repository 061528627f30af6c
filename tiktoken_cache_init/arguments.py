"""Parser of the command line, with one subcommand for each command. It is built from the table of settings."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from . import __version__
from .errors import EXIT_CODES, SettingError
from .settings import COMMANDS, SETTINGS
from .values import nearest

_PROGRAM = "tiktoken-cache-init"
_CORRECTIONS = {
    "doctor": "verify",
    "check": "verify",
    "status": "verify",
    "test": "verify",
    "run": "fill",
    "init": "fill",
}
"""Wrong command -> the command that the user probably means."""
_JSON = {
    "fill": "the result as JSON on stdout",
    "verify": "the result as JSON",
    "list": "the same as JSON, with digests",
}

_MAIN_EPILOG = """\
Without a command, the program runs fill:
  docker run --rm -v tiktoken:/cache/tiktoken {program}
The options of a command:
  {program} COMMAND --help

exit codes:
{codes}
"""
_VARIABLES = "Each option that takes a value has a variable. It wins over the variable.\n"
_NETWORK = """\
Also from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, NETRC,
SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE.
"""


class Arguments(NamedTuple):
    """Parsed command line."""

    command: str
    given: dict[str, list[str]]
    """Field of a setting -> values given for its option."""
    json: bool
    text: str = ""
    """Text of ``--help`` or ``--version``, to print instead of running a command; else empty."""


def parse(arguments: Sequence[str]) -> Arguments:
    """Read the command line.

    Raises:
        SettingError: a command or an option is unknown or misused.
    """
    words = list(arguments)
    if words and words[0] not in ("-h", "--help", "--version"):
        if words[0].startswith("-"):
            words.insert(0, "fill")
        elif words[0] not in COMMANDS:
            raise SettingError(_unknown_command(words[0]))
    try:
        known, unknown = _parser().parse_known_args(words)
    except _TextRequested as request:
        return Arguments("", {}, False, str(request))
    if unknown:
        raise SettingError(_unknown_option(known.command, unknown[0]))
    options = vars(known)
    given = {setting.field: options[setting.field] for setting in SETTINGS if options.get(setting.field) is not None}
    return Arguments(known.command or "fill", given, bool(options.get("json")))


class _TextRequested(Exception):
    """The user asked for the help or the version. argparse would print it itself and ignore a full disk."""


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        raise _TextRequested(parser.format_help())


class _Version(argparse.Action):
    def __call__(self, *_: Any) -> None:
        raise _TextRequested(f"{_PROGRAM} {__version__}\n")


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_formatter, allow_abbrev=False, add_help=False, **options)
        self.add_argument("-h", "--help", action=_Help, nargs=0, help="print this help")
        self.add_argument("--version", action=_Version, nargs=0, help="print the version")

    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message.removeprefix('argument ')}: see {self.prog} --help")


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=27, width=80)


def _parser() -> _Parser:
    codes = "\n".join(f"  {code:<6} {meaning}" for code, meaning in EXIT_CODES.items())
    main = _Parser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} [COMMAND] [OPTIONS]",
        description="Fill a directory with byte-exact tiktoken vocabularies, under the names (cache\n"
        "keys) that New-API, one-api and other readers of TIKTOKEN_CACHE_DIR look for.",
        epilog=_MAIN_EPILOG.format(program=_PROGRAM, codes=codes),
    )
    commands = main.add_subparsers(dest="command", title="commands", metavar="", parser_class=_Parser)
    for command, purpose in COMMANDS.items():
        _add_options(
            commands.add_parser(
                command,
                help=purpose,
                prog=f"{_PROGRAM} {command}",
                usage=f"{_PROGRAM} {command} [OPTIONS]",
                description=f"{purpose[0].upper()}{purpose[1:]}.",
                epilog=_variables(command) + (_NETWORK if command == "fill" else ""),
            ),
            command,
        )
    return main


def _variables(command: str) -> str:
    irregular = [s for s in SETTINGS if command in s.commands and s.option in ("--cache-dir", "--mirror")]
    lines = "".join(f"  {setting.option:<12} {setting.variable}\n" for setting in irregular)
    others = "any other" if irregular else "each option"
    return f"{_VARIABLES}{lines}  {others:<12} TIKTOKEN_INIT_..., such as TIKTOKEN_INIT_LOG for --log\n"


def _add_options(parser: _Parser, command: str) -> None:
    for setting in SETTINGS:
        if command in setting.commands:
            default = f" ({setting.default})" if setting.default and len(setting.default) < 10 else ""
            parser.add_argument(
                setting.option,
                dest=setting.field,
                metavar=setting.metavar,
                action="append",
                help=f"{setting.help}{default}" if setting.help else argparse.SUPPRESS,
            )
    if command in _JSON:
        parser.add_argument("--json", action="store_true", help=_JSON[command])


def _unknown_command(word: str) -> str:
    if "/" in word or word.startswith("."):
        return f"'{word}' is no command: to name the directory, write --cache-dir {word}"
    guess = _CORRECTIONS.get(word) or nearest(word, COMMANDS)
    return f"'{word}' is no command: " + (f"did you mean {guess}?" if guess else f"write one of {', '.join(COMMANDS)}")


def _unknown_option(command: str, word: str) -> str:
    if word in COMMANDS:
        return f"the command comes first: write {_PROGRAM} {word} ..."
    if not word.startswith("-"):
        return f"unexpected argument '{word}': see {_PROGRAM} {command} --help"
    # Show only the name, because the text after it may be a secret.
    name, rest = re.findall("(?s)^([a-z-]+)(.*)", word)[0]
    commands = {setting.option: setting.commands for setting in SETTINGS if setting.help} | {"--json": tuple(_JSON)}
    if command not in commands.get(name, (command,)):
        return f"{command} takes no {name}: leave it out (it belongs to {', '.join(commands[name])})"
    guess = nearest(name, commands)
    name += "..." if rest and not rest.startswith("=") else ""
    return f"there is no option {name}: " + (f"did you mean {guess}?" if guess else f"see {_PROGRAM} {command} --help")
