"""What the unit tests are made of: settings for a folder, tiny private vocabularies, and the command in this process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tiktoken_cache_init import job  # noqa: F401  loaded before any test becomes a user that may not read it
from tiktoken_cache_init.access import ACL
from tiktoken_cache_init.catalogue import Encoding, Vocabulary
from tiktoken_cache_init.cli import main
from tiktoken_cache_init.leftovers import PREFIX
from tiktoken_cache_init.obtain import Attempts
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.settings import Settings, load
from tiktoken_cache_init.staging import Stage, StagedFile
from tiktoken_cache_init.volume import open_volume

ROOT = Path(__file__).resolve().parents[1]

NOBODY = 65534
"""The user without privileges that `as_nobody` makes of root."""
CONTENT = b"IQ== 0\nIg== 1\nIw== 2\n"
"""A whole vocabulary of three tokens."""


def vocabulary(content: bytes = CONTENT, name: str = "tiny.tiktoken", **changes: Any) -> Vocabulary:
    """Return the pin of a private vocabulary whose right bytes are ``content``."""
    url = f"https://vocabularies.example/{name}"
    pin = Vocabulary(url, hashlib.sha256(content).hexdigest(), len(content), len(content))
    return pin._replace(**changes)


def settings(folder: Path | str = "/cache", *wanted: Vocabulary, **changes: Any) -> Settings:
    """Return the settings of a fill of ``folder`` with the ``wanted`` vocabularies, or with `vocabulary()`."""
    encodings = (Encoding("tiny", wanted or (vocabulary(),), "none"),)
    defaults: dict[str, Any] = {"encodings": encodings, "sources": ("baked",), "origin": False}
    return load(["--cache-dir", str(folder)], {})._replace(**(defaults | changes))


@contextlib.contextmanager
def staging(folder: Path, pin: Vocabulary | None = None, run: Run | None = None) -> Iterator[tuple[Stage, StagedFile]]:
    """Begin one file in ``folder``, and leave nothing behind."""
    chosen = settings(folder, pin or vocabulary())
    own = run or Run()
    volume = open_volume(chosen, create=True)
    try:
        stage = Stage(volume, chosen, own)
        yield stage, stage.new(pin or vocabulary())
    finally:
        own.close()
        os.close(volume.fd)


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """Make a folder that every user can reach, as pytest's own ``tmp_path`` is not."""
    with tempfile.TemporaryDirectory(prefix="tiktoken-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def put_acl(path: Path, *, user: int, rights: int) -> None:
    """Give a file a POSIX access control list: its mode, and one user's own rights."""
    mode, nobody = path.stat().st_mode, 0xFFFFFFFF
    entries = [(1, mode >> 6, nobody), (2, rights, user), (4, mode >> 3, nobody), (16, 7, nobody), (32, mode, nobody)]
    packed = b"".join(struct.pack("<HHI", tag, bits & 7, number) for tag, bits, number in entries)
    try:
        os.setxattr(path, ACL, struct.pack("<I", 2) + packed)
    except OSError:
        pytest.skip("this file system has no access control lists")


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user without privileges, if the tests run as root."""
    if os.geteuid():
        yield
        return
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


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def left_behind(folder: Path) -> list[str]:
    """Return the names of temporary files in the folder."""
    return [name for name in names_in(folder) if name.startswith(PREFIX)]


def watch(_: object) -> None:
    """Watch nothing: what `fill` is given where no progress is asked for."""


def failures_of(attempts: Attempts) -> list[tuple[str, str]]:
    """Return (label, reason) of each failure."""
    return [(failure.label, failure.reason) for failure in attempts.failures]


class Ended(NamedTuple):
    """A command that is over."""

    code: int
    stdout: bytes
    stderr: str


def command(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run the command line in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        code = main(list(arguments), dict(environment or {}), out, err)
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return Ended(code, out.buffer.getvalue(), err.getvalue())


def unpack(archive: bytes, folder: Path) -> Path:
    """Unpack a tar into a new folder, as people do."""
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=archive, check=True)
    return folder


def process(*arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command as a process of its own, with nothing of the test run's environment."""
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    own = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    start = [sys.executable, str(ROOT / "entrypoint.py"), *arguments]
    return subprocess.Popen(start, env=own | dict(environment or {}), **(pipes | options))


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that should happen soon, and fail if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.01)
