"""Getting one vocabulary: which route is tried when, and what is made of each failure.

All routes to a file wait in one queue. The next is always the one that is due first, so that whatever else can be tried is
tried before anything is waited for; a route that moved a good part of the file goes on at once.
"""

from __future__ import annotations

import os
import time

from .light import NamedTuple
from .recognition import recognise
from .sources import RouteFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .catalogue import Vocabulary
    from .run import Run
    from .sources import Route
    from .staging import StagedFile

_FIRST_WAIT = 0.5
"""Seconds before a failed route is tried again; doubled each time."""
_LONGEST_WAIT = 30.0
_PROGRESS = 1 << 16
"""Bytes beyond the furthest point so far that count as progress, so that a failure after them costs no retry."""


class Failure(NamedTuple):
    """One attempt that did not work."""

    label: str
    reason: str
    advice: str


class Attempts:
    """What has been tried for one vocabulary; read by the report while workers add to it."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.staged: StagedFile | None = None
        """The file that is being received, for the progress."""
        self.label = ""
        """The route in use."""

    def cut_off(self) -> None:
        """Note how far the route in use had come when the time was up."""
        if self.staged and self.label:
            size = self.staged.vocabulary.size
            so_far = f"{self.staged.position:,}" + (f" of {size:,}" if size else "")
            self.failures.append(
                Failure(self.label, f"{so_far} bytes when the deadline passed", "raise TIKTOKEN_INIT_DEADLINE")
            )


class _Turn:
    """A route's place in the queue."""

    def __init__(self, route: Route, place: int) -> None:
        self.route = route
        self.place = place
        self.due = 0.0
        self.failures = 0

    def key(self, now: float) -> tuple[float, int, int]:
        return (self.due if self.due > now else 0.0, self.route.strikes, self.place)


def obtain(
    vocabulary: Vocabulary, routes: list[Route], staged: StagedFile, run: Run, retries: int, log: Attempts
) -> bool:
    """Have the routes fill ``staged`` with the vocabulary, and say whether one did; ``log`` tells the rest.

    Raises:
        VolumeError: the staged file cannot be written.
        DeadlinePassed: the time is up.
    """
    turns = [_Turn(route, place) for place, route in enumerate(routes)]
    furthest = 0
    log.staged = staged
    while turns:
        turn = min(turns, key=lambda candidate: candidate.key(time.monotonic()))
        run.sleep(max(0.0, turn.due - time.monotonic()))
        log.label = turn.route.label
        failure = _deliver(turn.route, vocabulary, staged)
        if failure is None:
            return True
        progress = staged.position - furthest
        furthest = max(furthest, staged.position)
        log.failures.append(Failure(turn.route.label, str(failure), failure.advice))
        if failure.passing and progress >= _PROGRESS:
            turn.failures = 0
            continue
        turn.failures += 1
        turn.route.strikes += 1
        wait = _wait(turn.failures, failure.wait)
        if not failure.passing or turn.failures >= retries or wait >= run.remaining():
            turns.remove(turn)
        turn.due = time.monotonic() + wait
    return False


def _deliver(route: Route, vocabulary: Vocabulary, staged: StagedFile) -> RouteFailed | None:
    """Make one attempt; a second one from the start, if the first only completed what other attempts had begun."""
    begun, restarts = staged.position, staged.restarts
    try:
        route.deliver(vocabulary, staged)
        if begun and staged.restarts == restarts and not staged.is_right():
            # Who is to blame, this route or an earlier one, shows only when it delivers all of the bytes itself.
            staged.restart()
            route.deliver(vocabulary, staged)
    except RouteFailed as failure:
        return failure
    if staged.is_right():
        return None
    kind, text = recognise(staged.beginning(), vocabulary, staged.position)
    what = text if kind == "wrong-bytes" else f"wrong bytes: {text}"
    digest = staged.digest()
    staged.restart()
    return RouteFailed(f"{what}, their SHA-256 is {digest}")


def _wait(failures: int, asked: float | None) -> float:
    backoff = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (failures - 1))
    # Jitter, so that a fleet of init containers that failed together does not come back together.
    return max(asked or 0.0, backoff * (0.5 + os.urandom(1)[0] / 510))
