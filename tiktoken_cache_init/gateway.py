"""Effect of a file on a gateway: it starts and counts correctly, starts and counts wrong, or does not start.

New-API up to v0.8.2.0, one-api and their forks read a vocabulary with tiktoken-go (``loadTiktokenBpe`` of v0.1.7). It
parses each line as base64, a space and a rank. It checks neither length nor digest. So a gateway starts and counts wrong
if the file is empty, or cut at the end of a line. Only a file that does not parse prevents the start.
"""

import binascii
from enum import StrEnum
from typing import NamedTuple

from .catalogue import VOCABULARIES, Vocabulary, encoding
from .volume.identify import MAX_READ, has_digest
from .volume.inspect import Finding, State

LOADED_AT_START = {
    encoding("cl100k_base").vocabularies[0].cache_key: "gpt-3.5-turbo",
    encoding("o200k_base").vocabularies[0].cache_key: "gpt-4o",
}
"""Name of a file that gateways load at start (``InitTokenEncoders``) -> model in their error message."""


class Consequence(StrEnum):
    """Effect of a file on a gateway."""

    COUNTS_RIGHT = "counts-right"
    COUNTS_WRONG = "counts-wrong"
    FAILS = "fails"
    NOT_READ = "not-read"
    """No gateway loads the file at start."""


class Prediction(NamedTuple):
    """Effect of a file on a gateway, for programs and for people."""

    consequence: Consequence
    text: str


def predict(finding: Finding) -> Prediction:
    """Predict the effect of a file on a gateway."""
    vocabulary = finding.target.vocabulary
    if finding.target.name != vocabulary.cache_key:
        return Prediction(Consequence.NOT_READ, "does not read this name")
    model = LOADED_AT_START.get(vocabulary.cache_key)
    if model is None:
        return Prediction(Consequence.NOT_READ, "does not read it at start")
    fails = Prediction(Consequence.FAILS, f"does not start: failed to get {model} token encoder")
    if finding.state is State.RIGHT:
        if not finding.readable:
            return Prediction(Consequence.FAILS, f"does not start if its user cannot read the file: {finding.lacks}")
        return Prediction(Consequence.COUNTS_RIGHT, "starts and counts correctly")
    if finding.state in (State.LINK, State.SPECIAL) or len(finding.head) == MAX_READ:
        return Prediction(Consequence.FAILS, f"{fails.text}; or it starts and counts wrong")
    if finding.state is not State.WRONG:
        return fails
    ranks = _parsed(finding.head)
    if ranks is None:
        return fails
    if has_digest(_published(ranks), vocabulary):
        return Prediction(Consequence.COUNTS_RIGHT, "starts and counts correctly: other bytes, but the right tokens")
    return Prediction(Consequence.COUNTS_WRONG, "starts and counts wrong")


def also_loaded(wanted: tuple[Vocabulary, ...]) -> tuple[Vocabulary, ...]:
    """Return the other vocabularies that a gateway loads at start, if it loads one of the wanted ones."""
    names = {vocabulary.cache_key for vocabulary in wanted}
    missing = LOADED_AT_START.keys() - names
    return (
        tuple(known for known in VOCABULARIES if known.cache_key in missing) if names & LOADED_AT_START.keys() else ()
    )


def _parsed(data: bytes) -> dict[bytes, int] | None:
    """Return token -> rank as tiktoken-go parses the bytes, or None if it refuses them."""
    ranks: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        if line:
            token, space, rank = line.partition(b" ")
            try:
                decoded = binascii.a2b_base64(token.replace(b"\r", b""), strict_mode=True)
                ranks[decoded] = int(rank.partition(b" ")[0])
            except ValueError:
                return None
            # int() accepts spaces, underscores, line ends and numbers of any size. Go's Atoi does not.
            if not space or not rank.partition(b" ")[0].lstrip(b"+-").isdigit() or abs(ranks[decoded]) >= 1 << 63:
                return None
    # In a file that is cut within a rank, two tokens have the same rank, which tiktoken-go refuses.
    return ranks if len(set(ranks.values())) == len(ranks) else None


def _published(ranks: dict[bytes, int]) -> bytes:
    """Return the tokens in the published format: one line for each token, in the order of the ranks."""
    rows = sorted(ranks.items(), key=lambda row: row[1])
    return b"".join(b"%s %d\n" % (binascii.b2a_base64(token, newline=False), rank) for token, rank in rows)
