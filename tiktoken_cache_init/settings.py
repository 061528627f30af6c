"""Flags and environment -> one checked `Settings`.

`SETTINGS` is the only place where a setting is named: the parser, the help text, the check for misspelled variables and
the table in the README all come from it. A flag wins over its variable. An empty ``TIKTOKEN_INIT_`` variable counts as
unset, because compose files pass ``${NAME:-}``.
"""

from __future__ import annotations

import os

from . import catalogue
from .catalogue import Encoding, Vocabulary
from .errors import BadSetting
from .light import NamedTuple
from .redaction import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

COMMANDS = {
    "fill": "put right what is missing or wrong in the folder (the default)",
    "verify": "say what each file is, what a gateway would do with it, and the cure",
    "list": "print the catalogue: encodings, files, cache keys, digests, models",
    "export": "write the ready cache to standard output as a tar",
}

SOURCES = ("baked", "fetch", "wheel")
LAYOUTS = ("cache", "published", "both")
DEFAULT_BAKED_DIR = "/vocabularies"
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
    owner: tuple[int, int | None] | None
    """(user id, group id or None to leave the group), or None to leave both."""
    layout: str
    reader: tuple[int, int | None] | None
    """For `verify`: (user id, group id or None) of the consumer, or None for any user at all."""

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
    each: Callable[[str], Any] | None = None
    """Parses one use of a flag that may be used several times; None for all others."""
    empty: Any = ""
    """What it is where neither given nor defaulted."""
    default_note: str = ""
    """How the default is described where its text alone would not say it."""


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _parse_cache_dir(text: str) -> str:
    bare = text.strip().strip("\"'").strip()
    if not bare:
        raise BadSetting("it is empty: name the folder that the consumer mounts, as in '/cache/tiktoken'")
    if bare != text:
        raise BadSetting(
            f"a stray space or quote: write '{bare}' (the consumer would look in a folder that is really called {text!r})"
        )
    if "\0" in text or "\n" in text:
        raise BadSetting("a line end or a NUL inside a path")
    if text.startswith("~"):
        raise BadSetting(f"nothing expands the '~' here: write '{os.path.expanduser(text)}'")
    return text


def _parse_cache_dir_variable(text: str) -> str:
    path = _parse_cache_dir(text)
    if not os.path.isabs(path):
        raise BadSetting(
            "a relative folder, and each program takes it from its own working directory: "
            f"write '{_absolute(path)}' or whatever absolute path the consumer mounts"
        )
    return path


def in_image() -> bool:
    """Whether this is the image, which is known by the folder that it alone brings along."""
    return os.path.isdir(DEFAULT_BAKED_DIR)


def _absolute(path: str) -> str:
    if in_image():
        return "/cache/tiktoken"  # where the working directory means nothing
    try:
        return os.path.abspath(path)
    except FileNotFoundError:  # the working directory is gone
        return f"/{path}"


def _parse_encodings(text: str) -> tuple[Encoding, ...]:
    names = _words(text)
    if not names:
        raise BadSetting("no encoding named: write names, or 'all'")
    named = tuple(dict.fromkeys(catalogue.encoding(name) for name in names if name != "all"))
    return catalogue.ENCODINGS if "all" in names else named


def _parse_sources(text: str) -> tuple[str, ...]:
    names = _words(text)
    if not names:
        raise BadSetting(f"no source named: write one or more of {', '.join(SOURCES)}")
    return tuple(dict.fromkeys(_one_of(SOURCES, name) for name in names))


def _one_of(known: tuple[str, ...], text: str) -> str:
    if text in known:
        return text
    from .spelling import nearest

    guess = nearest(text.lower(), known)
    hint = f"did you mean '{guess}'? There are" if guess else "write one of"
    raise BadSetting(f"'{text}' is not known: {hint} {', '.join(known)}")


def _parse_choice(*known: str) -> Callable[[str], str]:
    return lambda text: _one_of(known, text)


_SWITCH = {"on": True, "off": False}


def _parse_switch(text: str) -> bool:
    if text in _SWITCH:
        return _SWITCH[text]
    meant = {"1": "on", "true": "on", "yes": "on", "0": "off", "false": "off", "no": "off"}.get(text.lower())
    raise BadSetting(
        f"'{text}' is not known: write '{meant}'" if meant else f"'{text}' is not known: write 'on' or 'off'"
    )


