"""What a gateway does that finds a name as it is: start and count right, start and count wrong, or die, and with which words.

The gateways read a vocabulary with tiktoken-go, which checks neither length nor digest (``loadTiktokenBpe`` of v0.1.7): it
splits the text at line feeds, skips empty lines, and takes each line as base64, a space, and a rank. Whatever parses is
used. So an empty or a cut file starts the gateway and makes it count wrong, and only what does not parse stops it.
"""

from __future__ import annotations

import binascii

from .findings import DEVICE, DIRECTORY, FIFO, GOOD, LINK, MISSING, SPECIAL, UNREADABLE, Finding
from .light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .catalogue import Vocabulary

COUNTS_RIGHT = "counts-right"
COUNTS_WRONG = "counts-wrong"
DIES = "dies"
NOT_READ = "not-read"
"""No gateway loads this vocabulary when it starts."""

# Go's int is one of 64 bits wherever the gateways run.
_MOST_INT = (1 << 63) - 1
_MOST_DIGITS = 19

# What the gateways load when they start, and the model that the message names if they cannot (New-API to v0.8.2.0 and
# one-api, ``InitTokenEncoders``).
LOADED_AT_START = {"cl100k_base.tiktoken": "gpt-3.5-turbo", "o200k_base.tiktoken": "gpt-4o"}


class Prognosis(NamedTuple):
    """What a gateway does that finds a file in some state."""

    outcome: str
    """`COUNTS_RIGHT`, `COUNTS_WRONG`, `DIES` (it exits, or never starts) or `NOT_READ`."""
    text: str
    """The same for people, with the message that a dying gateway prints."""


def foretell(finding: Finding) -> Prognosis:
    """Say what a gateway does that finds this."""
    vocabulary, name = finding.target.vocabulary, finding.target.name
    if name == vocabulary.published_name:
        readers = "start and count right" if finding.ready else "fail"
        return Prognosis(NOT_READ, f"no gateway looks for this name; those who do {readers}")
    nowhere = f'Get "{vocabulary.url}": ...'
    denied = f"open .../{name}: permission denied"
    if finding.state == MISSING:
        return death(vocabulary, nowhere)
    # If it lets others in, what those do who find something wrong is worse.
    kept_out = finding.state == GOOD or not finding.unless
    if finding.state == LINK or (finding.hidden and kept_out):
        # To tiktoken-go, what it cannot look at is not there.
        return death(vocabulary, nowhere, finding.unless)
    if finding.state == UNREADABLE or (finding.unreadable and kept_out):
        return death(vocabulary, denied, finding.unless)
    if finding.diagnosis:
        return finding.diagnosis.prognosis
    if finding.state == DIRECTORY:
        return death(vocabulary, f"read .../{name}: is a directory")
    if finding.state == SPECIAL:
        return _of_special(vocabulary, name, finding.kind)
    if vocabulary.published_name not in LOADED_AT_START:
        return Prognosis(NOT_READ, "its readers start and count right")
    return Prognosis(COUNTS_RIGHT, "the gateway starts and counts right")


def death(vocabulary: Vocabulary, complaint: str, unless: str = "") -> Prognosis:
    """Say how a reader fails that cannot use the file for the reason given, which may not hold for every one."""
    model = LOADED_AT_START.get(vocabulary.published_name)
    if model is None:
        return Prognosis(NOT_READ, "its readers try to download it again, which fails without a network")
    # A panic comes before there is an error to wrap.
    words = complaint if complaint.startswith("panic: ") else f"failed to get {model} token encoder: {complaint}"
    return Prognosis(DIES, f"the gateway dies{f' unless {unless}' if unless else ''}: {words}")


def _of_special(vocabulary: Vocabulary, name: str, kind: str) -> Prognosis:
    """Say what comes of reading what is no file: a `FIFO`, a `SOCKET` or a `DEVICE` of `findings`."""
    at_start = vocabulary.published_name in LOADED_AT_START
    if kind == FIFO:
        who = "the gateway never starts: it" if at_start else "whoever reads it"
        return Prognosis(DIES if at_start else NOT_READ, f"{who} waits for bytes from the FIFO")
    if kind == DEVICE and at_start:
        text = "the gateway reads the device: it COUNTS WRONG if that is empty, and never starts if it has no end"
        return Prognosis(COUNTS_WRONG, text)
    return death(vocabulary, f"open .../{name}: no such device or address")


def read(data: bytes) -> tuple[str, dict[bytes, int]]:
    """Return the error that tiktoken-go v0.1.7 gives when it parses these bytes, or an empty text; and token -> rank so far."""
    ranks: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        if not line:
            continue
        token, space, rank = line.partition(b" ")
        try:
            # Go's decoder passes over carriage returns.
            decoded = binascii.a2b_base64(token.replace(b"\r", b""), strict_mode=True)
        except binascii.Error:
            return "illegal base64 data at input byte ...", ranks
        if not space:
            return "panic: runtime error: index out of range [1] with length 1", ranks
        digits = rank.partition(b" ")[0]
        number = digits[1:] if digits[:1] in (b"-", b"+") else digits
        shown_digits = ascii(digits[:24].decode("latin-1"))[1:-1]
        if not number.isdigit():
            return f'strconv.Atoi: parsing "{shown_digits}": invalid syntax', ranks
        number = number.lstrip(b"0") or b"0"
        if len(number) > _MOST_DIGITS or int(number) > _MOST_INT:
            return f'strconv.Atoi: parsing "{shown_digits}": value out of range', ranks
        ranks[decoded] = -int(number) if digits.startswith(b"-") else int(number)
    # A file that is cut within a rank gives that rank twice.
    same = len(set(ranks.values())) == len(ranks)
    return "" if same else "encoder and decoder map sizes are different", ranks


def published(ranks: dict[bytes, int]) -> bytes:
    """Return what was read as a vocabulary is published: in the order of the ranks, a line for each."""
    rows = sorted(ranks.items(), key=lambda row: row[1])
    return b"".join(b"%s %d\n" % (binascii.b2a_base64(token, newline=False), rank) for token, rank in rows)
