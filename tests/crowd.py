"""Many runs at once on one volume: ``python -m tests.crowd COUNT [--machines] [--ahead SECONDS] -- ARGUMENTS...``

Every run is a process of its own, all are let go at the same moment, and how each ended is printed as JSON. They are forked
from one that has loaded everything: an interpreter takes longer to start than a volume to fill, so that otherwise the first
would be done before the last began.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import pkgutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import tiktoken_cache_init
from tests.injection.states import BOOT_ID
from tiktoken_cache_init.cli import main

_CLONE_NEWNS, _MS_BIND, _MS_PRIVATE_AND_BELOW = 0x20000, 0x1000, 0x44000


def be_another_machine(number: int) -> None:
    """Have a boot id that no other process sees, as a machine of its own has; that takes root."""
    libc = ctypes.CDLL(None, use_errno=True)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"{number:08x}-0000-4000-8000-000000000000\n")
        file.flush()
        place = str(BOOT_ID).encode()
        if (
            libc.unshare(_CLONE_NEWNS)
            or libc.mount(b"none", b"/", None, _MS_PRIVATE_AND_BELOW, None)
            or libc.mount(file.name.encode(), place, None, _MS_BIND, None)
        ):
            raise OSError(ctypes.get_errno(), "cannot give a process a boot id of its own")
    assert BOOT_ID.read_text().startswith(f"{number:08x}")


def run_ahead(seconds: float) -> None:
    """Set this process's clock ahead of the volume's."""
    real = time.time
    time.time = lambda: real() + seconds


def _run(number: int, options: argparse.Namespace, log: int) -> int:
    # The watcher must have its turn, too.
    os.nice(10)
    if options.machines:
        be_another_machine(number)
    run_ahead(options.ahead)
    with os.fdopen(os.dup(log), "w", encoding="utf-8") as stream:
        return main(options.arguments, {"PATH": os.defpath}, stream, stream)


def together(options: argparse.Namespace) -> list[tuple[int, str]]:
    """Run them all, and return each one's exit code and output."""
    for module in pkgutil.walk_packages(tiktoken_cache_init.__path__, "tiktoken_cache_init."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    waiting, gate = os.pipe()
    children = {}
    with tempfile.TemporaryDirectory() as logs:
        for number in range(options.count):
            child = os.fork()
            if child == 0:
                code = 99
                try:
                    os.close(gate)
                    log = os.open(Path(logs, str(number)), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
                    os.read(waiting, 1)
                    code = _run(number, options, log)
                finally:
                    os._exit(code)
            children[child] = number
        os.close(gate)
        codes: dict[int, int] = {}
        while len(codes) < options.count:
            child, status = os.wait()
            codes[children[child]] = os.waitstatus_to_exitcode(status)
        return [(codes[number], Path(logs, str(number)).read_text()) for number in range(options.count)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--machines", action="store_true", help="give each a boot id of its own")
    parser.add_argument("--ahead", type=float, default=0.0, help="seconds by which their clocks are ahead")
    parser.add_argument("arguments", nargs="+")
    json.dump(together(parser.parse_args()), sys.stdout)
