"""Values of settings: parsers of directories, modes, mirrors, seconds and others.

Each parser raises a `SettingError` that says what to write. The caller adds the name of the setting.
"""

import os
from collections.abc import Callable, Iterable
from typing import Literal, get_args

from . import catalogue, place
from .catalogue import Encoding, Vocabulary
from .errors import SettingError
from .redact import redacted

SourceName = Literal["baked", "fetch", "wheel"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
EXTRA_LIMIT = 64 << 20
"""Maximum size in bytes of a private vocabulary whose setting gives no size."""

Owner = tuple[int, int]
"""User and group for `os.chown`; -1 leaves the group unchanged."""


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
    if "," in host:
        return "has a comma in its host"
    return "has the port 0" if port == 0 else ""


def words(text: str) -> list[str]:
    """Return the words of a text, which commas or spaces separate."""
    return text.replace(",", " ").split()


def parse_path(text: str) -> str:
    """Return a path. Git Bash on Windows rewrites paths in arguments and variables, and the container gets the result."""
    if text[1:3] in (":/", ":\\"):
        raise SettingError(
            f"'{text}' is a path of Windows: in Git Bash, which rewrites paths, set MSYS_NO_PATHCONV=1; elsewhere write a "
            "Linux path, such as /cache/tiktoken"
        )
    return text


def parse_directory(text: str) -> str:
    """Return the absolute path of a directory."""
    bare = text.strip().strip("\"'").strip()
    if not bare:
        raise SettingError("it is empty: write the directory that the consumer mounts, such as /cache/tiktoken")
    if bare != text:
        raise SettingError(f"a stray space or quote is part of the path {text!r}: write {bare}")
    if "\0" in text or "\n" in text:
        raise SettingError("the path has a line end or a NUL in it: remove it")
    parse_path(text)
    if text.startswith("~"):
        meant = "/cache/tiktoken" if place.in_image() else os.path.expanduser(text)
        raise SettingError(f"'~' is not expanded here: write {'an absolute path' if meant == text else meant}")
    try:
        # abspath keeps two slashes at the start.
        path = "/" + os.path.abspath(text).lstrip("/")
    except FileNotFoundError:
        raise SettingError("the working directory no longer exists: write an absolute path") from None
    if os.path.realpath(path) == "/":
        raise SettingError("it is the root directory: write another directory, such as /cache/tiktoken")
    return path


def parse_consumers_directory(text: str) -> str:
    """Return the absolute path in ``TIKTOKEN_CACHE_DIR``. Consumers use this variable unchanged, so it must be absolute."""
    path = parse_directory(text)
    if not os.path.isabs(text):
        meant = "/cache/tiktoken" if place.in_image() else path
        raise SettingError(
            f"the path is relative, and each program has its own working directory: write {meant}, "
            "or the absolute path that the consumer mounts"
        )
    return path


def parse_encodings(text: str) -> tuple[Encoding, ...]:
    """Return encodings, or all for ``all``."""
    names = words(text)
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
    if meant := catalogue.encoding_of_model(stem):
        raise SettingError(f"'{name}' is a model, not an encoding: write {meant.name}")
    names = [known.name for known in catalogue.ENCODINGS]
    # Users often leave out "_base".
    guess = nearest(stem.replace("-", "_"), names, cutoff=0.6)
    hint = f"did you mean {guess}? The names are" if guess else "write one or more of"
    raise SettingError(f"unknown encoding '{name}': {hint} {', '.join(names)}, or 'all'")


def one_of(*known: str) -> Callable[[str], str]:
    """Return a parser that accepts only the known words."""

    def parse(text: str) -> str:
        if text in known:
            return text
        guess = nearest(text.lower(), known)
        hint = f"did you mean {guess}? The names are" if guess else "write one of"
        raise SettingError(f"'{text}' is unknown: {hint} {', '.join(known)}")

    return parse


def parse_sources(text: str) -> tuple[str, ...]:
    """Return names of sources, in order."""
    if not words(text):
        raise SettingError(f"no source is named: write one or more of {', '.join(SOURCES)}")
    return tuple(dict.fromkeys(one_of(*SOURCES)(word) for word in words(text)))


def parse_switch(text: str) -> bool:
    """Return True for ``on``, False for ``off``."""
    return one_of("on", "off")(text) == "on"


def parse_seconds(text: str) -> float:
    """Return a number of seconds."""
    try:
        # float() also accepts digits of other scripts, and underscores.
        seconds = float(text if text.isascii() and "_" not in text else "")
    except ValueError:
        raise SettingError(f"'{text}' is not a number of seconds: write digits, such as 300") from None
    # This form of the comparison also refuses NaN.
    if not 0.001 <= seconds <= 1e8:
        raise SettingError(f"'{text}' is out of range: write 0.001 to 100000000 seconds, such as 300")
    return seconds


def parse_mode(text: str) -> int:
    """Return permission bits, written in octal."""
    digits = text.removeprefix("0o")
    if not digits or digits.strip("01234567") or int(digits, 8) > 0o777:
        raise SettingError(f"'{text}' is not an octal mode: write digits, such as 0644")
    if not int(digits, 8) & 0o400:
        raise SettingError(f"mode {text} keeps the owner from reading: write at least 0400")
    return int(digits, 8)


def parse_owner(text: str) -> Owner | None:
    """Return a user and a group, or None for an empty text."""
    if not text:
        return None
    user, colon, group = text.partition(":")
    if not _is_id(user) or (colon and not _is_id(group)):
        raise SettingError(f"'{text}' is not UID or UID:GID: write numbers, such as 1000:1000")
    return int(user), int(group) if colon else -1


def _is_id(text: str) -> bool:
    # chown(2) reads the largest 32-bit number as "leave unchanged".
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 0xFFFFFFFF


def parse_mirror(text: str) -> str:
    """Return the URL or the path of a mirror."""
    parse_path(text)
    scheme, mark, rest = text.partition("://")
    if mark and "#" in text:
        raise SettingError(f"'{redacted(text)}' has a '#' in it, which a server does not see: write %23")
    if not mark:
        if text.startswith(("http:", "https:", "file:")):
            name, _, rest = text.partition(":")
            meant = f"{name}://{rest.lstrip('/')}"
            raise SettingError(f"'{redacted(meant)}' was given without the two slashes after its scheme: write them")
        if text.startswith("//") or (
            not text.startswith(("/", ".")) and set(".:@").intersection(text.partition("/")[0])
        ):
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


def parse_extra(text: str) -> Vocabulary:
    """Return a private vocabulary, written as ``URL#sha256=HEX[&size=BYTES]``."""
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
    # The size of published bytes is known.
    vocabulary = catalogue.same_bytes(vocabulary)[-1]._replace(url=url)
    if not url.startswith(("http://", "https://")) or url_problem(url) or vocabulary.published_name[:1] in ("", "."):
        raise SettingError(
            f"'{redacted(url)}' is not the http(s) URL of a file: write the URL that the consumer asks for"
        )
    return vocabulary
