"""What has become of each wanted name so far."""

from __future__ import annotations

from .findings import MISSING
from .obtain import Attempts, Failure
from .outcomes import FAILED, INSTALLED, KEPT, MENDED, REPLACED, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalogue import Vocabulary
    from .findings import Finding, Target


class Record:
    """Kept while a fill is at work; a name of which nothing is noted is as it was found."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = findings
        self.attempts: dict[Target, Attempts] = {}
        """For each name that is to be obtained."""
        self._outcomes: dict[Target, Outcome] = {}

    def begin(self, originals: Sequence[Finding]) -> None:
        """Note that these are to be obtained."""
        self.attempts = {finding.target: Attempts() for finding in originals}

    def mended(self, finding: Finding) -> None:
        """Note that a right file got the mode and the owner that it lacked."""
        self._outcomes[finding.target] = Outcome(finding, MENDED)

    def provided(self, finding: Finding, source: str) -> None:
        """Note that a name holds the right bytes now, and where they came from."""
        action = INSTALLED if finding.state == MISSING else REPLACED
        self._outcomes[finding.target] = Outcome(finding, action, source, self._failures(finding))

    def provided_by_another(self, finding: Finding) -> None:
        """Note that somebody else has put a name right."""
        self._outcomes[finding.target] = Outcome(finding, INSTALLED, "another run")

    def failed(self, finding: Finding, reason: str = "") -> None:
        """Note that nothing could be done; ``reason`` is what the volume has against it, if it is not the sources' doing."""
        if reason:
            self.attempts[finding.target].failures.append(Failure("the volume", reason, ""))
        self._outcomes[finding.target] = Outcome(finding, FAILED, failures=self._failures(finding))

    def cut_off(self) -> None:
        """Note how far each route in use had come when the time was up."""
        for attempts in self.attempts.values():
            attempts.cut_off()

    def outcome(self, finding: Finding) -> Outcome:
        """Return what became of a name."""
        if finding.target in self._outcomes:
            return self._outcomes[finding.target]
        return Outcome(finding, KEPT) if finding.ready else Outcome(finding, FAILED, failures=self._failures(finding))

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what became of each name, in the order of the findings."""
        return tuple(self.outcome(finding) for finding in self.findings)

    def is_lacking(self, finding: Finding) -> bool:
        """Whether a name does not hold what it should."""
        return self.outcome(finding).action == FAILED

    def outstanding(self) -> set[Vocabulary]:
        """Return the vocabularies that are not in their own place."""
        return {f.target.vocabulary for f in self.findings if not f.target.beside and self.is_lacking(f)}

    def has_installed(self) -> bool:
        """Whether any name has got a file or a link."""
        return any(outcome.action in (INSTALLED, REPLACED) for outcome in self._outcomes.values())

    def _failures(self, finding: Finding) -> tuple[Failure, ...]:
        attempts = self.attempts.get(finding.target)
        return tuple(attempts.failures) if attempts else ()
