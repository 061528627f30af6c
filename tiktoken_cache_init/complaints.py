"""The words of the errors that end a fill, but for what the system says of a volume (`explanations.explain`)."""

from __future__ import annotations

from .errors import NotObtained, VolumeError
from .outcomes import FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .findings import Finding
    from .outcomes import Outcome

ONLY_COPY = "its name holds the only copy of another vocabulary, which could not be put in its place"
"""Why a name is left as it is."""


def closed(path: str, mode: int, missing: int, cause: str) -> VolumeError:
    """Return the error of a folder that not every user can look into, and that we cannot open up."""
    return VolumeError(
        f"{path} has mode {mode:04o}, so that not every user can read in it, and we cannot change that ({cause}): "
        f"chmod {mode | missing:04o} it, or set TIKTOKEN_INIT_DIR_MODE={mode:04o} if that mode will do"
    )


def shut_off(path: str, mode: int) -> VolumeError:
    """Return the error of a folder whose access control list keeps some users out."""
    return VolumeError(
        f"not every user can get into {path}, which has an ACL (and mode {mode:04o}): setfacl -b {path}, "
        "or set TIKTOKEN_INIT_DIR_MODE=0700 if the consumer's user can"
    )


def read_only(path: str, findings: Iterable[Finding]) -> VolumeError:
    """Return the error of a volume that lacks something and cannot be written."""
    lacking = "; ".join(
        f"{finding.target.vocabulary.published_name} ({finding.lacks or finding.text})"
        for finding in findings
        if not finding.ready
    )
    return VolumeError(
        f"{path} is mounted read-only and is not ready: {lacking}: mount it read-write in the init "
        "container (without ':ro'); only the consumer's mount may be read-only"
    )


def not_obtained(outcomes: Iterable[Outcome], cause: str = "") -> NotObtained:
    """Return the error of bytes that were not to be had, with each piece of advice once."""
    failed = [outcome for outcome in outcomes if outcome.action == FAILED and not outcome.before.target.beside]
    names = ", ".join(outcome.before.target.vocabulary.published_name for outcome in failed)
    advice = [failure.advice for outcome in failed for failure in outcome.failures if failure.advice]
    what_to_do = [
        *dict.fromkeys(advice),
        "set TIKTOKEN_INIT_MIRRORS to a mirror or folder that holds the files",
        "or bake them in when you build the image (--build-arg ENCODINGS=NAMES)",
    ]
    return NotObtained(f"could not obtain {names}{f' ({cause})' if cause else ''}: {'; '.join(what_to_do)}")
