"""The command line's flags and its help, built from the table of settings. Only a run with arguments imports this."""

from __future__ import annotations

import argparse
import itertools

from . import __version__
from .errors import EXIT_CODES, BadSetting
from .redaction import shown
from .settings import COMMANDS, SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_EXAMPLES = """\
examples:
  tiktoken-cache-init --cache-dir ./tiktoken
  tiktoken-cache-init verify --cache-dir ./tiktoken
  tiktoken-cache-init --cache-dir ./tiktoken --mirror https://mirror.example/tiktoken --origin off
  docker run --rm -v tiktoken:/cache/tiktoken tiktoken-cache-init
  docker run --rm -v tiktoken:/cache/tiktoken tiktoken-cache-init export >cache.tar
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadSetting(message)


def _build() -> _Parser:
    commands = "\n".join(f"  {name:<8} {text}" for name, text in COMMANDS.items())
    codes = "\n".join(f"  {code:<6} {text}" for code, text in EXIT_CODES.items())
    parser = _Parser(
        prog="tiktoken-cache-init",
        usage="tiktoken-cache-init [fill|verify|list|export] [flags]",
        description=f"Fill a folder with byte-exact tiktoken vocabularies under their cache keys.\n\ncommands:\n{commands}",
        epilog=(
            f"{_EXAMPLES}\nexit codes:\n{codes}\n\n"
            "proxies and trust: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
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
        "--json", action="store_true", help="fill, verify, list: the result as JSON on stdout"
    )
    groups["output"].add_argument("-h", "--help", action="help", help="print this and exit")
    groups["output"].add_argument("--version", action="version", version=f"tiktoken-cache-init {__version__}")
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
            from .spelling import nearest

            guess = nearest(command, COMMANDS)
            hint = f"did you mean '{guess}'?" if guess else f"write one of {', '.join(COMMANDS)}"
            raise BadSetting(f"no command '{command}': {hint}")
    if "--" in rest:
        raise BadSetting("'--' has no meaning here: there are only flags")
    parser = _build()
    known, unknown = parser.parse_known_args(rest)
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
