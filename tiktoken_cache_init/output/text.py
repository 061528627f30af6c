"""Output for people on stdout: the result of a verification, and the list of encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..advice import fill_advice
from ..settings import Settings
from ..volume.inspect import Finding, State

if TYPE_CHECKING:
    # A fill does not import the other commands.
    from ..verify import Verified


def verify_lines(settings: Settings, verified: Verified) -> list[str]:
    """Return the state of each file, what a gateway does with it, the fix, and one line at the end."""
    lines = []
    for finding, prediction, fix in verified.files:
        lines.append(f"{name_text(finding)}: {_state(finding)}")
        if fix:
            lines += [f"  gateway: {prediction.text}", f"  fix: {fix.text}"]
    lines += [problem.text for problem in verified.problems]
    if not verified.ready:
        last = _not_ready(settings, verified)
    elif verified.gateway_starts:
        last = (
            "the volume is right: a gateway that mounts it and sets TIKTOKEN_CACHE_DIR to the mount point starts and "
            "counts correctly"
        )
    else:
        last = f"all wanted files in {settings.cache_dir} are right"
    return [*lines, f"{'ready' if verified.ready else 'not ready'}: {last}"]


def list_lines(settings: Settings) -> list[str]:
    """Return one line for each file, with the models below each encoding. Only the JSON form has digests."""
    lines = ["ENCODING       FILE                  CACHE KEY"]
    for encoding in settings.listed:
        lines += [f"{encoding.name:<13}  {each.published_name:<20}  {each.cache_key}" for each in encoding.vocabularies]
        if encoding.models:
            lines.append(f"  models: {', '.join(encoding.models)}")
    return lines


def name_text(finding: Finding) -> str:
    """Return the published name of a target, and its file name if that is another one."""
    published, name = finding.vocabulary.published_name, finding.name
    return published if name == published else f"{published} ({name})"


def _state(finding: Finding) -> str:
    is_wrong = finding.state not in (State.RIGHT, State.MISSING, State.UNREADABLE)
    return f"WRONG: {finding.detail}" if is_wrong else finding.detail


def _not_ready(settings: Settings, verified: Verified) -> str:
    wrong = sum(not finding.ready for finding, _, _ in verified.files)
    what = f"{wrong} of {len(verified.files)} files in {settings.cache_dir}" if wrong else settings.cache_dir
    if verified.gateway_starts:
        what += (
            f", but a gateway (New-API, one-api) starts and counts correctly without {'it' if wrong == 1 else 'them'}"
        )
    return f"{what}: {fill_advice(verified.read_only)}" if verified.fill_helps else what
