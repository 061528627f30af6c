"""What a name in the volume can hold. Nothing here looks at the volume."""

from __future__ import annotations

from .light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .access import User
    from .catalogue import Vocabulary
    from .diagnosis import Diagnosis

# The published images of the gateways run as root.
UNLESS_ITS_USER_MAY = "its user may read it, as root may"

GOOD = "good"
MISSING = "missing"
WRONG = "wrong"
UNREADABLE = "unreadable"
DIRECTORY = "directory"
SPECIAL = "special"
LINK = "link"
"""A link that leads nowhere, or out of the volume, where the consumer cannot follow it."""

FIFO = "FIFO"
SOCKET = "socket"
DEVICE = "device"
"""What a `SPECIAL` is."""


class Target(NamedTuple):
    """One name that the volume is to provide."""

    vocabulary: Vocabulary
    name: str
    beside: str = ""
    """The name that holds the same bytes, where this one may be a link to it; else empty."""


class Finding(NamedTuple):
    """What a wanted name holds now."""

    target: Target
    state: str
    """`GOOD`, `MISSING`, `WRONG`, `UNREADABLE`, `DIRECTORY`, `SPECIAL` or `LINK`."""
    text: str
    """The state for people; for `WRONG`, what the bytes are."""
    diagnosis: Diagnosis | None = None
    """For `WRONG`."""
    lacks: str = ""
    """What a file with the right bytes lacks: a mode or an owner; else empty."""
    unreadable: bool = False
    """Whether its mode keeps some reader from reading it."""
    unless: str = ""
    """For people: who is not kept out by what keeps a reader out; else empty."""
    size: int = -1
    """Bytes, for `UNREADABLE`."""
    kind: str = ""
    """For `SPECIAL`: `FIFO`, `SOCKET` or `DEVICE`."""
    hidden: bool = False
    """Whether the folder keeps some reader from looking for it."""

    @property
    def ready(self) -> bool:
        """Whether the contract holds for this name."""
        return self.state == GOOD and not self.lacks


class Demand(NamedTuple):
    """What a file with the right bytes must also have."""

    mode: int = 0
    """At least these bits."""
    owner: User | None = None
    """Or None for any."""
    reader: User | None = None
    """The one user who must be able to read it, where it need not be every user; ``mode`` does not count then."""
