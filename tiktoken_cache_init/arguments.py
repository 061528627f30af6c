"""The command line's flags and its help, built from the table of settings. Only a run with arguments imports this."""

from __future__ import annotations

import argparse
import itertools

from . import __version__
from .errors import EXIT_CODES, BadSetting
from .redaction import shown
from .settings import COMMANDS, SETTINGS
from .terminal import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_STANDARD_OUTPUT = 1

_EXAMPLES = """\
examples:
  # fill a volume from the image, and mount it in the gateway, as TIKTOKEN_CACHE_DIR
  docker run --rm -v tiktoken:/cache/tiktoken tiktoken-cache-init
  docker run -d -v tiktoken:/cache/tiktoken:ro -e TIKTOKEN_CACHE_DIR=/cache/tiktoken GATEWAY
  # every encoding, a setting by its variable
  docker run --rm -v tiktoken:/cache/tiktoken -e TIKTOKEN_INIT_ENCODINGS=all tiktoken-cache-init
  # what would a gateway do that runs as user 1000?
  docker run --rm -v tiktoken:/cache/tiktoken:ro tiktoken-cache-init verify --as 1000:1000
  # carry it elsewhere
  docker run --rm -v tiktoken:/cache/tiktoken:ro tiktoken-cache-init export >cache.tar
  # on a host, from a mirror and nowhere else
  python3 entrypoint.py --cache-dir ./tiktoken --mirror https://mirror.example/tiktoken --origin off
"""
_WIDEST = 100
"""Columns."""
_OFTEN_MEANT = {
    "help": "--help",
    "version": "--version",
    "doctor": "verify",
    "check": "verify",
    "status": "verify",
    "test": "verify",
    "run": "fill",
    "init": "fill",
    "start": "fill",
}
"""Words that people write as a command, and what they mean."""


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = max(40, min(columns(_STANDARD_OUTPUT), _WIDEST) - 2)
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=width)


def _build() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<8} {text}" for name, text in COMMANDS.items())
    codes = "\n".join(f"  {code:<6} {text}" for code, text in EXIT_CODES.items())
    parser = argparse.ArgumentParser(
        prog="tiktoken-cache-init",
        usage="tiktoken-cache-init [fill|verify|list|export] [flags]",
        description=(
            "Fill a folder with byte-exact tiktoken vocabularies, under the names (cache keys)\n"
            "that their readers look for.\n\n"
            f"commands:\n{commands}\n\n"
            "Each flag has a variable, in [BRACKETS] here. Where both are given, the flag wins."
        ),
        epilog=(
            f"{_EXAMPLES}\nexit codes:\n{codes}\n\n"
            "proxies and trust, as for curl and pip:\n"
            "  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR\n\n"
            "The README has the rest: quick starts, the contract, and what each message means."
        ),
        formatter_class=_formatter,
        allow_abbrev=False,
        add_help=False,
        exit_on_error=False,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for setting in SETTINGS:
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(setting.group)
        default = setting.default_note.replace("`", "") or setting.default
        shown_default = f" (default: {default})" if default else ""
        groups[setting.group].add_argument(
            setting.flag,
            dest=setting.field,
            metavar=setting.value,
            action="append",
            help=f"{setting.help}{shown_default} [{setting.variable}]".replace("%", "%%"),
        )
    groups["output"].add_argument(
        "--json", action="store_true", help="fill, verify, list: the result as JSON on standard output"
    )
    groups["output"].add_argument("-h", "--help", action="help", help="print this and exit")
    version = f"tiktoken-cache-init {__version__}"
    groups["output"].add_argument("--version", action="version", version=version, help="print the version and exit")
    return parser


def read(arguments: Sequence[str]) -> tuple[str, dict[str, list[str]], bool]:
    """Return the command, the texts given for each flag by the setting's field, and whether ``--json`` was given.

    Raises:
        BadSetting: an unknown command or flag, or a flag without its value.
        SystemExit: ``--help`` or ``--version`` was asked for and has been printed.
    """
    command, rest = "fill", list(arguments)
    if rest and not rest[0].startswith("-"):
        command = rest.pop(0)
        if command not in COMMANDS:
            raise BadSetting(_no_command(command))
    if "--" in rest:
        raise BadSetting("'--' has no meaning here: there are only flags")
    parser = _build()
    try:
        known, unknown = parser.parse_known_args(rest)
    except argparse.ArgumentError as error:
        raise BadSetting(_misused(error)) from None
    if unknown:
        if not unknown[0].startswith("-") and unknown[0] not in COMMANDS:
            raise BadSetting(f"'{shown(unknown[0])}' belongs to no flag: see --help")
        # Only what a flag's name can be: what follows may be a value, and have a password in it.
        word = "".join(itertools.takewhile(lambda c: c.isalnum() or c in "-_", unknown[0]))
        if word in COMMANDS:
            raise BadSetting(f"'{word}' comes first: tiktoken-cache-init {word} ...")
        from .spelling import nearest

        flags = [option for action in parser._actions for option in action.option_strings]
        guess = nearest(word, flags)
        raise BadSetting(f"no flag '{word}'" + (f": did you mean {guess}?" if guess else ": see --help"))
    # argparse makes a list of an empty value out of "--flag=--".
    for setting in SETTINGS:
        if any(not isinstance(text, str) for text in getattr(known, setting.field) or ()):
            raise BadSetting(f"{setting.flag}: '--' is no value")
    given = {name: texts for name, texts in vars(known).items() if name != "json" and texts is not None}
    return command, given, bool(known.json)


def _no_command(word: str) -> str:
    if "/" in word or word.startswith("."):
        return f"'{shown(word)}' is no command: to name the folder, write --cache-dir {shown(word)}"
    from .spelling import nearest

    guess = _OFTEN_MEANT.get(word) or nearest(word, COMMANDS)
    hint = f"did you mean '{guess}'?" if guess else f"write one of {', '.join(COMMANDS)}"
    return f"no command '{shown(word)}': {hint}"


def _misused(error: argparse.ArgumentError) -> str:
    for setting in SETTINGS:
        if setting.flag == error.argument_name:
            return f"{setting.flag}: its value is missing: write {setting.flag} {setting.value}"
    return f"{error.argument_name} takes no value: write it alone"
