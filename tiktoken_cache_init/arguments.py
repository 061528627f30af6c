"""Parser of the command line. The options of a command come from the table of settings."""

import argparse
import re
from collections.abc import Sequence
from typing import NamedTuple

from . import __version__, place
from .errors import EXIT_CODES, SettingError
from .settings import COMMANDS, SETTINGS, default_of
from .values import nearest

_PROGRAM = "tiktoken-cache-init"
_JSON_COMMANDS = ("fill", "verify", "list")

_MAIN_HELP = """\
usage: {program} [COMMAND] [OPTIONS]

Fill a directory with byte-exact tiktoken vocabularies, under the names (cache
keys) that New-API, one-api and other readers of TIKTOKEN_CACHE_DIR look for.

options:
  -h, --help     print this help
  -V, --version  print the version

commands:
{commands}

Without a command, the program runs fill:
  docker run --rm -v tiktoken:/cache/tiktoken {program}
The options of a command:
  {program} COMMAND --help

exit codes:
{codes}
"""
_VARIABLES = """\
An option overrides its variable: TIKTOKEN_CACHE_DIR for --cache-dir,
TIKTOKEN_INIT_LOG for --log, and so on for each other option with a value.
"""
_NETWORK = """\
The variable of --mirror is TIKTOKEN_INIT_MIRRORS.
Also from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, NETRC,
SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE.
"""


class Arguments(NamedTuple):
    """Parsed command line."""

    command: str
    given: dict[str, list[str]]
    """Field of a setting -> values given for its option."""
    json: bool


def parse(arguments: Sequence[str]) -> Arguments | str:
    """Read the command line. Return the text to print instead, if it asks for the help or the version.

    Raises:
        SettingError: a command or an option is unknown or misused.
    """
    command, *words = arguments or ["fill"]
    if command == "help":
        command, *words = *words, "--help"
    if command in ("-h", "--help"):
        return _main_help()
    if command in ("-V", "--version", "version"):
        return f"{_PROGRAM} {__version__}\n"
    if command.startswith(("-", "/", ".")):
        command, words = "fill", [command, *words]
    if command not in COMMANDS:
        guess = nearest(command.lower(), COMMANDS)
        hint = f"did you mean {guess}?" if guess else f"write one of {', '.join(COMMANDS)}"
        raise SettingError(f"'{command}' is no command: {hint}")
    parser = _parser(command)
    try:
        known, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise SettingError(f"{error.argument_name}: {error.message}: see {parser.prog} --help") from None
    if known.help:
        return parser.format_help()
    if unknown:
        raise SettingError(_unknown_word(command, unknown[0]))
    options = vars(known)
    given = {setting.field: options[setting.field] for setting in SETTINGS if options.get(setting.field) is not None}
    return Arguments(command, given, bool(options.get("json")))


def _main_help() -> str:
    commands, codes = (
        "\n".join(f"  {name:<8} {meaning}" for name, meaning in table.items()) for table in (COMMANDS, EXIT_CODES)
    )
    return _MAIN_HELP.format(program=_PROGRAM, commands=commands, codes=codes)


def _parser(command: str) -> argparse.ArgumentParser:
    purpose = COMMANDS[command]
    parser = argparse.ArgumentParser(
        prog=f"{_PROGRAM} {command}",
        usage=f"{_PROGRAM} {command} [OPTIONS]",
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=_VARIABLES + _NETWORK * (command == "fill"),
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=80),
        allow_abbrev=False,
        add_help=False,
        exit_on_error=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="print this help")
    for setting in SETTINGS:
        if command in setting.commands:
            default = default_of(setting, command) or setting.default_note.replace("`", "")
            text = f"{setting.help} ({default})" if default else setting.help
            parser.add_argument(setting.option, dest=setting.field, metavar=setting.metavar, action="append", help=text)
    if command in _JSON_COMMANDS:
        parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    return parser


def _unknown_word(command: str, word: str) -> str:
    """Return why a word after the command is refused, and what to write."""
    if word in COMMANDS:
        return f"the command comes first: write {_PROGRAM} {word} ..."
    hint = f"see {_PROGRAM} {command} --help"
    if not word.startswith("-"):
        if word.startswith(("/", ".")) and command != "export":
            hint = f"write --cache-dir {word}"
        return f"unexpected argument '{word}': {hint}"
    # Show only the name, because the text after it may be a secret.
    name = re.findall("^-*[A-Za-z_-]*", word)[0]
    options = [*(setting.option for setting in SETTINGS if command in setting.commands), "--help"]
    if command in _JSON_COMMANDS:
        options.append("--json")
    if guess := nearest(name.lower().replace("_", "-"), options):
        hint = f"did you mean {guess}?"
    elif place.in_container() and not place.in_pod():
        hint += " (an option of docker run comes before the image's name)"
    return f"{command} has no option {name}: {hint}"
