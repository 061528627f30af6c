"""What a gateway makes of a file: it starts and counts right, starts and counts wrong, or does not start.

New-API up to v0.8.2.0, one-api and their forks read a vocabulary with tiktoken-go, which checks neither length nor digest
(``loadTiktokenBpe`` of v0.1.7): it takes each line as base64, a space and a rank, and uses whatever parses. So an empty or a
cut file starts the gateway and makes it count wrong, and only a file that does not parse stops it.
"""

import binascii
from enum import StrEnum
from typing import NamedTuple

from .cache.identify import MOST_READ, has_digest
from .cache.inspect import Finding, State
from .catalogue import Vocabulary

LOADED_AT_START = {"cl100k_base.tiktoken": "gpt-3.5-turbo", "o200k_base.tiktoken": "gpt-4o"}
"""What gateways load when they start -> the model that their error names (``InitTokenEncoders`` of New-API and one-api)."""


class Consequence(StrEnum):
    """What a gateway does that finds a file."""

    COUNTS_RIGHT = "counts-right"
    COUNTS_WRONG = "counts-wrong"
    FAILS = "fails"
    NOT_READ = "not-read"
    """No gateway loads it when it starts."""


class Prognosis(NamedTuple):
    """The consequence, for programs and for people."""

    consequence: Consequence
    text: str


def foretell(finding: Finding) -> Prognosis:
    """Say what a gateway does that finds this."""
    vocabulary = finding.target.vocabulary
    if finding.target.name != vocabulary.cache_key:
        return Prognosis(Consequence.NOT_READ, "does not read this name")
    model = LOADED_AT_START.get(vocabulary.published_name)
    if model is None:
        return Prognosis(Consequence.NOT_READ, "does not read it at start")
    fails = Prognosis(Consequence.FAILS, f"does not start: failed to get {model} token encoder")
    if finding.state is State.RIGHT:
        if not finding.readable:
            return Prognosis(Consequence.FAILS, f"does not start if its user cannot read the file: {finding.lacks}")
        return Prognosis(Consequence.COUNTS_RIGHT, "starts and counts right")
    if finding.state in (State.LINK, State.SPECIAL) or len(finding.head) == MOST_READ:
        return Prognosis(Consequence.FAILS, f"{fails.text}; or it starts and counts wrong")
    if finding.state is not State.WRONG:
        return fails
    ranks = _parsed(finding.head)
    if ranks is None:
        return fails
    if has_digest(_published(ranks), vocabulary):
        return Prognosis(Consequence.COUNTS_RIGHT, "starts and counts right: other bytes, but the right tokens")
    return Prognosis(Consequence.COUNTS_WRONG, "starts and counts wrong")


def others_loaded(wanted: tuple[Vocabulary, ...]) -> tuple[str, ...]:
    """Return the published names that a gateway also loads when it starts, if it loads one of those wanted."""
    names = {vocabulary.published_name for vocabulary in wanted}
    return tuple(name for name in LOADED_AT_START if name not in names) if names & LOADED_AT_START.keys() else ()


def _parsed(data: bytes) -> dict[bytes, int] | None:
    """Return token -> rank as tiktoken-go reads the bytes, or None if it refuses them."""
    ranks: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        if line:
            token, space, rank = line.partition(b" ")
            try:
                decoded = binascii.a2b_base64(token.replace(b"\r", b""), strict_mode=True)
                ranks[decoded] = int(rank.partition(b" ")[0])
            except ValueError:
                return None
            # int() takes spaces, underscores, line ends and numbers of any size; Go's Atoi does not.
            if not space or not rank.partition(b" ")[0].lstrip(b"+-").isdigit() or abs(ranks[decoded]) >= 1 << 63:
                return None
    # A file that is cut within a rank gives that rank twice, which tiktoken-go refuses.
    return ranks if len(set(ranks.values())) == len(ranks) else None


def _published(ranks: dict[bytes, int]) -> bytes:
    """Return the tokens as a vocabulary is published: a line each, in the order of their ranks."""
    rows = sorted(ranks.items(), key=lambda row: row[1])
    return b"".join(b"%s %d\n" % (binascii.b2a_base64(token, newline=False), rank) for token, rank in rows)
