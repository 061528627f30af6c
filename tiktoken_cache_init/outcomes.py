"""What a fill makes of each wanted name, and its result: what the report is written from."""

from __future__ import annotations

from .light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import InitError
    from .findings import Finding
    from .obtain import Failure

KEPT = "kept"
MENDED = "mended"
INSTALLED = "installed"
REPLACED = "replaced"
FAILED = "failed"


class Outcome(NamedTuple):
    """What became of one wanted name."""

    before: Finding
    action: str
    """`KEPT`, `MENDED`, `INSTALLED`, `REPLACED` or `FAILED`."""
    source: str = ""
    """Where the bytes came from."""
    failures: tuple[Failure, ...] = ()
    """What was tried in vain, in order."""


class Filled(NamedTuple):
    """The result of a fill."""

    outcomes: tuple[Outcome, ...]
    error: InitError | None = None

    @property
    def ready(self) -> bool:
        """Whether the contract holds."""
        return self.error is None
