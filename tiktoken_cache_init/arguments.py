"""Parser of the command line, with one subcommand for each command. It is built from the table of settings."""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from . import __version__, catalogue, place
from .errors import EXIT_CODES, SettingError
from .settings import COMMANDS, SETTINGS, default_of
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
_OPTIONS = {
    "cache": "--cache-dir",
    "dir": "--cache-dir",
    "directory": "--cache-dir",
    "output": "--cache-dir",
    "path": "--cache-dir",
    "model": "--encodings",
    "models": "--encodings",
    "url": "--mirror",
    "offline": "--origin off",
    "chmod": "--mode",
    "uid": "--owner",
    "cacert": "--ca",
    "log-format": "--log",
    "proxy": "the variable HTTPS_PROXY",
}
"""Wrong option -> the option that the user probably means, for names that `nearest` does not find."""
_EXPORT = "export writes to standard output: write export >FILE"
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
    words = ["--help" if word == "-help" else word for word in arguments]
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    elif words[:1] == ["version"]:
        words = ["--version"]
    if words and words[0] not in ("-h", "--help", "-V", "--version"):
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
        self.add_argument("-V", "--version", action=_Version, nargs=0, help="print the version")

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
    named = {setting.option: setting.variable for setting in SETTINGS if command in setting.commands}
    irregular = "".join(
        f"  {option:<12} {named[option]}\n" for option in ("--cache-dir", "--mirror") if option in named
    )
    return (
        f"variables (an option overrides its variable):\n{irregular}"
        f"  --log        {named['--log']}, and so on for each other option with a value\n"
    )


def _add_options(parser: _Parser, command: str) -> None:
    for setting in SETTINGS:
        if command in setting.commands:
            default = default_of(setting, command) or setting.default_note.replace("`", "")
            parser.add_argument(
                setting.option,
                dest=setting.field,
                metavar=setting.metavar,
                action="append",
                help=setting.help + f" ({default})" * bool(default),
            )
    if command in _JSON:
        parser.add_argument("--json", action="store_true", help=_JSON[command])


def _unknown_command(word: str) -> str:
    if hint := _meant_option(word, "fill"):
        return f"unexpected argument '{word}': {hint}"
    guess = _CORRECTIONS.get(word.lower()) or nearest(word.lower(), COMMANDS)
    return f"'{word}' is no command: " + (f"did you mean {guess}?" if guess else f"write one of {', '.join(COMMANDS)}")


def _unknown_option(command: str, word: str) -> str:
    if word in COMMANDS:
        return f"the command comes first: write {_PROGRAM} {word} ..."
    if not word.startswith("-"):
        return f"unexpected argument '{word}': {_meant_option(word, command) or f'see {_PROGRAM} {command} --help'}"
    # Show only the name, because the text after it may be a secret.
    name, rest = re.findall("(?s)^(-*[A-Za-z_-]*)(.*)", word)[0]
    options = {setting.option: setting.commands for setting in SETTINGS} | {"--json": tuple(_JSON)}
    if command not in options.get(name, (command,)):
        return f"{command} takes no {name}: leave it out (it belongs to {', '.join(options[name])})"
    return f"there is no option {name}{'...' if rest and not rest.startswith('=') else ''}: {_option_hint(command, name, options)}"


def _option_hint(command: str, name: str, options: Iterable[str]) -> str:
    bare = name.strip("-").lower().replace("_", "-")
    if command == "export" and bare in ("o", "output", "f", "file"):
        return _EXPORT
    if bare in (*COMMANDS, "help", "version"):
        return f"did you mean the command {bare}?"
    if guess := _OPTIONS.get(bare) or nearest(bare, (option.strip("-") for option in options)):
        return f"did you mean {guess if guess in _OPTIONS.values() else f'--{guess}'}?"
    hint = f"see {_PROGRAM} {command} --help"
    engine = place.in_container() and not place.in_pod()
    return f"{hint} (an option of docker run comes before the image's name)" if engine else hint


def _meant_option(word: str, command: str) -> str:
    """Return which option takes a word that was given without one, or an empty string."""
    if command == "export":
        return _EXPORT
    commands = {setting.option: setting.commands for setting in SETTINGS}
    names = [known.name for known in catalogue.ENCODINGS]
    if "://" in word:
        option, value = "--mirror", word
    elif "/" in word or word.startswith("."):
        option, value = "--cache-dir", word
    elif word == "all" or set(word.split(",")) <= set(names):
        option, value = "--encodings", word
    elif encoding := catalogue.encoding_of_model(word.lower()):
        option, value = "--encodings", encoding.name
    else:
        return ""
    return f"write {option} {value}" if command in commands[option] else ""
