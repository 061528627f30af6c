"""Settings of a run, read from options and variables, and checked.

`SETTINGS` defines every setting once. The parser, the help, the check for misspelled variables and the table in the
documentation are made from it. An option wins over its variable. An empty ``TIKTOKEN_INIT_`` variable counts as unset,
because compose files pass ``${NAME:-}``.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from . import catalogue
from .catalogue import Encoding, Target, Vocabulary
from .errors import SettingError
from .redact import redacted

COMMANDS = {
    "fill": "put every wanted vocabulary into the directory (the default)",
    "verify": "show the state of each file, what a gateway does with it, and the fix",
    "list": "print the encodings, their files and cache keys",
    "export": "write the directory's vocabularies as a tar to stdout",
}
SOURCES = ("baked", "fetch", "wheel")
BAKED_DIR = "/vocabularies"
EXTRA_LIMIT = 64 << 20
"""Maximum size in bytes of a private vocabulary whose setting gives no size."""

_PREFIX = "TIKTOKEN_INIT_"
_CACHE_DIR = "TIKTOKEN_CACHE_DIR"
_EVERY_COMMAND = tuple(COMMANDS)
_FILE_COMMANDS = ("fill", "verify", "export")
_HARMONY_VARIABLES = ("TIKTOKEN_RS_CACHE_DIR", "TIKTOKEN_ENCODINGS_BASE")
"""Variables of openai-harmony that look like misspellings of ours."""
_CORRECTIONS = {
    "TIKTOKEN_CACHE": _CACHE_DIR,
    "TIKTOKEN_DIR": _CACHE_DIR,
    "TIKTOKEN_CACHE_PATH": _CACHE_DIR,
    "TIKTOKEN_ENCODINGS": f"{_PREFIX}ENCODINGS",
    "TIKTOKEN_MIRRORS": f"{_PREFIX}MIRRORS",
}
"""Wrong variable -> the right one, for names that `nearest` does not find."""

Owner = tuple[int, int]
"""User and group for `os.chown`; -1 leaves the group unchanged."""


class Settings(NamedTuple):
    """Checked settings of one run."""

    command: str
    json: bool
    cache_dir: str
    """Absolute path of the directory, or empty if the command needs none."""
    encodings: tuple[Encoding, ...]
    extra: tuple[Vocabulary, ...]
    """Private vocabularies."""
    layout: str
    mode: int
    owner: Owner | None
    sources: tuple[str, ...]
    baked_dir: str
    mirrors: tuple[str, ...]
    origin: bool
    deadline: float
    """Seconds for the whole run."""
    timeout: float
    """Seconds without progress before an attempt fails."""
    ca: str
    """Path of a PEM file with additional certificate authorities, or empty."""
    log: str
    warnings: tuple[str, ...] = ()
    """Warnings about the environment. They do not stop the run."""

    @property
    def vocabularies(self) -> tuple[Vocabulary, ...]:
        """Wanted vocabularies without duplicates: those of the encodings, then the private ones."""
        return tuple(dict.fromkeys((*catalogue.vocabularies_of(self.encodings), *self.extra)))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Targets that the vocabularies and the layout require."""
        targets = []
        for vocabulary in self.vocabularies:
            if self.layout != "published":
                targets.append(Target(vocabulary, vocabulary.cache_key))
            if self.layout != "cache":
                targets.append(Target(vocabulary, vocabulary.published_name))
        return tuple(targets)


class Setting(NamedTuple):
    """Row of the table of settings."""

    field: str
    variable: str
    option: str
    metavar: str
    """Placeholder for the value in the help and the documentation."""
    default: str
    """Default as text, parsed like any other value."""
    help: str
    parse: Callable[[str], Any]
    commands: tuple[str, ...]
    """Commands that take the option."""
    repeatable: bool = False
    """Whether the option may be repeated. If so, ``parse`` reads one value."""
    default_note: str = ""
    """Default as the documentation describes it, if it has no fixed text."""


def load(command: str, given: Mapping[str, list[str]], as_json: bool, environment: Mapping[str, str]) -> Settings:
    """Read the settings of one run from the given options (field -> values) and the environment.

    Raises:
        SettingError: a name is misspelled or a value does not parse; the message gives the right spelling.
    """
    warnings = _check_names(environment)
    values = {}
    for setting in SETTINGS:
        if setting.field in given:
            values[setting.field] = _from_option(setting, given[setting.field])
        else:
            # A variable that the command does not use is ignored, even if its value is wrong.
            values[setting.field] = _from_variable(setting, environment if command in setting.commands else {})
    if command == "list" and not ("encodings" in given or environment.get(f"{_PREFIX}ENCODINGS", "").strip()):
        values["encodings"] = catalogue.ENCODINGS
    if not values["cache_dir"] and command != "list":
        raise SettingError(f"no directory is named: give --cache-dir DIR, or set {_CACHE_DIR}")
    if not values["sources"]:
        values["sources"] = _default_sources(values["baked_dir"])
    settings = Settings(command=command, json=as_json, warnings=tuple(warnings), **values)
    _refuse_clashes(settings)
    return settings


