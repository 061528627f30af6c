"""Helpers that many tests share: a tiny vocabulary, settings for a directory, the command in this process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tiktoken_cache_init.catalogue import VOCABULARIES, Encoding, Vocabulary
from tiktoken_cache_init.cli import main
from tiktoken_cache_init.errors import NotMountedError
from tiktoken_cache_init.settings import Settings, load
from tiktoken_cache_init.volume.staging import PREFIX, StagedFile

NOBODY = 65534
"""UID that `as_nobody` switches to."""
CONTENT = b"IQ== 0\nIg== 1\nIw== 2\n"
"""Content of a complete vocabulary with three tokens."""
OTHER_CONTENT = b"QQ== 0\n"


def vocabulary(content: bytes = CONTENT, name: str = "tiny.tiktoken", **changes: Any) -> Vocabulary:
    """Return a private vocabulary whose right bytes are ``content``."""
    url = f"https://vocabularies.example/{name}"
    return Vocabulary(url, hashlib.sha256(content).hexdigest(), len(content))._replace(**changes)


def published(name: str, content: bytes = CONTENT) -> Vocabulary:
    """Return a vocabulary with the URL of a published one, whose right bytes are ``content``."""
    [known] = [known for known in VOCABULARIES if known.published_name == name]
    return vocabulary(content, url=known.url)


TINY = vocabulary()
OTHER = vocabulary(OTHER_CONTENT, "other.tiktoken")


def settings(directory: Path | str = "/cache", *wanted: Vocabulary, **changes: Any) -> Settings:
    """Return the settings of a fill of ``directory`` with the ``wanted`` vocabularies, or with `TINY`."""
    encodings = (Encoding("tiny", wanted or (TINY,), ("none",)),)
    defaults: dict[str, Any] = {"encodings": encodings, "sources": ("baked",), "origin": False}
    return load("fill", {"cache_dir": [str(directory)]}, False, {})._replace(**(defaults | changes))


@contextlib.contextmanager
def staged_file(directory: Path, wanted: Vocabulary = TINY, needed: int = 0) -> Iterator[StagedFile]:
    """Make a temporary file in ``directory`` and remove it afterwards."""
    staged = StagedFile(str(directory), wanted, needed)
    staged.create(0o644)
    try:
        yield staged
    finally:
        staged.discard()


@contextlib.contextmanager
def public_directory() -> Iterator[Path]:
    """Make a directory that every user can reach, unlike pytest's ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="tiktoken-test-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@contextlib.contextmanager
def as_nobody(directory: Path | None = None) -> Iterator[None]:
    """Switch to a user without privileges, if the tests run as root. Give a directory to this user."""
    if os.geteuid():
        yield
        return
    if directory:
        os.chown(directory, NOBODY, NOBODY)
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def names_in(directory: Path) -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


def left_behind(directory: Path) -> list[str]:
    """Return the names of temporary files in the directory."""
    return sorted(path.name for path in directory.glob(f"{PREFIX}*"))


class Ended(NamedTuple):
    """Result of a run of the command."""

    code: int
    """Exit code, or 128 + N after signal N."""
    stdout: bytes
    """Empty if the test passes its own stream. The same holds for ``stderr``."""
    stderr: str
    seconds: float
    """Time since the start, or since the last signal that was sent."""

    @property
    def said(self) -> str:
        """Output on both streams."""
        return self.stdout.decode(errors="replace") + self.stderr


def command(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run the command line in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    began = time.monotonic()
    with process_state():
        code = main(list(arguments), dict(environment or {}), out, err)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return Ended(code, out.buffer.getvalue(), err.getvalue(), time.monotonic() - began)


@contextlib.contextmanager
def process_state() -> Iterator[None]:
    """Restore the umask and all that concerns signals at the end: the command line sets it for the whole process."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    hook = sys.unraisablehook
    umask = os.umask(0o022)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        os.umask(umask)
        sys.unraisablehook = hook
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def unpack(archive: bytes, directory: Path) -> Path:
    """Unpack a tar into a new directory with the ``tar`` command, as users do."""
    directory.mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(directory)], input=archive, check=True)
    return directory


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds, and fail after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.01)


def not_mounted(path: str) -> None:
    """Replace `require_mount` in the image: nothing is mounted."""
    raise NotMountedError(path, [])