_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
_BYTES = {
    "b": 1,
    "k": 1 << 10,
    "kb": 1 << 10,
    "kib": 1 << 10,
    "m": 1 << 20,
    "mb": 1 << 20,
    "mib": 1 << 20,
    "g": 1 << 30,
}
_UNITS = {"seconds": _SECONDS, "bytes": _BYTES, "bytes a second": _BYTES}
_MOST_NUMBER = 1e12


def _parse_number(least: float, unit: str, *, whole: bool = False) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            number: float = int(text) if whole else float(text)
        except ValueError:
            raise BadSetting(f"'{text}' is not a number of {unit}{_in_units(text, unit)}") from None
        # Written so that a NaN fails it too.
        if not least <= number < _MOST_NUMBER:
            raise BadSetting(f"'{text}' is out of range: write a number of {unit} from {least:g} on")
        return number

    return parse


def _in_units(text: str, unit: str) -> str:
    digits = text.lower().rstrip("abcdefghijklmnopqrstuvwxyz ")
    factor = _UNITS.get(unit, {}).get(text.lower()[len(digits) :].strip())
    if factor is None or not digits.isdigit():
        return ": write digits only"
    return f": write '{int(digits) * factor}'"


def _parse_mirror(text: str) -> str:
    if "://" not in text:
        if text.startswith(("http:", "https:", "file:")):
            scheme, _, rest = text.partition(":")
            raise BadSetting(f"its slashes are missing: write '{shown(scheme + '://' + rest.lstrip('/'))}'")
        if not text.startswith(("/", ".")) and ("." in text.partition("/")[0] or ":" in text):
            word = shown(text)
            raise BadSetting(f"'{word}' names no scheme: write 'https://{word}', or './{word}' for a folder")
        return text
    scheme = text.partition("://")[0].lower()
    if scheme not in ("http", "https", "file"):
        from .spelling import nearest

        right = nearest(scheme, ("http", "https", "file")) or "https"
        raise BadSetting(
            f"'{shown(text)}': a mirror is http://, https://, file:// or a folder; did you mean '{right}://'?"
        )
    if scheme == "file":
        host = text.partition("://")[2].partition("/")[0]
        if host not in ("", "localhost"):
            raise BadSetting(
                f"'{shown(text)}' names a host: mount its folder here, and write 'file:///FOLDER' or '/FOLDER'"
            )
    elif problem := url_problem(text):
        raise BadSetting(f"'{shown(text)}' {problem}")
    return text


def url_problem(url: str) -> str:
    """Say in a few words why a URL leads to no server, or return an empty text."""
    from urllib.parse import urlsplit

    if any(character.isspace() or not character.isprintable() for character in url):
        return "has a space or a control character in it"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has no valid host and port: write HOST, HOST:PORT or [IPV6]:PORT, the port from 1 to 65535"
    if not host:
        return "names no host"
    return "has the port 0" if port == 0 else ""


def _parse_mirrors(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_parse_mirror(word) for word in _words(text)))


def _parse_extra(text: str) -> tuple[Vocabulary, ...]:
    return tuple(dict.fromkeys(_parse_one_extra(word) for word in _words(text)))


def _parse_one_extra(text: str) -> Vocabulary:
    url, mark, digest = text.rpartition("#sha256=")
    if not mark or not url:
        raise BadSetting(f"'{shown(text)}': write 'URL#sha256=HEX', the URL that the consumer asks for and its digest")
    digest = digest.lower()
    # The limit is another setting; `load` puts it in when both are known.
    vocabulary = Vocabulary(url, digest, None, 0)
    name = vocabulary.published_name
    if not url.startswith(("http://", "https://")) or url_problem(url) or name in ("", ".", ".."):
        raise BadSetting(f"'{shown(url)}' is not the http(s) URL of a file")
    from .leftovers import PREFIX

    if name.startswith(PREFIX):
        raise BadSetting(f"'{shown(url)}': names that begin with {PREFIX} are those of temporary files")
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise BadSetting(f"'{shown(url)}': a SHA-256 digest is 64 hex digits, this has {len(digest)} characters")
    # What is in the catalogue is known better than by its digest alone.
    return next((v for v in catalogue.VOCABULARIES if (v.url, v.sha256) == (url, digest)), vocabulary)


