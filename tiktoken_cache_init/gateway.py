"""Effect of a file on a gateway: it starts and counts correctly, starts and counts wrong, or does not start.

New-API up to v0.8.2.0, one-api and their forks read a vocabulary with tiktoken-go (``loadTiktokenBpe`` of v0.1.7). It
parses each line as base64, a space and a rank. It checks neither length nor digest. So a gateway starts and counts wrong
if the file is empty, or cut at the end of a line. Only a file that does not parse prevents the start.
"""

import binascii
import os
from enum import StrEnum
from typing import NamedTuple

from .catalogue import VOCABULARIES, Vocabulary, encoding
from .volume.identify import Kind, is_copy
from .volume.inspect import Finding, State

_MAX_READ = 8 << 20
"""Maximum number of bytes to read from a wrong file."""
_SURELY_WRONG = (Kind.EMPTY, Kind.CUT_AT_LINE, Kind.OTHER_VOCABULARY)
"""Kinds of wrong bytes that lack tokens, or have other tokens."""

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
    vocabulary, path = finding.vocabulary, finding.path
    if finding.name != vocabulary.cache_key:
        return Prediction(Consequence.NOT_READ, "does not read this name")
    model = LOADED_AT_START.get(vocabulary.cache_key)
    if model is None:
        return Prediction(Consequence.NOT_READ, "does not read it at start")
    fails = f"does not start: failed to get {model} token encoder"
    match finding.state:
        case State.RIGHT if finding.readable:
            return Prediction(Consequence.COUNTS_RIGHT, "starts and counts correctly")
        case State.RIGHT:
            return Prediction(Consequence.FAILS, f"does not start if its user cannot read the file: {finding.lacks}")
        case State.LINK if is_copy(path, vocabulary, follow=True):
            return Prediction(Consequence.COUNTS_RIGHT, "starts and counts correctly if it can follow the link")
        case State.WRONG if (parses := _parses(path)) is not None:
            if not parses:
                return Prediction(Consequence.FAILS, fails)
            surely = finding.identity and finding.identity.kind in _SURELY_WRONG
            return Prediction(Consequence.COUNTS_WRONG, f"starts and {'counts' if surely else 'may count'} wrong")
        case State.LINK | State.SPECIAL | State.WRONG:
            return Prediction(Consequence.FAILS, f"{fails}; or it starts and counts wrong")
        case _:
            return Prediction(Consequence.FAILS, fails)


def also_needed(directory: str, wanted: tuple[Vocabulary, ...]) -> list[Vocabulary]:
    """Return the vocabularies that a gateway loads at start with the wanted ones, and that the directory lacks."""
    names = {vocabulary.cache_key for vocabulary in wanted}
    others = LOADED_AT_START.keys() - names if names & LOADED_AT_START.keys() else set()
    return [
        known
        for known in VOCABULARIES
        if known.cache_key in others and not is_copy(os.path.join(directory, known.cache_key), known, follow=True)
    ]


def _parses(path: str) -> bool | None:
    """Return whether tiktoken-go accepts the bytes of a file, or None if that is not clear.

    It refuses two tokens with the same rank. So the result is clear only if the ranks increase, as they do in every
    published vocabulary.
    """
    last, left = -1, _MAX_READ
    try:
        with open(path, "rb") as file:
            while line := file.readline(left):
                left -= len(line)
                if line != b"\n":
                    token, rank, *_ = line.removesuffix(b"\n").split(b" ", 2)
                    binascii.a2b_base64(token, strict_mode=True)
                    if not rank.isdigit():
                        return False
                    if int(rank) <= last:
                        return None
                    last = int(rank)
    except ValueError:
        return False
    except OSError:
        return None
    return True if left else None
