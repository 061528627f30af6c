"""Keeps credentials out of everything that is printed.

Operators paste logs into public issues, so no credential of a mirror's or a proxy's URL may ever reach a line, whichever
library worded it. URLs are shown through `shown`, and every line goes through a `Scrubber` besides.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


HIDDEN = "***"

# A shorter secret would blot out parts of ordinary words; `shown` still hides it where it stands in a URL.
_SHORTEST_SCRUBBED = 4


def _parts(url: str) -> tuple[str, str, str]:
    """Split a URL into what stands before the userinfo, the userinfo, and what stands after it."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    slashes = rest[: len(rest) - len(rest.lstrip("/"))] if mark or rest.startswith("//") else ""
    mark, rest = mark + slashes, rest[len(slashes) :]
    authority = rest
    for end in "/?#":
        authority = authority.partition(end)[0]
    # A user name or a password with an unescaped slash in it ends the authority early; so does a scheme without its colon.
    before = rest.partition("?")[0].rpartition("@")[0]
    # A path may have an '@' in it, most often at the beginning of a name.
    if "@" not in authority and ":" in before and "]" not in authority and not before.endswith("/"):
        authority = before + "@"
    elif "@" not in authority and "@" in rest and _bad_port(authority):
        authority = rest.rpartition("@")[0] + "@"
    userinfo, at, _ = authority.rpartition("@")
    return f"{scheme}{mark}", userinfo, rest[len(userinfo) + len(at) :]


def _bad_port(authority: str) -> bool:
    host, colon, port = authority.rpartition(":")
    return bool(colon) and "]" not in authority and (":" in host or not port.isdigit())


def shown(url: str) -> str:
    """Return the URL as it may be printed: without credentials and without its query, which may carry a token."""
    before, userinfo, after = _parts(url)
    after, fragment = _unfragmented(after)
    head, question, _ = after.partition("?")
    authority, slash, path = head.partition("/")
    if _bad_port(authority):
        # Part of a password, more likely, whose '@' was lost with a comma or a space.
        head = f"{authority.partition(':')[0]}:{HIDDEN}{slash}{path}"
    return before + (f"{HIDDEN}@" if userinfo else "") + head + (f"?{HIDDEN}" if question else "") + fragment


def _unfragmented(after: str) -> tuple[str, str]:
    """Take off a fragment, and return it as it may be printed: a digest as it is."""
    head, mark, fragment = after.partition("#")
    return head, mark + (fragment if fragment.startswith("sha256=") else HIDDEN) if mark else ""


class Scrubber:
    """Takes the secrets of the texts it was made from out of any other text."""

    def __init__(self, texts: Iterable[str]) -> None:
        secrets: set[str] = set()
        for text in texts:
            if "@" not in text and "?" not in text:
                continue
            for piece in (text, *text.replace(",", " ").split()):
                secrets |= _secrets(piece.strip("\"'"))
        # The longest first, so that no secret survives as the rest of a longer one.
        self._secrets = sorted((s for s in secrets if len(s) >= _SHORTEST_SCRUBBED), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with every known secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _secrets(url: str) -> set[str]:
    _, userinfo, after = _parts(url)
    if not userinfo and "?" not in after:
        return set()
    from urllib.parse import unquote

    user, _, password = userinfo.partition(":")
    found = {userinfo, password or user}
    query = after.partition("?")[2].partition("#")[0]
    found.add(query)
    found |= {pair.partition("=")[2] for pair in query.split("&")}
    return found | {unquote(secret) for secret in found}
