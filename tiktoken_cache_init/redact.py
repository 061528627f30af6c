"""Redaction of credentials in everything that is printed.

Operators paste logs into public issues. `redacted` redacts each URL in a message. A `Scrubber` then redacts every line,
because the message of a library may contain a secret.
"""

from collections.abc import Iterable

HIDDEN = "***"

# Scrubbing a shorter secret would garble ordinary words. `redacted` still hides it in URLs.
_MIN_SCRUBBED_LENGTH = 4


_TOKEN_LENGTH = 16
"""Minimum length of a query value that counts as a secret whatever its name."""
_SECRET_NAMES = ("auth", "code", "credential", "key", "pass", "pwd", "secret", "sig", "token")
"""Parts of the names of query values that are secrets."""


def redacted(url: str) -> str:
    """Return the URL without user, password and query, so that it is safe to print."""
    before, userinfo, after = _split(url)
    after, mark, fragment = after.partition("#")
    if mark and not fragment.startswith("sha256="):
        fragment = HIDDEN
    head, question, _ = after.partition("?")
    authority, slash, path = head.partition("/")
    if _has_bad_port(authority):
        # Probably part of a password: the '@' was cut off at a comma or a space.
        head = f"{authority.partition(':')[0]}:{HIDDEN}{slash}{path}"
    return (
        before
        + (f"{HIDDEN}@" if userinfo else "")
        + head
        + (f"?{HIDDEN}" if question else "")
        + (f"#{fragment}" if mark else "")
    )


class Scrubber:
    """Filter that finds the secrets in some texts (settings, proxy variables) and hides them in any other text."""

    def __init__(self, texts: Iterable[str]) -> None:
        secrets: set[str] = set()
        for text in texts:
            if "@" in text or "?" in text:
                for piece in (text, *text.replace(",", " ").split()):
                    secrets |= _secrets(piece.strip("\"'"))
        # Longest first: a short secret may be part of a longer one.
        self._secrets = sorted((each for each in secrets if len(each) >= _MIN_SCRUBBED_LENGTH), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with every known secret hidden."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _split(url: str) -> tuple[str, str, str]:
    """Split a URL, even a malformed one, into the part before the userinfo, the userinfo, and the part after it."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    slashes = rest[: len(rest) - len(rest.lstrip("/"))] if mark or rest.startswith("//") else ""
    mark, rest = mark + slashes, rest[len(slashes) :]
    authority = rest
    for end in "/?#":
        authority = authority.partition(end)[0]
    before_at = rest.partition("?")[0].rpartition("@")[0]
    if "@" not in authority and ":" in before_at and "]" not in authority and not before_at.endswith("/"):
        # The password has an unescaped slash. Without a colon before it, the '@' would be part of the path.
        authority = before_at + "@"
    elif "@" not in authority and "@" in rest and _has_bad_port(authority):
        authority = rest.rpartition("@")[0] + "@"
    userinfo, at, _ = authority.rpartition("@")
    return f"{scheme}{mark}", userinfo, rest[len(userinfo) + len(at) :]


def _has_bad_port(authority: str) -> bool:
    host, colon, port = authority.rpartition(":")
    return bool(colon) and "]" not in authority and (":" in host or not port.isdigit())


def _secrets(url: str) -> set[str]:
    _, userinfo, after = _split(url)
    if not userinfo and "?" not in after:
        return set()
    # Few runs have secrets, and importing this would slow down every start.
    from urllib.parse import unquote

    user, _, password = userinfo.partition(":")
    query = after.partition("?")[2].partition("#")[0]
    found = {userinfo, password or user, query}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        # Other values are ordinary words, such as the name of a repository.
        if len(value) >= _TOKEN_LENGTH or any(word in name.lower() for word in _SECRET_NAMES):
            found.add(value)
    return found | {unquote(secret) for secret in found}
