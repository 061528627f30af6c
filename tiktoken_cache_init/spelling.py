"""The nearest right spelling of a wrong word.

Not by `difflib`: that is 50 kB of byte-code in an image that is to be small, and by its measure far-off words are near.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST_BEGINNING = 3


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` is a slip of, or the only one that begins with it, or None."""
    words = list(known)
    letters = len(word.lstrip("-"))
    begun = [each for each in words if each.startswith(word)]
    if letters >= _SHORTEST_BEGINNING and len(begun) == 1:
        return begun[0]
    # One slip in a word of two letters, two in one of five; with more it could be anything.
    near = [(slips(word, each), each) for each in words]
    near = [(count, each) for count, each in near if count <= (letters + 1) // 3]
    return min(near)[1] if near else None


def slips(word: str, other: str) -> int:
    """Return how many letters to insert, drop, change, or swap with the next turn one word into the other.

    It is the optimal string alignment distance, computed a row at a time.
    """
    previous: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        before_previous, previous, row = previous, row, [i]
        for j, its in enumerate(other, 1):
            least = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == its:
                least = min(least, before_previous[j - 2] + 1)
            row.append(least)
    return row[-1]
