"""What a fill has to do, worked out from what each name holds. Nothing here looks at the volume."""

from __future__ import annotations

from .light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .catalogue import Vocabulary
    from .findings import Finding


class Plan(NamedTuple):
    """The names that need bytes, in the order in which they get them."""

    originals: tuple[Finding, ...]
    """To be obtained, side by side."""
    beside: tuple[Finding, ...]
    """Second names, for what the originals hold by then."""

    @property
    def size(self) -> int:
        """Bytes that are to be obtained, as far as that is known."""
        return sum(finding.target.vocabulary.size or 0 for finding in self.originals)


def plan(needed: Sequence[Finding]) -> Plan:
    """Tell the names apart that are not ready and cannot be mended."""
    return Plan(
        tuple(finding for finding in needed if not finding.target.beside),
        tuple(finding for finding in needed if finding.target.beside),
    )


def held_under(finding: Finding, places: Mapping[Vocabulary, str], wanted: Iterable[Vocabulary]) -> set[Vocabulary]:
    """Return which of the wanted vocabularies have their bytes, or may have them, under this name, which is not theirs.

    Whatever is put there must wait until those are safe. ``places`` is where right bytes were found in the volume, relative
    to it.
    """
    own, other = finding.target.vocabulary, finding.diagnosis.other if finding.diagnosis else None
    return {
        vocabulary
        for vocabulary in wanted
        if vocabulary != own
        # What we may not read may be just that, by its length.
        and (places.get(vocabulary) == finding.target.name or vocabulary == other or vocabulary.size == finding.size)
    }
