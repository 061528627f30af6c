"""Sources of the bytes, and the order in which a fill tries them. No source is trusted: the digest decides.

To add a source, write a function of the type `Source`, and add it to `Name` and `_load`.
If users can choose it, also add its name to `SourceName` in `values`; if not, add it to `_order`.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

from .. import interrupts
from ..errors import LIMITS, DeadlinePassed, SettingError
from ..settings import Settings
from ..volume.identify import Kind
from ..volume.staging import StagedFile

Name = Literal["volume", "baked", "directories", "fetch", "wheel"]

DEADLINE_ADVICE = "increase TIKTOKEN_INIT_DEADLINE"
_NOT_INSTALLED = {
    "fetch": "use the default image, or run pip install 'tiktoken-cache-init[fetch]'",
    "wheel": "remove wheel from TIKTOKEN_INIT_SOURCES: it needs pip, so it works outside the image only",
}
"""Source that some installations leave out -> remedy."""


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
    """Vocabulary to obtain, with its temporary file and its attempts."""

    def __init__(self, staged: StagedFile) -> None:
        self.vocabulary = staged.vocabulary
        self.staged = staged
        self.failures: list[Failure] = []
        self.warnings: list[str] = []
        """Warnings about the environment, which did not stop an attempt."""
        self.label = ""
        """Name of the place that is tried, or that supplied the bytes. Empty between two sources."""

    @contextlib.contextmanager
    def attempt(self, label: str) -> Iterator[None]:
        """Record the attempt that the block makes. A `SourceError` is recorded as a failure, and the bytes are discarded."""
        self.label = label
        try:
            yield
        except SourceError as error:
            self.record_failure(error)
            self.label = ""
            self.staged.restart()

    def record_failure(self, error: SourceError) -> None:
        """Record the failure of the last attempt."""
        self.failures.append(Failure(self.label, str(error), error.advice))

    def record_deadline(self) -> None:
        """Record how many bytes came before the deadline, if the file is not complete."""
        if self.label and not self.staged.is_right:
            size = f" of {self.vocabulary.size:,}" if self.vocabulary.size else ""
            reason = f"{self.staged.position:,}{size} bytes came before the deadline"
            self.record_failure(SourceError(reason, advice=DEADLINE_ADVICE))


Watch = Callable[[Sequence[Delivery]], None]
"""Callback that shows progress. It is called several times a second during downloads."""


Source = Callable[[Sequence[Delivery]], None]
"""Function that fills the temporary file of each delivery, if possible. It records each attempt with `Delivery.attempt`.

No file is right yet. It raises `VolumeError` if a temporary file cannot be written, and `SettingError` if a setting of the
source is wrong.
"""


def supply(deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:
    """Try the sources in order until every file is right.

    Args:
        deliveries: the vocabularies to obtain.
        settings: the settings of the run.
        end: time of the deadline, as `time.monotonic` counts.
        watch: called several times a second during downloads.

    Raises:
        SettingError: a source could not be tried because of a setting, and the others did not supply everything.
        VolumeError: a temporary file cannot be written.
        DeadlinePassed, Stopped: a signal handler raised it.
    """
    loaded: dict[Name, Source] = {}
    unusable: dict[Name, Exception] = {}
    for name in _order(settings):
        missing = [delivery for delivery in deliveries if not delivery.staged.is_right]
        if not missing or name in unusable:
            continue
        try:
            if name not in loaded:
                # A signal that is raised in the import system can end in another exception.
                with interrupts.blocked():
                    loaded[name] = _load(name, settings, end, watch)
            loaded[name](missing)
        except DeadlinePassed:
            for delivery in missing:
                delivery.record_deadline()
            raise
        except (SettingError, ImportError, OSError, MemoryError, SystemError) as error:
            unusable[name] = error
            for delivery in missing:
                if not delivery.staged.is_right:
                    with delivery.attempt(name):
                        raise _unusable(name, error) from error
    wrong_settings = [error for error in unusable.values() if isinstance(error, SettingError)]
    if wrong_settings and not all(delivery.staged.is_right for delivery in deliveries):
        raise wrong_settings[0]


def _unusable(name: Name, error: Exception) -> SourceError:
    """Return why a source cannot be tried: it is not installed, a setting is wrong, or this process has too few resources."""
    match error:
        case ModuleNotFoundError():
            return SourceError("it is not part of this installation", advice=_NOT_INSTALLED[name])
        case SettingError():
            return SourceError(str(error))
        case OSError():
            return SourceError(f"{error.strerror or error}".lower(), advice=LIMITS.get(error.errno or 0, ""))
        case _:
            # If the memory ends, a library cannot be mapped (ImportError), or Python itself fails (SystemError).
            return SourceError("it has too little memory", advice=LIMITS[errno.ENOMEM])


def wrong_bytes(staged: StagedFile) -> SourceError:
    """Return the error for a complete file with a wrong digest."""
    identity = staged.identity()
    text = identity.text if identity.kind is Kind.WRONG_BYTES else f"wrong bytes: {identity.text}"
    return SourceError(f"{text}, SHA-256 {staged.digest}")


def _order(settings: Settings) -> Iterator[Name]:
    yield "volume"
    for name in settings.sources:
        if name == "fetch":
            yield "directories"
        yield name
    if "fetch" in settings.sources:
        # Continue the routes that were too slow.
        yield "fetch"


def _load(name: Name, settings: Settings, end: float, watch: Watch) -> Source:
    """Import a source when its turn comes: a plain fill from baked files needs only the first ones."""
    from . import files

    match name:
        case "volume":
            return partial(files.from_volume, settings.cache_dir)
        case "baked":
            return files.from_baked
        case "directories":
            return partial(files.from_directories, settings.mirrors)
        case "fetch":
            from .fetch import Fetch

            return Fetch(settings, end, watch).supply
        case "wheel":
            from .wheel import from_wheels

            return partial(from_wheels, settings.timeout)
