"""Redaction of credentials in everything that is printed.

Operators paste logs into public issues. `redacted` returns the parts of a URL that are safe to print. A `Scrubber` then hides the
known secrets in every line, because the message of a server or of a library may repeat one.
"""

from collections.abc import Iterable
from typing import NamedTuple

HIDDEN = "***"

# Scrubbing a shorter secret would garble ordinary words. `redacted` still hides it in URLs.
_MIN_SCRUBBED_LENGTH = 4

_TOKEN_LENGTH = 16
"""Minimum length of a query value that counts as a secret whatever its name."""
_SECRET_NAMES = ("auth", "code", "credential", "key", "pass", "pwd", "secret", "sig", "token")
"""Parts of the names of query values that are secrets."""


def redacted(text: str) -> str:
    """Return a URL without user, password and query, or a path.

    Any other text is hidden as a whole, because a part of it may be a secret.
    """
    if "://" not in text:
        is_path = text.startswith(("/", ".")) and not text.startswith("//")
        return text if is_path or not set("@:?#").intersection(text) else HIDDEN
    url = _parsed(text)
    if url is None:
        return HIDDEN
    user = f"{HIDDEN}@" if url.userinfo else ""
    query = f"?{HIDDEN}" if url.query else ""
    fragment = f"#{url.fragment if url.fragment.startswith('sha256=') else HIDDEN}" if url.fragment else ""
    return f"{url.scheme}://{user}{url.place}{query}{fragment}"


class Scrubber:
    """Filter that finds the secrets in some texts (settings, proxy variables) and hides them in any other text."""

    def __init__(self, texts: Iterable[str]) -> None:
        secrets: set[str] = set()
        for text in texts:
            if set("@?#").intersection(text):
                whole = text.strip("\"'")
                for piece in {whole, *entries(whole), *(entry for word in whole.split() for entry in entries(word))}:
                    secrets |= _secrets(piece.strip("\"'(),;<>"))
                if not _parsed(whole):
                    secrets.add(whole)
        self._patterns = []
        if secrets:
            # Few runs have secrets, and importing this would slow down every start.
            import re

            # Longest first: a short secret may be part of a longer one. Host names and codings are printed in lower case.
            known = sorted((s for s in secrets if len(s) >= _MIN_SCRUBBED_LENGTH), key=len, reverse=True)
            self._patterns = [re.compile(re.escape(secret), re.IGNORECASE) for secret in known]

    def __call__(self, text: str) -> str:
        """Return the text with every known secret hidden."""
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text


def entries(text: str) -> list[str]:
    """Return the entries of a list. A comma separates them only before a URL or a path, because a URL may have a comma."""
    found: list[str] = []
    for piece in text.split(","):
        entry = piece.strip()
        if found and entry and "://" not in entry and not entry.startswith(("/", ".")):
            found[-1] += f",{piece}"
        elif entry:
            found.append(entry)
    return found


class _Url(NamedTuple):
    scheme: str
    userinfo: str
    place: str
    """Host, port and path."""
    query: str
    fragment: str


def _parsed(url: str) -> _Url | None:
    """Split a URL. Return None if it is not clear where the password ends, because a '/', '?' or '#' may belong to it."""
    # Splitting here is faster than importing a parser at every start. The variables of proxies may leave the scheme out.
    scheme, rest = url.split("://", 1) if "://" in url else ("http", url)
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    userinfo, _, place = authority.rpartition("@")
    has_host = authority or scheme.lower() != "file"
    # A path after a host may be the rest of a password, if it has an '@'.
    if has_host and ("@" in path + query + fragment or not scheme.isalnum() or not is_host(place)):
        return None
    return _Url(scheme, userinfo, place + slash + path, query, fragment)


def is_host(place: str) -> bool:
    """Return whether a text is a host, or a host and a port."""
    host, colon, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        host = place
    bare = host[1:-1].replace(":", "") if host.startswith("[") and host.endswith("]") else host
    is_name = bare != "" and all(character.isalnum() or character in ".-_" or character > "\x7f" for character in bare)
    return is_name and (not colon or (port.isascii() and port.isdigit() and len(port) <= 5))


def _secrets(text: str) -> set[str]:
    """Return the secrets of a URL in the forms in which a server or a library may repeat them."""
    url = _parsed(text)
    if not url:
        return set()
    fragment = "" if url.fragment.startswith("sha256=") else url.fragment
    if not (url.userinfo or url.query or fragment):
        return set()
    from base64 import b64encode
    from urllib.parse import quote, unquote

    user, _, password = url.userinfo.partition(":")
    found = {url.userinfo, password or user, url.query, fragment}
    for pair in url.query.split("&"):
        name, _, value = pair.partition("=")
        # Other values are ordinary words, such as the name of a repository.
        if len(value) >= _TOKEN_LENGTH or any(word in name.lower() for word in _SECRET_NAMES):
            found.add(value)
    plain = {unquote(secret) for secret in found}
    header = b64encode(unquote(url.userinfo).encode()).decode()
    return found | plain | {quote(secret, safe="") for secret in plain} | {header}
