"""Keep credentials out of everything that is printed.

Operators paste logs into public issues. Messages show URLs through `shown`, and every line also passes a `Scrubber`, because
a library may word a message of its own.
"""

from collections.abc import Iterable

HIDDEN = "***"

# A shorter secret would blot out parts of ordinary words. `shown` hides it in URLs all the same.
_MIN_SCRUBBED_LENGTH = 4


def shown(url: str) -> str:
    """Return the URL as it may be printed: without user, password and query, which may hold a token."""
    before, userinfo, after = _split(url)
    after, mark, fragment = after.partition("#")
    if mark and not fragment.startswith("sha256="):
        fragment = HIDDEN
    head, question, _ = after.partition("?")
    authority, slash, path = head.partition("/")
    if _has_bad_port(authority):
        # Most likely a part of a password that lost its '@' at a comma or a space.
        head = f"{authority.partition(':')[0]}:{HIDDEN}{slash}{path}"
    return (
        before
        + (f"{HIDDEN}@" if userinfo else "")
        + head
        + (f"?{HIDDEN}" if question else "")
        + (f"#{fragment}" if mark else "")
    )


class Scrubber:
    """Replace the secrets of some texts (settings, proxy variables) in any other text."""

    def __init__(self, texts: Iterable[str]) -> None:
        secrets: set[str] = set()
        for text in texts:
            if "@" in text or "?" in text:
                for piece in (text, *text.replace(",", " ").split()):
                    secrets |= _secrets(piece.strip("\"'"))
        # Longest first: a short secret may be part of a longer one.
        self._secrets = sorted((each for each in secrets if len(each) >= _MIN_SCRUBBED_LENGTH), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with every known secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _split(url: str) -> tuple[str, str, str]:
    """Split a URL into the part before the userinfo, the userinfo, and the part after it, however malformed it is."""
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
        # An unescaped slash in a password ends the authority early. An '@' in a path follows no colon.
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
    # Few runs have secrets, and each start would wait for the import.
    from urllib.parse import unquote

    user, _, password = userinfo.partition(":")
    query = after.partition("?")[2].partition("#")[0]
    found = {userinfo, password or user, query, *(pair.partition("=")[2] for pair in query.split("&"))}
    return found | {unquote(secret) for secret in found}