def in_image() -> bool:
    """Return whether the program runs in the image. Only the image has the directory of baked vocabularies."""
    return os.path.isdir(BAKED_DIR)


def nearest(word: str, known: Iterable[str], cutoff: float = 0.75) -> str | None:
    """Return the known word that is most similar to a misspelled one, or None."""
    # Only errors need difflib, and importing it would slow down every start.
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def url_problem(url: str) -> str:
    """Return why an http(s) URL cannot be used, or an empty string."""
    from urllib.parse import urlsplit

    if any(character.isspace() or not character.isprintable() for character in url):
        return "has a space or a control character in it"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has no valid host and port"
    if not host:
        return "names no host"
    return "has the port 0" if port == 0 else ""


def _default_sources(baked_dir: str) -> tuple[str, ...]:
    if in_image():
        return ("baked", "fetch")
    return ("fetch", "wheel") if baked_dir == BAKED_DIR else ("baked", "fetch", "wheel")


def _from_option(setting: Setting, texts: list[str]) -> Any:
    try:
        if setting.repeatable:
            words = (word.strip() for text in texts for word in text.split(","))
            return tuple(dict.fromkeys(setting.parse(word) for word in words if word))
        # A second --encodings adds encodings. Any other option replaces its earlier value.
        return setting.parse(",".join(texts) if setting.field == "encodings" else texts[-1])
    except SettingError as error:
        raise SettingError(f"{setting.option}: {error}") from None


def _from_variable(setting: Setting, environment: Mapping[str, str]) -> Any:
    text = environment.get(setting.variable, "")
    try:
        if setting.variable == _CACHE_DIR:
            # Consumers use this variable unchanged, so a stray space or an empty value is an error.
            return _consumers_directory(text) if setting.variable in environment else ""
        text = text.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            raise SettingError(f"the quotes are part of the value: write {text[1:-1]} without them")
        text = text or setting.default
        if setting.repeatable:
            return tuple(dict.fromkeys(setting.parse(word) for word in _words(text)))
        return setting.parse(text)
    except SettingError as error:
        raise SettingError(f"{setting.variable}: {error}") from None


def _check_names(environment: Mapping[str, str]) -> list[str]:
    """Refuse misspelled variables. Return warnings about other unknown ones."""
    known = {setting.variable for setting in SETTINGS}
    warnings = []
    for name in sorted(environment):
        if not name.startswith("TIKTOKEN") or name in known or name in _HARMONY_VARIABLES or _is_service_link(name):
            continue
        if name == "TIKTOKEN_OFFLINE":
            warnings.append(f"{name}: no program reads it; {_CACHE_DIR} is all that an offline start needs")
        elif meant := _CORRECTIONS.get(name) or nearest(name, known, cutoff=0.92):
            raise SettingError(f"{name}: no such setting exists: write {meant}")
        elif name.startswith(_PREFIX):
            warnings.append(f"{name}: no such setting exists, so it is ignored: see --help")
    return warnings


def _is_service_link(name: str) -> bool:
    """Return whether Kubernetes or Docker sets the variable, for a service or link that is named "tiktoken-init"."""
    words = f"_{name.removeprefix(_PREFIX)}_"
    return any(word in words for word in ("_SERVICE_", "_PORT_", "_ENV_")) or words.endswith("_NAME_")


def _refuse_clashes(settings: Settings) -> None:
    digests = {vocabulary.url: vocabulary.sha256 for vocabulary in catalogue.VOCABULARIES}
    urls: dict[str, str] = {}
    for vocabulary in settings.vocabularies:
        if digests.setdefault(vocabulary.url, vocabulary.sha256) != vocabulary.sha256:
            raise SettingError(f"{redacted(vocabulary.url)} is given two digests: keep the right one")
    for vocabulary, name in settings.targets:
        if urls.setdefault(name, vocabulary.url) != vocabulary.url:
            raise SettingError(f"two vocabularies would be called {name}: use {_PREFIX}LAYOUT=cache")


