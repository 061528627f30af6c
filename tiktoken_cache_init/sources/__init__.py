"""Where bytes come from. A source is never trusted: the digest decides.

A source is a module with ``supply(deliveries, settings, end, watch)``, which fills the temporary file of each delivery with
right bytes if it can and notes each failure. To add one, write the module, and add its name to `SOURCES` in `settings` and to
`supply` below.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..cache.identify import Kind, identify
from ..cache.staging import StagedFile
from ..settings import Settings

_MODULES = {"baked": "local", "fetch": "fetch", "wheel": "wheel"}


class Failure(NamedTuple):
    """One attempt that did not work."""

    label: str
    """The place, safe to print."""
    reason: str
    advice: str
    """What the operator can do about it, or empty."""


class SourceError(Exception):
    """An attempt failed. The text says why, without naming the place."""

    def __init__(self, reason: str, *, transient: bool = False, wait: float = 0.0, advice: str = "") -> None:
        super().__init__(reason)
        self.transient = transient
        """Whether trying again later can help."""
        self.wait = wait
        """Seconds that the server asked to wait."""
        self.advice = advice


class Delivery:
    """One vocabulary that is to be obtained: its temporary file, and what was tried for it."""

    def __init__(self, staged: StagedFile) -> None:
        self.vocabulary = staged.vocabulary
        self.staged = staged
        self.failures: list[Failure] = []
        self.label = ""
        """The place that is being tried, and in the end the place that supplied the bytes."""

    @property
    def complete(self) -> bool:
        """Whether the temporary file has the right bytes."""
        return self.staged.is_right

    def failed(self, error: SourceError) -> None:
        """Note that the place that is being tried has failed."""
        self.failures.append(Failure(self.label, str(error), error.advice))

    def cut_off(self) -> None:
        """Note how far the place that is being tried came before the deadline, if the bytes are not complete."""
        if self.complete or not self.label:
            return
        size = f" of {self.vocabulary.size:,}" if self.vocabulary.size else ""
        reason = f"{self.staged.position:,}{size} bytes came before the deadline"
        self.failures.append(Failure(self.label, reason, "raise TIKTOKEN_INIT_DEADLINE"))


Watch = Callable[[Sequence[Delivery]], None]
"""Called several times a second while bytes are awaited."""


def wrong_bytes(staged: StagedFile) -> SourceError:
    """Return the error for bytes that came whole and are not the vocabulary's."""
    identity = identify(staged.head(), staged.vocabulary, staged.position)
    text = identity.text if identity.kind is Kind.WRONG_BYTES else f"wrong bytes: {identity.text}"
    return SourceError(f"{text}, SHA-256 {staged.digest}")


def supply(name: str, deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:
    """Have a source supply what is not complete yet.

    Args:
        name: one of `settings.SOURCES`.
        deliveries: what is wanted.
        settings: the settings of the run.
        end: when the deadline passes, in the time of `time.monotonic`.
        watch: called while bytes are awaited.

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
        advice = "use the default image, or install what requirements/runtime.txt names (make fill does)"
        if name == "wheel":
            advice = "remove wheel from TIKTOKEN_INIT_SOURCES: it needs pip, so it works outside the image only"
        for delivery in wanted:
            if not delivery.complete:
                delivery.label = name
                delivery.failed(SourceError(f"this installation has no {error.name}", advice=advice))
