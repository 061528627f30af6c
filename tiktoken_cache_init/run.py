"""One run's time and its end: the deadline, the workers, and what must be undone whichever way the run ends.

Only worker threads touch the volume and the network. The main thread does nothing but wait, so a signal's handler always
runs at once, and never between the making of a file and the note that it must be removed.
"""

from __future__ import annotations

import threading
import time

from .errors import NoThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    _Item = TypeVar("_Item")
    _Result = TypeVar("_Result")


# Enough that no file waits for another: the catalogue has six.
_MOST_WORKERS = 8
_LONGEST_NAP = 0.2
_LONGEST_CLEANUP = 0.7
"""Seconds; whoever stops a container expects it to be gone within one."""


def start(work: Callable[..., None], *arguments: object) -> threading.Thread:
    """Start a thread. A daemon, so that one that is stuck in a system call cannot hold up the end of the process."""
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise NoThread(f"{error}: allow more processes (--pids-limit, ulimit -u, the node's limits)") from None
    return thread


class DeadlinePassed(Exception):
    """The time of the whole run is used up."""


class Closed(Exception):
    """The run is ending: a worker that sees this has nothing left to do."""


class Run:
    """The clock and the clean-up of one run."""

    def __init__(self, deadline: float = float("inf")) -> None:
        self.started = time.monotonic()
        self._end = self.started + deadline
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._undo: list[Callable[[], None]] = []

    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self._end - time.monotonic())

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    @property
    def closed(self) -> bool:
        """Whether the run is ending."""
        return self._closed.is_set()

    def check(self) -> None:
        """Raise if there is no time left, or if the run is ending."""
        if self._closed.is_set():
            raise Closed
        if not self.remaining():
            raise DeadlinePassed

    def sleep(self, seconds: float) -> None:
        """Wait, but not past the deadline and not past the end of the run."""
        self._closed.wait(min(seconds, self.remaining()))
        self.check()

    def at_end(self, undo: Callable[[], None]) -> None:
        """Have ``undo`` called when the run ends, or now if it is ending already."""
        with self._lock:
            if not self._closed.is_set():
                self._undo.append(undo)
                return
        undo()

    def close(self) -> None:
        """End the run: workers stop at their next step, and whatever was begun is undone."""
        with self._lock:
            self._closed.set()
            undo, self._undo = self._undo, []
        if not undo:
            return

        def undo_all() -> None:
            for action in reversed(undo):
                action()

        # On storage that hangs the clean-up hangs too, and must not keep the process from ending.
        try:
            start(undo_all).join(_LONGEST_CLEANUP)
        except NoThread:
            undo_all()

    def wait_for(self, work: Callable[[], _Result], grace: float = 2.0) -> _Result:
        """Call ``work`` on a worker and wait for it, as only the main thread may: interrupted by signals at any moment.

        ``work`` is expected to mind the deadline itself; it is given up ``grace`` seconds later.

        Raises:
            DeadlinePassed: it did not come back, as when a network file system hangs.
        """
        outcome: list[_Result] = []
        failure: list[BaseException] = []
        done = threading.Event()

        def worker() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # handed on to the thread that waits
                failure.append(error)
            done.set()

        start(worker)
        given_up = self._end + grace
        # In slices, because a signal that comes just before a wait, or to another thread, does not end that wait.
        while not done.wait(_LONGEST_NAP):
            if time.monotonic() >= given_up:
                raise DeadlinePassed
        if failure:
            raise failure[0]
        return outcome[0]

    def map(
        self,
        work: Callable[[_Item], _Result],
        items: Sequence[_Item],
        *,
        tick: Callable[[], None] | None = None,
        every: float = 0.25,
    ) -> list[_Result]:
        """Call ``work`` on every item, side by side, and return the results in order.

        The first exception of a worker is raised here as soon as it is seen. ``tick`` is called about every ``every``
        seconds while waiting.

        Raises:
            DeadlinePassed: the deadline came before the workers were done.
        """
        results: dict[int, _Result] = {}
        failures: list[BaseException] = []
        changed = threading.Condition()
        queue = iter(enumerate(items))

        def worker(jobs: Iterable[tuple[int, _Item]]) -> None:
            while True:
                with changed:
                    job = next(iter(jobs), None)
                if job is None:
                    return
                try:
                    if self.closed:
                        raise Closed
                    result = work(job[1])
                except BaseException as error:  # handed on to the thread that waits
                    with changed:
                        failures.append(error)
                        changed.notify()
                    return
                with changed:
                    results[job[0]] = result
                    changed.notify()

        for _ in range(min(len(items), _MOST_WORKERS)):
            start(worker, queue)
        while True:
            with changed:
                if len(results) == len(items) or failures:
                    break
                if not self.remaining():
                    raise DeadlinePassed
                changed.wait(min(every if tick else 3600.0, self.remaining()))
            # Not under the lock: whoever reads our output may be slow, and the workers must not wait for that.
            if tick:
                tick()
        if failures:
            raise failures[0]
        return [results[index] for index in range(len(items))]
