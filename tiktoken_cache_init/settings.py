"""Settings of a run, read from options and variables, and checked.

`SETTINGS` defines every setting once. The parser, the help, the check for misspelled variables and the table in the
documentation are made from it. An option wins over its variable. An empty ``TIKTOKEN_INIT_`` variable counts as unset,
because compose files pass ``${NAME:-}``.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import catalogue, place, values
from .catalogue import Encoding, Target, Vocabulary
from .errors import SettingError
from .redact import entries, redacted
from .values import Owner, SourceName

COMMANDS = {
    "fill": "put every wanted vocabulary into the directory (the default)",
    "verify": "show the state of each file, what a gateway does with it, and the fix",
    "list": "print the encodings, their files and cache keys",
    "export": "write the directory's vocabularies as a tar to stdout",
    "path": "print the directory of the baked vocabularies, a cache itself",
}

_PREFIX = "TIKTOKEN_INIT_"
_CACHE_DIR = "TIKTOKEN_CACHE_DIR"
_ENCODING_COMMANDS = ("fill", "verify", "list", "export")
_FILE_COMMANDS = ("fill", "verify", "export")
_CORRECTIONS = {"TIKTOKEN_CACHE": _CACHE_DIR, "TIKTOKEN_ENCODINGS": f"{_PREFIX}ENCODINGS"}
"""Wrong variable -> the right one, for names that `nearest` does not find."""


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
    sources: tuple[SourceName, ...]
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
    def listed(self) -> tuple[Encoding, ...]:
        """The encodings, and the private vocabularies as one more encoding if there are any."""
        return (*self.encodings, Encoding("(private)", self.extra, ())) if self.extra else self.encodings

    @property
    def targets(self) -> tuple[Target, ...]:
        """Targets that the vocabularies and the layout require."""
        targets = []
        for vocabulary in self.vocabularies:
            if self.layout != "published":
                targets.append(Target(vocabulary, os.path.join(self.cache_dir, vocabulary.cache_key)))
            if self.layout != "cache":
                targets.append(Target(vocabulary, os.path.join(self.cache_dir, vocabulary.published_name)))
        return tuple(targets)


class Setting(NamedTuple):
    """Row of the table of settings. Its field gives the names of its variable and its option."""

    field: str
    metavar: str
    """Placeholder for the value in the help and the documentation."""
    help: str
    parse: Callable[[str], Any]
    commands: tuple[str, ...]
    """Commands that take the option."""
    default: str = ""
    """Default as text, parsed like any other value."""
    default_note: str = ""
    """Default as the documentation describes it, if it has no fixed text."""
    repeatable: bool = False
    """Whether the option may be repeated. If so, ``parse`` reads one value."""

    @property
    def variable(self) -> str:
        """Name of the variable."""
        return _CACHE_DIR if self.field == "cache_dir" else f"{_PREFIX}{self.field.upper()}"

    @property
    def option(self) -> str:
        """Name of the option. A mirror is given by ``--mirror``, because each use names one."""
        return "--mirror" if self.field == "mirrors" else f"--{self.field.replace('_', '-')}"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "cache_dir",
        "DIR",
        "the directory that the consumer reads",
        values.parse_directory,
        _FILE_COMMANDS,
        default_note="`/cache/tiktoken` in the image; required on a host",
    ),
    Setting(
        "encodings",
        "NAMES",
        "encodings, separated by commas, or 'all'",
        values.parse_encodings,
        _ENCODING_COMMANDS,
        "cl100k_base,o200k_base",
        "the encodings that are baked in; `cl100k_base,o200k_base` if there are none",
    ),
    Setting(
        "extra",
        "URL#sha256=HEX",
        "private vocabularies; &size=BYTES may follow",
        values.parse_extra,
        _ENCODING_COMMANDS,
        repeatable=True,
    ),
    Setting(
        "layout",
        "LAYOUT",
        "file names: cache (keys), published, or both",
        values.one_of("cache", "published", "both"),
        _FILE_COMMANDS,
        "cache",
    ),
    Setting("mode", "OCTAL", "permission bits of the files", values.parse_mode, _FILE_COMMANDS, "0644"),
    Setting(
        "owner",
        "UID[:GID]",
        "owner of the files; another one needs root and CHOWN",
        values.parse_owner,
        ("fill", "verify"),
        default_note="the user that runs it",
    ),
    Setting(
        "sources",
        "NAMES",
        f"sources to try, in order: {', '.join(values.SOURCES)}",
        values.parse_sources,
        ("fill",),
        default_note="`baked` if there is any, then `fetch`, then `wheel` outside the image",
    ),
    Setting(
        "mirrors", "BASE", "URL or directory to try before the origin", values.parse_mirror, ("fill",), repeatable=True
    ),
    Setting("origin", "on|off", "whether to try the origin", values.parse_switch, ("fill",), "on"),
    Setting("deadline", "SECONDS", "time for the whole run", values.parse_seconds, ("fill", "verify"), "300"),
    Setting("timeout", "SECONDS", "time without progress before the next try", values.parse_seconds, ("fill",), "15"),
    Setting("ca", "FILE", "PEM file of certificate authorities to add", values.parse_path, ("fill",)),
    Setting(
        "log", "text|json", "format of the lines on stderr", values.one_of("text", "json"), tuple(COMMANDS), "text"
    ),
)
"""All settings, in the order of the help."""


def default_of(setting: Setting, command: str) -> str:
    """Return the text that a command uses if a setting is not given. Two settings depend on what is baked in."""
    if setting.field == "encodings":
        return "all" if command == "list" else _baked_encodings() or setting.default
    if setting.field == "sources":
        baked = ["baked"] if os.path.isdir(place.BAKED_DIR) else []
        return ",".join([*baked, "fetch"] if place.in_image() else [*baked, "fetch", "wheel"])
    return setting.default


def _baked_encodings() -> str:
    """Return the encodings whose vocabularies are all baked in."""
    paths = {known: os.path.join(place.BAKED_DIR, known.cache_key) for known in catalogue.VOCABULARIES}
    baked = {known for known, path in paths.items() if os.path.exists(path)}
    names = [known.name for known in catalogue.ENCODINGS if baked.issuperset(known.vocabularies)]
    return "all" if len(names) == len(catalogue.ENCODINGS) else ",".join(names)


def load(command: str, given: Mapping[str, list[str]], as_json: bool, environment: Mapping[str, str]) -> Settings:
    """Read the settings of one run from the given options (field -> values) and the environment.

    Raises:
        SettingError: a name is misspelled or a value does not parse; the message gives the right spelling.
    """
    warnings = _check_names(environment, given)
    found = {}
    for setting in SETTINGS:
        try:
            found[setting.field] = _value(setting, command, given, environment)
        except SettingError as error:
            name = setting.option if setting.field in given else setting.variable
            raise SettingError(f"{name}: {error}") from None
    if not found["cache_dir"] and command in _FILE_COMMANDS:
        raise SettingError(f"no directory is named: give --cache-dir DIR, or set {_CACHE_DIR}")
    settings = Settings(command=command, json=as_json, warnings=tuple(warnings), **found)
    _refuse_clashes(settings)
    return settings


def _value(setting: Setting, command: str, given: Mapping[str, list[str]], environment: Mapping[str, str]) -> Any:
    if setting.field in given:
        texts = given[setting.field]
    else:
        # A variable that the command does not use is ignored, even if its value is wrong.
        text = environment.get(setting.variable) if command in setting.commands else None
        if setting.field == "cache_dir":
            # Consumers use this variable unchanged, so a stray space or an empty value is an error.
            return "" if text is None else values.parse_consumers_directory(text)
        text = (text or "").strip()
        if text[:1] in ("'", '"') and text.endswith(text[0]):
            # In a list of a compose file, quotes around the value alone are part of it.
            raise SettingError(f"the quotes are part of the value: write {text[1:-1]} without them")
        texts = text.split() if setting.repeatable else [text or default_of(setting, command)]
    if setting.repeatable:
        return tuple(dict.fromkeys(setting.parse(entry) for text in texts for entry in entries(text)))
    # A second --encodings adds encodings. Any other option replaces its earlier value.
    return setting.parse(",".join(texts) if setting.field == "encodings" else texts[-1])


def _check_names(environment: Mapping[str, str], given: Mapping[str, object]) -> list[str]:
    """Refuse misspelled variables. Return warnings about other unknown ones."""
    known = {setting.variable: setting for setting in SETTINGS}
    warnings = []
    for name in sorted(environment):
        capitals = name.upper()
        if not capitals.startswith("TIKTOKEN") or name in known:
            continue
        # With a lower cutoff, TIKTOKEN_RS_CACHE_DIR of openai-harmony would be a misspelling.
        meant = _CORRECTIONS.get(capitals) or values.nearest(capitals, known, cutoff=0.93)
        if meant and not capitals.startswith(_PREFIX) and (environment.get(meant) or known[meant].field in given):
            # Another program may read it.
            warnings.append(
                f"{name}: ignored, because {known[meant].option} or {meant} is set: remove it if it is a mistake"
            )
        elif meant:
            raise SettingError(f"{name}: no such setting exists: write {meant}")
        elif capitals.startswith(_PREFIX):
            warnings.append(f"{name}: no such setting exists, so it is ignored: see --help")
    return warnings


def _refuse_clashes(settings: Settings) -> None:
    digests = {vocabulary.url: vocabulary.sha256 for vocabulary in catalogue.VOCABULARIES}
    urls: dict[str, str] = {}
    for vocabulary, path in settings.targets:
        if digests.setdefault(vocabulary.url, vocabulary.sha256) != vocabulary.sha256:
            raise SettingError(f"{redacted(vocabulary.url)} is given two digests: keep the right one")
        if urls.setdefault(path, vocabulary.url) != vocabulary.url:
            raise SettingError(f"two vocabularies would be called {os.path.basename(path)}: use {_PREFIX}LAYOUT=cache")
