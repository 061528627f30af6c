"""The text of one value -> what it means. Each raises `BadSetting`, with what to write instead; `settings` says which one."""

from __future__ import annotations

import os

from . import catalogue
from .access import User
from .catalogue import Encoding, Vocabulary
from .errors import BadSetting
from .leftovers import PREFIX
from .redaction import shown
from .surroundings import in_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def cache_dir(text: str) -> str:
    """The folder, as a flag gives it: any path that is meant as it is written."""
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
        meant = "/cache/tiktoken" if in_image() else os.path.expanduser(text)
        hint = "an absolute path" if meant == text else f"'{meant}'"
        raise BadSetting(f"nothing expands the '~' here: write {hint}")
    return text


def cache_dir_variable(text: str) -> str:
    """The folder, as the consumer's own variable gives it: an absolute path, since each program has its own working directory."""
    path = cache_dir(text)
    if not os.path.isabs(path):
        raise BadSetting(
            "a relative folder, and each program takes it from its own working directory: "
            f"write '{_absolute(path)}' or whatever absolute path the consumer mounts"
        )
    return path


def _absolute(path: str) -> str:
    if in_image():
        return "/cache/tiktoken"  # where the working directory means nothing
    try:
        return os.path.abspath(path)
    except FileNotFoundError:  # the working directory is gone
        return f"/{path}"


def encodings(text: str) -> tuple[Encoding, ...]:
    """Encodings by comma or space, each once, in the order given; ``all`` for the whole catalogue."""
    names = _words(text)
    if not names:
        raise BadSetting("no encoding named: write names, or 'all'")
    named = tuple(dict.fromkeys(catalogue.encoding(name) for name in names if name != "all"))
    return catalogue.ENCODINGS if "all" in names else named


def choices(what: str, *known: str) -> Callable[[str], tuple[str, ...]]:
    """Return the parser of a list of known words, by comma or space, each of which counts once."""

    def parse(text: str) -> tuple[str, ...]:
        names = _words(text)
        if not names:
            raise BadSetting(f"no {what} named: write one or more of {', '.join(known)}")
        return tuple(dict.fromkeys(_one_of(known, name) for name in names))

    return parse


def _one_of(known: tuple[str, ...], text: str) -> str:
    if text in known:
        return text
    from .spelling import nearest

    guess = nearest(text.lower(), known)
    hint = f"did you mean '{guess}'? There are" if guess else "write one of"
    raise BadSetting(f"'{text}' is not known: {hint} {', '.join(known)}")


def choice(*known: str) -> Callable[[str], str]:
    """Return the parser of one known word."""
    return lambda text: _one_of(known, text)


_SWITCH = {"on": True, "off": False}


def switch(text: str) -> bool:
    """``on`` or ``off``."""
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
_MOST_DIGITS = 12


def number(least: float, unit: str, *, whole: bool = False) -> Callable[[str], Any]:
    """Return the parser of a number of ``unit`` from ``least`` on; where it is given with a unit, the refusal converts it."""

    def parse(text: str) -> Any:
        try:
            # Python takes more for a number, as 1_000 and the digits of other scripts.
            if "_" in text or not text.isascii():
                raise ValueError
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
    if factor is None or not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        return ": write digits only"
    return f": write '{int(digits) * factor}'"


def mirror(text: str) -> str:
    """A mirror: the URL of a base, or a folder."""
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


def mirrors(text: str) -> tuple[str, ...]:
    """Mirrors by comma or space, each once."""
    return tuple(dict.fromkeys(mirror(word) for word in _words(text)))


def extras(text: str) -> tuple[Vocabulary, ...]:
    """Private vocabularies by comma or space, each once."""
    return tuple(dict.fromkeys(extra(word) for word in _words(text)))


def extra(text: str) -> Vocabulary:
    """A private vocabulary: the URL that its consumer asks for, and its digest."""
    url, mark, digest = text.rpartition("#sha256=")
    if not mark or not url:
        raise BadSetting(f"'{shown(text)}': write 'URL#sha256=HEX', the URL that the consumer asks for and its digest")
    digest = digest.lower()
    # The limit is another setting; `load` puts it in when both are known.
    vocabulary = Vocabulary(url, digest, None, 0)
    name = vocabulary.published_name
    if not url.startswith(("http://", "https://")) or url_problem(url) or name in ("", ".", ".."):
        raise BadSetting(f"'{shown(url)}' is not the http(s) URL of a file")
    if name.startswith(PREFIX):
        raise BadSetting(f"'{shown(url)}': names that begin with {PREFIX} are those of temporary files")
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise BadSetting(f"'{shown(url)}': a SHA-256 digest is 64 hex digits, this has {len(digest)} characters")
    # What is in the catalogue is known better than by its digest alone.
    return next((v for v in catalogue.VOCABULARIES if (v.url, v.sha256) == (url, digest)), vocabulary)


def mode(most: int, least: int) -> Callable[[str], int]:
    """Return the parser of an octal mode up to ``most`` that has all bits of ``least``."""

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


def owner(text: str) -> User | None:
    """``UID`` or ``UID:GID`` in digits; nothing for nobody in particular."""
    if not text:
        return None
    user, mark, group = text.partition(":")
    if not _is_id(user) or (mark and not _is_id(group)):
        raise BadSetting(f"'{text}' is not UID or UID:GID in digits, as in '1000:1000'")
    return User(int(user), int(group) if mark else None)


def _is_id(text: str) -> bool:
    # The largest 32-bit value means "leave it as it is" to chown(2).
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 0xFFFFFFFF


def path(text: str) -> str:
    """Any path."""
    return text
