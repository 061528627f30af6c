"""What a file that is not right is, and what a gateway would do with it. Loaded only where there is one."""

from __future__ import annotations

from . import catalogue
from .catalogue import Vocabulary
from .gateway import COUNTS_RIGHT, COUNTS_WRONG, LOADED_AT_START, Prognosis, death, published, read
from .light import NamedTuple
from .recognition import digest_is, recognise

_COUNTS_RIGHT = Prognosis(COUNTS_RIGHT, "the gateway starts and counts right all the same")


class Diagnosis(NamedTuple):
    """What a file that is not right looks like."""

    kind: str
    """A stable word: empty, html, xml, json, compressed, git-lfs, zeros, other-vocabulary, crlf, bom, wrong-bytes, too-long,
    cut-at-line or truncated."""
    text: str
    """The same for people."""
    prognosis: Prognosis
    other: Vocabulary | None = None
    """The vocabulary whose right bytes these are, if they are another's."""


def diagnose(data: bytes, vocabulary: Vocabulary, size: int | None = None) -> Diagnosis:
    """Say what ``data`` is, which stands where ``vocabulary`` should and is not it.

    ``data`` may be no more than the beginning of a file; then ``size`` is the length of the whole.
    """
    size = len(data) if size is None else size
    # Of a file that was not read to its end, the last line is not judged, unless it is all there is.
    whole = data if size == len(data) else data[: data.rfind(b"\n") + 1] or data
    complaint, ranks = read(whole)
    if complaint or vocabulary.published_name not in LOADED_AT_START:
        prognosis = death(vocabulary, complaint)
    else:
        prognosis = Prognosis(COUNTS_WRONG, "the gateway starts and COUNTS WRONG")
    for other in catalogue.VOCABULARIES:
        if other.size == len(data) and other != vocabulary and digest_is(data, other):
            text = f"the bytes of another vocabulary, {other.published_name}"
            return Diagnosis("other-vocabulary", text, prognosis, other)
    kind, text = recognise(data, vocabulary, size)
    if prognosis.outcome == COUNTS_WRONG and size == len(data) and digest_is(published(ranks), vocabulary):
        # As where a line end is missing or one is too many, or a download was appended to the file.
        return Diagnosis(kind, f"the right tokens, written in another way ({size:,} bytes)", _COUNTS_RIGHT)
    return Diagnosis(kind, text, prognosis)