# Parsers of values. Each raises a `SettingError` that says what to write. The caller adds the name of the setting.


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _directory(text: str) -> str:
    bare = text.strip().strip("\"'").strip()
    if not bare:
        raise SettingError("it is empty: write the directory that the consumer mounts, such as /cache/tiktoken")
    if bare != text:
        raise SettingError(f"a stray space or quote is part of the path {text!r}: write {bare}")
    if "\0" in text or "\n" in text:
        raise SettingError("the path has a line end or a NUL in it: remove it")
    if text.startswith("~"):
        meant = "/cache/tiktoken" if in_image() else os.path.expanduser(text)
        raise SettingError(f"'~' is not expanded here: write {'an absolute path' if meant == text else meant}")
    try:
        path = os.path.abspath(text)
    except FileNotFoundError:
        raise SettingError("the working directory no longer exists: write an absolute path") from None
    if path == "/":
        raise SettingError("it is the root directory: write another directory, such as /cache/tiktoken")
    return path


def _consumers_directory(text: str) -> str:
    path = _directory(text)
    if not os.path.isabs(text):
        meant = "/cache/tiktoken" if in_image() else path
        raise SettingError(
            f"the path is relative, and each program has its own working directory: write {meant}, "
            "or the absolute path that the consumer mounts"
        )
    return path


def _encodings(text: str) -> tuple[Encoding, ...]:
    names = _words(text)
    if not names:
        raise SettingError("no encoding is named: write names, or 'all'")
    if "all" in names:
        return catalogue.ENCODINGS
    return tuple(dict.fromkeys(_encoding(name) for name in names))


def _encoding(name: str) -> Encoding:
    try:
        return catalogue.encoding(name)
    except KeyError:
        pass
    stem = name.lower().removesuffix(".tiktoken")
    for prefix, meant in catalogue.MODELS.items():
        if stem == prefix or stem.startswith(f"{prefix}-"):
            raise SettingError(f"'{name}' is a model, not an encoding: write {meant}")
    names = [known.name for known in catalogue.ENCODINGS]
    # Users often leave out "_base".
    guess = nearest(stem.replace("-", "_"), names, cutoff=0.6)
    hint = f"did you mean {guess}? The names are" if guess else "write one or more of"
    raise SettingError(f"unknown encoding '{name}': {hint} {', '.join(names)}, or 'all'")


def _one_of(*known: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in known:
            return text
        guess = nearest(text.lower(), known)
        hint = f"did you mean {guess}? The names are" if guess else "write one of"
        raise SettingError(f"'{text}' is unknown: {hint} {', '.join(known)}")

    return parse


def _sources(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_one_of(*SOURCES)(word) for word in _words(text)))


def _switch(text: str) -> bool:
    return _one_of("on", "off")(text) == "on"


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        seconds = -1.0
    # This form of the comparison also refuses NaN.
    if not 0.001 <= seconds <= 1e8:
        raise SettingError(f"'{text}' is not a number of seconds: write digits, such as 300")
    return seconds


def _mode(text: str) -> int:
    digits = text.removeprefix("0o")
    if not digits or digits.strip("01234567") or int(digits, 8) > 0o777:
        raise SettingError(f"'{text}' is not an octal mode: write digits, such as 0644")
    if not int(digits, 8) & 0o400:
        raise SettingError(f"mode {text} keeps the owner from reading: write at least 0400")
    return int(digits, 8)


def _owner(text: str) -> Owner | None:
    if not text:
        return None
    user, colon, group = text.partition(":")
    if not _is_id(user) or (colon and not _is_id(group)):
        raise SettingError(f"'{text}' is not UID or UID:GID: write numbers, such as 1000:1000")
    return int(user), int(group) if colon else -1


def _is_id(text: str) -> bool:
    # chown(2) reads the largest 32-bit number as "leave unchanged".
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 0xFFFFFFFF