def _parse_mode(most: int, least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        digits = text.removeprefix("0o")
        if not digits or digits.strip("01234567") or int(digits, 8) > most:
            raise BadSetting(
                f"'{text}' is not an octal mode: write digits as in '{'0644' if most == 0o777 else '0755'}'"
            )
        if int(digits, 8) & least != least:
            raise BadSetting(f"mode '{text}' would keep the owner from reading: it takes at least {least:04o}")
        return int(digits, 8)

    return parse


def _parse_owner(text: str) -> tuple[int, int | None] | None:
    if not text:
        return None
    user, mark, group = text.partition(":")
    if not _is_id(user) or (mark and not _is_id(group)):
        raise BadSetting(f"'{text}' is not UID or UID:GID in digits, as in '1000:1000'")
    return int(user), int(group) if mark else None


def _is_id(text: str) -> bool:
    # The largest 32-bit value means "leave it as it is" to chown(2).
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 0xFFFFFFFF


def _parse_path(text: str) -> str:
    return text


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
        _parse_cache_dir,
        _WHAT,
        default_note="`/cache/tiktoken` in the image; must be given on a host",
    ),
    Setting(
        "encodings",
        "TIKTOKEN_INIT_ENCODINGS",
        "--encodings",
        "NAMES",
        "cl100k_base,o200k_base",
        "encodings to provide, by comma or space, or 'all'; the command list prints them",
        _parse_encodings,
        _WHAT,
    ),
    Setting(
        "extra",
        "TIKTOKEN_INIT_EXTRA",
        "--extra",
        "URL#sha256=HEX",
        "",
        "private vocabularies beside the encodings: the URL that their consumer asks for, and #sha256=HEX",
        _parse_extra,
        _WHAT,
        each=_parse_one_extra,
        empty=(),
    ),
    Setting(
        "extra_limit",
        "TIKTOKEN_INIT_EXTRA_LIMIT",
        "--extra-limit",
        "BYTES",
        "67108864",
        "the most bytes that a private vocabulary may have",
        _parse_number(1, "bytes", whole=True),
        _WHAT,
    ),
    Setting(
        "sources",
        "TIKTOKEN_INIT_SOURCES",
        "--sources",
        "NAMES",
        "",
        "where bytes come from, in order: baked, fetch, wheel",
        _parse_sources,
        _WHERE_FROM,
        empty=(),
        default_note="`baked,fetch` in the image; `fetch,wheel` on a host",
    ),
    Setting(
        "baked_dir",
        "TIKTOKEN_INIT_BAKED_DIR",
        "--baked-dir",
        "DIR",
        DEFAULT_BAKED_DIR,
        "the folder of the baked vocabularies",
        _parse_path,
        _WHERE_FROM,
    ),
    Setting(
        "mirrors",
        "TIKTOKEN_INIT_MIRRORS",
        "--mirror",
        "BASE",
        "",
        "stands in for the origin's base URL: http(s)://, file:// or a folder; several, in order",
        _parse_mirrors,
        _WHERE_FROM,
        each=_parse_mirror,
        empty=(),
    ),
    Setting(
        "origin",
        "TIKTOKEN_INIT_ORIGIN",
        "--origin",
        "on|off",
        "on",
        "whether the origin is tried after the mirrors",
        _parse_switch,
        _WHERE_FROM,
    ),
    Setting(
        "deadline",
        "TIKTOKEN_INIT_DEADLINE",
        "--deadline",
        "SECONDS",
        "300",
        "seconds for the whole run, whatever it waits for",
        _parse_number(0.001, "seconds"),
        _NETWORK,
    ),
    Setting(
        "connect_timeout",
        "TIKTOKEN_INIT_CONNECT_TIMEOUT",
        "--connect-timeout",
        "SECONDS",
        "5",
        "seconds to reach a mirror before the next is tried",
        _parse_number(0.001, "seconds"),
        _NETWORK,
    ),
    Setting(
        "stall_timeout",
        "TIKTOKEN_INIT_STALL_TIMEOUT",
        "--stall-timeout",
        "SECONDS",
        "15",
        "a transfer that stays under the least speed for so many seconds is broken off and resumed",
        _parse_number(0.001, "seconds"),
        _NETWORK,
    ),
    Setting(
        "min_speed",
        "TIKTOKEN_INIT_MIN_SPEED",
        "--min-speed",
        "BYTES",
        "1024",
        "the least speed of a transfer, in bytes a second; 0 for any",
        _parse_number(0, "bytes a second"),
        _NETWORK,
    ),
    Setting(
        "retries",
        "TIKTOKEN_INIT_RETRIES",
        "--retries",
        "COUNT",
        "5",
        "attempts without progress before a mirror is given up, at least 1",
        _parse_number(1, "attempts", whole=True),
        _NETWORK,
    ),
    Setting(
        "ca",
        "TIKTOKEN_INIT_CA",
        "--ca",
        "FILE",
        "",
        "a PEM bundle of authorities to trust besides the usual (SSL_CERT_FILE replaces those)",
        _parse_path,
        _NETWORK,
    ),
    Setting(
        "mode",
        "TIKTOKEN_INIT_MODE",
        "--mode",
        "OCTAL",
        "0644",
        "mode of the files, in octal",
        _parse_mode(0o777, 0o400),
        _FILES,
    ),
    Setting(
        "dir_mode",
        "TIKTOKEN_INIT_DIR_MODE",
        "--dir-mode",
        "OCTAL",
        "0755",
        "mode of the folder, if it must be made; an existing one only gains what it lacks of it",
        _parse_mode(0o7777, 0o500),
        _FILES,
    ),
    Setting(
        "owner",
        "TIKTOKEN_INIT_OWNER",
        "--owner",
        "UID[:GID]",
        "",
        "owner of the files, in numbers; takes root with the capability CHOWN",
        _parse_owner,
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
        _parse_choice(*LAYOUTS),
        _FILES,
    ),
    Setting(
        "reader",
        "TIKTOKEN_INIT_AS",
        "--as",
        "UID[:GID]",
        "",
        "verify: the consumer's user, who must be able to read the files",
        _parse_owner,
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
        _parse_choice("text", "json"),
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
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.field in given:
            values[setting.field] = _parse_flag(setting, given[setting.field])
        else:
            values[setting.field] = _parse_variable(setting, environment)
    if command == "list" and not ("encodings" in given or environment.get(f"{_PREFIX}ENCODINGS", "").strip()):
        values["encodings"] = catalogue.ENCODINGS
    if not values["cache_dir"] and command != "list":
        raise BadSetting("no folder named: give --cache-dir DIR, or set TIKTOKEN_CACHE_DIR")
    if not values["sources"]:
        values["sources"] = _default_sources(values["baked_dir"])
    limit = values["extra_limit"]
    values["extra"] = tuple(v if v.size else v._replace(limit=limit) for v in values["extra"])
    if command == "export" and as_json:
        raise BadSetting("--json: export writes a tar; fill, verify and list are those that can write JSON")
    settings = Settings(command=command, json=as_json, **values)
    _refuse_clashes(settings)
    return settings


def _read_arguments(arguments: Sequence[str]) -> tuple[str, dict[str, list[str]], bool]:
    # Loading argparse takes longer than filling a volume does, and a container's usual run has no arguments.
    from .arguments import read

    return read(arguments)


def _default_sources(baked_dir: str) -> tuple[str, ...]:
    if not in_image():
        return ("fetch", "wheel") if baked_dir == DEFAULT_BAKED_DIR else ("baked", "fetch", "wheel")
    modules = os.path.join(os.path.dirname(__file__), "sources")
    # The image without networking code holds no such module.
    can_fetch = any(os.path.exists(f"{modules}/fetch{suffix}") for suffix in (".py", ".pyc"))
    return ("baked", "fetch") if can_fetch else ("baked",)


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
        if setting.field == "cache_dir":
            return _parse_cache_dir_variable(text) if setting.variable in environment else ""
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
