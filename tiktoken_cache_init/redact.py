"""Redaction of credentials in everything that is printed.

Operators paste logs into public issues. `redacted` returns the parts of a URL that are safe to print. A `Scrubber` then hides the
known secrets in every line, because the message of a server or of a library may repeat one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.parse import SplitResult

HIDDEN = "***"

_MIN_LENGTH = 4
"""Minimum length of a secret that is scrubbed. A shorter one may be a part of ordinary words. It is hidden only in URLs."""
_TOKEN_LENGTH = 16
"""Minimum length of a query value that counts as a secret whatever its name."""
_SECRET_NAMES = ("auth", "code", "credential", "key", "pass", "pwd", "secret", "sig", "token")
"""Parts of the names of query values that are secrets. Other values are ordinary words, such as the name of a repository."""


def redacted(text: str) -> str:
    """Return a URL without user, password, query and fragment, or a path.

    Any other text is hidden as a whole, because a part of it may be a secret.
    """
    _, mark, rest = text.partition("://")
    is_path = not mark and text.startswith(("/", ".")) and not text.startswith("//")
    # The URLs of published vocabularies are plain. Parsing one would slow down every start.
    if is_path or not set("@:?#").intersection(rest if mark else text):
        return text
    url = _split(text) if mark else None
    if url is None:
        return HIDDEN
    userinfo, _, host = url.netloc.rpartition("@")
    netloc = f"{HIDDEN}@{host}" if userinfo else host
    return url._replace(netloc=netloc, query=url.query and HIDDEN, fragment=url.fragment and HIDDEN).geturl()


class Scrubber:
    """Filter that finds the secrets in some texts (settings, proxy variables) and hides them in any other text."""

    def __init__(self, texts: Iterable[str]) -> None:
        secrets: set[str] = set()
        for text in texts:
            # A text may be one URL, or a list that commas or spaces separate.
            for piece in (text, *entries(text), *(entry for word in text.split() for entry in entries(word))):
                if set("@?#").intersection(piece) and redacted(piece) != piece:
                    secrets |= _secrets(piece.strip("\"'"))
        self._patterns = []
        if secrets:
            # Few runs have secrets, and importing this would slow down every start.
            import re

            # Longest first: a short secret may be part of a longer one. httpx prints hosts in lower case.
            known = sorted((s for s in secrets if len(s) >= _MIN_LENGTH), key=len, reverse=True)
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


def is_host(text: str) -> bool:
    """Return whether a text is a host, or a host and a port."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5):
        host = text
    name = host.replace(":", "") if host.startswith("[") else host
    return name != "" and all(character.isalnum() or character in ".-_[]" for character in name)


def _split(url: str) -> SplitResult | None:
    """Split a URL. Return None if it is not clear where the password ends, because a '/', '?' or '#' may belong to it."""
    from urllib.parse import urlsplit

    try:
        # The variables of proxies may leave the scheme out.
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        return None
    if parts.scheme == "file" and not parts.netloc:
        return parts
    # A path after a host may be the rest of a password, if it has an '@'. The parser removes the ends of lines.
    is_clear = url.isprintable() and "@" not in parts.path + parts.query + parts.fragment
    return parts if is_clear and is_host(parts.netloc.rpartition("@")[2]) else None


def _secrets(text: str) -> set[str]:
    """Return the secrets of a URL in the forms in which a server or a library may repeat them. If it is not clear, it is one secret."""
    url = _split(text)
    if not url:
        return {text}
    from base64 import b64encode
    from urllib.parse import quote, unquote

    userinfo = url.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    found = {userinfo, password or user, url.query, url.fragment}
    for pair in url.query.split("&"):
        name, _, value = pair.partition("=")
        if len(value) >= _TOKEN_LENGTH or any(word in name.lower() for word in _SECRET_NAMES):
            found.add(value)
    plain = {unquote(secret) for secret in found}
    header = b64encode(unquote(userinfo).encode()).decode()
    return found | plain | {quote(secret, safe="") for secret in plain} | {header}
