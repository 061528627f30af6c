"""Every starting state of a volume that this machine can make without an engine."""

from __future__ import annotations

import ctypes
import io
import os
import pkgutil
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import tiktoken_cache_init
from tests.volume_states import ROWS, Ended, Row, Table, after, before, script, table, title
from tiktoken_cache_init.cli import main

# Loaded here, because a run that becomes another user may not be allowed to read the interpreter's own files.
for _module in pkgutil.walk_packages(tiktoken_cache_init.__path__, "tiktoken_cache_init."):
    if not _module.name.endswith("__main__"):
        import_module(_module.name)

LONGEST = 60.0
CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3}


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _become(row: Row) -> None:
    """Be the row's user, with no capability but the row's."""
    os.umask(row.umask)
    if os.geteuid() != 0:
        return
    os.setgroups(row.groups)
    user, _, group = (row.user or "0:0").partition(":")
    os.setresgid(*[int(group)] * 3)
    os.setresuid(*[int(user)] * 3)
    if user == "0":
        kept = sum(1 << CAPABILITIES[name] for name in row.capabilities)
        header = _Header(0x20080522, 0)
        if ctypes.CDLL(None).capset(ctypes.byref(header), (_Data * 2)(_Data(kept, kept, 0))):
            raise OSError("capset")


def _in_a_process_of_its_own(row: Row, arguments: list[str]) -> Ended:
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            try:
                os.dup2(log.fileno(), 2)
                os.chdir("/")
                _become(row)
                out = io.TextIOWrapper(os.fdopen(os.dup(log.fileno()), "wb"), encoding="utf-8", write_through=True)
                os._exit(main(arguments, {"PATH": os.defpath}, out, out))
            finally:
                os._exit(99)
        end = time.monotonic() + LONGEST
        while not (over := os.waitpid(child, os.WNOHANG))[0]:
            time.sleep(0.005)
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
        log.seek(0)
        return Ended(os.waitstatus_to_exitcode(over[1]), log.read().decode())


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def readable(vocabularies: Path) -> Iterator[Path]:
    """The vocabularies where every user can read them."""
    with tempfile.TemporaryDirectory(prefix="tiktoken-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for path in vocabularies.iterdir():
            if len(path.name) == 40:
                shutil.copyfile(path, folder / path.name)
        yield folder


@pytest.fixture
def around() -> Iterator[Path]:
    """A folder that every user can reach, with the volume in it."""
    folder = Path(tempfile.mkdtemp(prefix="tiktoken-test-")).resolve()
    folder.chmod(0o755)
    (folder / "volume").mkdir(mode=0o755)
    yield folder
    for _ in range(2):
        subprocess.run(["umount", str(folder / "volume")], check=False, capture_output=True, timeout=60)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def seen(pytestconfig: pytest.Config) -> Table:
    return table(pytestconfig, "starting states of a volume, on this machine")


@pytest.mark.parametrize("row", [row for row in ROWS if not row.named and not row.refused], ids=title)
def test_a_volume_is_never_left_worse(row: Row, readable: Path, around: Path, seen: Table) -> None:
    if os.geteuid() != 0 and row.needs_root:
        pytest.skip("only root can make this state")
    volume, beside = around / "volume", around / "handed-in"

    def shell(text: str) -> str:
        whole = script(row, str(volume), str(beside), str(readable), text)
        done = subprocess.run(["sh"], input=whole, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    if row.tmpfs:
        _mount("-t", "tmpfs", "-o", row.tmpfs, "tmpfs", str(volume))
    was = shell(before(row))
    if row.read_only:
        _mount("--bind", str(volume), str(volume))
        _mount("-o", "remount,bind,ro", str(volume))
    arguments = [word.replace("/handed-in", str(beside)) for word in row.arguments]
    command = [arguments.pop(0)] if arguments[:1] == ["verify"] else ["fill"]
    place = ["--cache-dir", str(volume), "--sources", "baked", "--baked-dir", str(readable)]
    ended = _in_a_process_of_its_own(row, [*command, *place, *arguments])
    ended = Ended(ended.code, ended.output.replace(str(beside), "/handed-in"))
    seen.check(row, ended, was, shell(after(row)), str(volume))
