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

Owner = tuple[int, int]
"""User and group for `os.chown`; -1 leaves the group unchanged."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.8) -> str | None:
    """Return the known word that is most similar to a misspelled one, or None."""
    # Only errors need difflib, and importing it would slow down every start.
    from difflib import get_close_matches

    matches = get_close_matches(word, list(known), cutoff=cutoff)
    return matches[0] if matches else None


def is_url(text: str) -> bool:
    """Return whether a text is a URL with a valid host and port, without spaces and without a fragment."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host and "," not in host) and text.isprintable() and not set(" #").intersection(text)


def words(text: str) -> list[str]:
    """Return the words of a text, which commas or spaces separate."""
    return text.replace(",", " ").split()


def parse_path(text: str) -> str:
    """Return a path. Git Bash on Windows rewrites paths in arguments and variables, and the container gets the result."""
    if text.startswith(("~", "$")):
        raise SettingError(f"'{text}' is not expanded here: write an absolute path")
    if text[1:3] in (":/", ":\\"):
        raise SettingError(
            f"'{text}' is a path of Windows: in Git Bash, which rewrites paths, set MSYS_NO_PATHCONV=1; elsewhere write a "
            "Linux path, such as /cache/tiktoken"
        )
    return text


def parse_directory(text: str) -> str:
    """Return the absolute path of a directory."""
    bare = text.strip("\"' \t\r\n")
    if not bare:
        raise SettingError("it is empty: write the directory that the consumer mounts, such as /cache/tiktoken")
    if bare != text:
        raise SettingError(f"a stray space or quote is part of the path {text!r}: write {bare}")
    parse_path(text)
    if "://" in text:
        raise SettingError(f"'{redacted(text)}' is a URL: write the path of a directory, such as /cache/tiktoken")
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
            f"the path is relative, and each program has its own working directory: write {meant}, or the absolute path "
            "that the consumer mounts"
        )
    return path


def parse_encodings(text: str) -> tuple[Encoding, ...]:
    """Return encodings, or all for ``all``."""
    names = words(text)
    if "all" in names:
        return catalogue.ENCODINGS
    return tuple(dict.fromkeys(_encoding(name) for name in names or [text]))


def _encoding(name: str) -> Encoding:
    names = [known.name for known in catalogue.ENCODINGS]
    if name in names:
        return catalogue.encoding(name)
    stem = name.lower().removesuffix(".tiktoken")
    if meant := catalogue.encoding_of_model(stem):
        raise SettingError(f"'{name}' is a model, not an encoding: write {meant.name}")
    # Users often leave out "_base".
    guess = nearest(stem.replace("-", "_"), names, cutoff=0.6)
    hint = f"did you mean {guess}? The names are" if guess else "write one or more of"
    raise SettingError(f"unknown encoding '{redacted(name)}': {hint} {', '.join(names)}, or 'all'")


def one_of(*known: str) -> Callable[[str], str]:
    """Return a parser that accepts only the known words."""

    def parse(text: str) -> str:
        if text not in known:
            raise SettingError(f"'{text}' is unknown: write one of {', '.join(known)}")
        return text

    return parse


def parse_sources(text: str) -> tuple[str, ...]:
    """Return names of sources, in order."""
    return tuple(dict.fromkeys(one_of(*SOURCES)(word) for word in words(text) or [text]))


def parse_switch(text: str) -> bool:
    """Return True for ``on``, False for ``off``."""
    return one_of("on", "off")(text) == "on"


def parse_seconds(text: str) -> float:
    """Return a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # This form of the comparison also refuses NaN.
    if not 0.001 <= seconds <= 1e8:
        raise SettingError(f"'{text}' is not a number of seconds from 0.001 to 100000000: write digits, such as 300")
    return seconds


def parse_mode(text: str) -> int:
    """Return permission bits, written in octal."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = 0
    if not 0o400 <= mode <= 0o777:
        raise SettingError(f"'{text}' is not an octal mode that lets the owner read: write 0400 to 0777, such as 0644")
    return mode


def parse_owner(text: str) -> Owner | None:
    """Return a user and a group, or None for an empty text."""
    if not text:
        return None
    user, *group = text.split(":")
    # chown(2) reads the largest 32-bit number as "leave unchanged".
    if len(group) > 1 or not all(each.isdecimal() and int(each) < 0xFFFFFFFF for each in (user, *group)):
        raise SettingError(f"'{text}' is not UID or UID:GID: write numbers, such as 1000:1000")
    return int(user), int(group[0]) if group else -1


def parse_mirror(text: str) -> str:
    """Return the URL or the path of a mirror."""
    parse_path(text)
    scheme, mark, rest = text.partition("://")
    if not mark:
        # A host without a scheme is no directory.
        is_host = set(".:@").intersection(text.partition("/")[0]) and not text.startswith(".")
        is_mirror = not is_host and not text.startswith("//")
    elif scheme.lower() == "file":
        is_mirror = rest.startswith(("/", "localhost/")) and rest.partition("/")[2] != ""
    else:
        is_mirror = scheme.lower() in ("http", "https") and is_url(text)
    if not is_mirror:
        raise SettingError(
            f"'{redacted(text)}' is not the URL or the path of a mirror: write https://HOST[:PORT]/PATH, or /DIRECTORY, or "
            "./DIRECTORY; in a URL, spaces and '#' must be percent-encoded"
        )
    return text


def parse_extra(text: str) -> Vocabulary:
    """Return a private vocabulary, written as ``URL#sha256=HEX[&size=BYTES]``."""
    # Few runs have one, and importing this would slow down every start.
    import re

    found = re.fullmatch(r"(https?://.+)#sha256=([0-9a-f]{64})(?:&size=([1-9][0-9]{0,10}))?", text, re.IGNORECASE)
    if found:
        url, digest, size = found.groups()
        vocabulary = Vocabulary(url, digest.lower(), int(size) if size else None)
        if is_url(url) and vocabulary.published_name[:1] not in ("", "."):
            # The size of published bytes is known.
            return catalogue.same_bytes(vocabulary)[-1]._replace(url=url)
    raise SettingError(
        f"'{redacted(text)}' is not the URL of a file with its digest: write https://HOST/PATH#sha256=HEX, with the URL that "
        "the consumer asks for and 64 hex digits; &size=BYTES may follow"
    )