def _mirror(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    if mark and "#" in text:
        raise SettingError(f"'{redacted(text)}' has a '#' in it, which a server does not see: write %23")
    if not mark:
        if text.startswith(("http:", "https:", "file:")):
            name, _, rest = text.partition(":")
            meant = f"{name}://{rest.lstrip('/')}"
            raise SettingError(f"'{redacted(meant)}' was given without the two slashes after its scheme: write them")
        if not text.startswith(("/", ".")) and ("." in text.partition("/")[0] or ":" in text):
            raise SettingError(f"'{redacted(text)}' names no scheme: write https://HOST, or ./NAME for a directory")
        return text
    if scheme.lower() not in ("http", "https", "file"):
        raise SettingError(f"'{redacted(text)}' is no mirror: write http://, https://, file:// or a directory")
    if scheme.lower() == "file":
        if rest.partition("/")[0] not in ("", "localhost"):
            raise SettingError(
                f"'{redacted(text)}' names a host: mount its directory here, and write file:///DIRECTORY"
            )
        if not rest.partition("/")[2]:
            raise SettingError(f"'{redacted(text)}' names no directory: write file:///DIRECTORY")
    elif problem := url_problem(text):
        raise SettingError(f"'{redacted(text)}' {problem}: write https://HOST[:PORT]/PATH")
    return text


def _extra(text: str) -> Vocabulary:
    url, mark, fragment = text.rpartition("#sha256=")
    if not mark or not url:
        raise SettingError(
            f"'{redacted(text)}' has no digest: write URL#sha256=HEX, with the URL that the consumer asks for"
        )
    digest, ampersand, size = fragment.lower().partition("&size=")
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise SettingError(
            f"'{redacted(url)}': a SHA-256 digest has 64 hex digits, this one has {len(digest)} characters: copy all of it"
        )
    if ampersand and not (size.isascii() and size.isdigit() and len(size) < 12 and int(size)):
        raise SettingError(f"'{redacted(url)}': '{size}' is not a size: write the number of bytes")
    vocabulary = Vocabulary(url, digest, int(size) if size else None, int(size or EXTRA_LIMIT))
    if not url.startswith(("http://", "https://")) or url_problem(url) or vocabulary.published_name[:1] in ("", "."):
        raise SettingError(
            f"'{redacted(url)}' is not the http(s) URL of a file: write the URL that the consumer asks for"
        )
    # The entry in the catalogue has the size of the file.
    return next((known for known in catalogue.VOCABULARIES if (known.url, known.sha256) == (url, digest)), vocabulary)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "cache_dir",
        _CACHE_DIR,
        "--cache-dir",
        "DIR",
        "",
        "the directory that the consumer reads",
        _directory,
        _FILE_COMMANDS,
        default_note="`/cache/tiktoken` in the image; required on a host",
    ),
    Setting(
        "encodings",
        f"{_PREFIX}ENCODINGS",
        "--encodings",
        "NAMES",
        "cl100k_base,o200k_base",
        "encodings, separated by commas, or 'all'",
        _encodings,
        _EVERY_COMMAND,
    ),
    Setting(
        "extra",
        f"{_PREFIX}EXTRA",
        "--extra",
        "URL#sha256=HEX",
        "",
        "private vocabularies; &size=BYTES may follow",
        _extra,
        _EVERY_COMMAND,
        repeatable=True,
    ),
    Setting(
        "layout",
        f"{_PREFIX}LAYOUT",
        "--layout",
        "cache|published|both",
        "cache",
        "names of the files: cache keys, published names or both",
        _one_of("cache", "published", "both"),
        _FILE_COMMANDS,
    ),
    Setting("mode", f"{_PREFIX}MODE", "--mode", "OCTAL", "0644", "permission bits of the files", _mode, _FILE_COMMANDS),
    Setting(
        "owner",
        f"{_PREFIX}OWNER",
        "--owner",
        "UID[:GID]",
        "",
        "owner of the files (needs root and CHOWN)",
        _owner,
        ("fill", "verify"),
        default_note="the user that runs it",
    ),
    Setting(
        "sources",
        f"{_PREFIX}SOURCES",
        "--sources",
        "NAMES",
        "",
        "sources to try, in order: baked, fetch, wheel",
        _sources,
        ("fill",),
        default_note="`baked,fetch` in the image; `fetch,wheel` on a host",
    ),
    Setting("baked_dir", f"{_PREFIX}BAKED_DIR", "--baked-dir", "DIR", BAKED_DIR, "", str, ("fill",)),
    Setting(
        "mirrors",
        f"{_PREFIX}MIRRORS",
        "--mirror",
        "BASE",
        "",
        "URL or directory to try before the origin",
        _mirror,
        ("fill",),
        repeatable=True,
    ),
    Setting("origin", f"{_PREFIX}ORIGIN", "--origin", "on|off", "on", "whether to try the origin", _switch, ("fill",)),
    Setting(
        "deadline",
        f"{_PREFIX}DEADLINE",
        "--deadline",
        "SECONDS",
        "300",
        "time for the whole run",
        _seconds,
        ("fill", "verify"),
    ),
    Setting(
        "timeout",
        f"{_PREFIX}TIMEOUT",
        "--timeout",
        "SECONDS",
        "15",
        "time without progress before the next try",
        _seconds,
        ("fill",),
    ),
    Setting("ca", f"{_PREFIX}CA", "--ca", "FILE", "", "PEM file of certificate authorities to add", str, ("fill",)),
    Setting(
        "log",
        f"{_PREFIX}LOG",
        "--log",
        "text|json",
        "text",
        "format of the lines on stderr",
        _one_of("text", "json"),
        _EVERY_COMMAND,
    ),
)
"""All settings, in the order of the help. A setting without a help text is for tests, and is not documented."""
