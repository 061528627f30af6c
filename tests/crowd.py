"""Program that starts many fills of one volume at once: ``python -m tests.crowd COUNT BAKED ARGUMENTS...``

Each run is a separate process, and all start at the same moment. They are forked from a process that has imported every
module, because an interpreter takes longer to start than a fill. The exit code and the log of each run are printed as
JSON.
"""

from __future__ import annotations

import json
import os
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import tiktoken_cache_init
from tiktoken_cache_init import place
from tiktoken_cache_init.cli import main


def together(count: int, arguments: Sequence[str]) -> list[tuple[int, str]]:
    """Run the command ``count`` times at once; return each exit code and log."""
    for module in pkgutil.walk_packages(tiktoken_cache_init.__path__, "tiktoken_cache_init."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    waiting, gate = os.pipe()
    with tempfile.TemporaryDirectory() as logs:
        children = []
        for number in range(count):
            child = os.fork()
            if child == 0:
                os.close(gate)
                # The process that watches the volume also needs processor time.
                os.nice(10)
                with Path(logs, str(number)).open("w", encoding="utf-8") as log:
                    os.read(waiting, 1)
                    code = main(arguments, {"PATH": os.defpath}, log, log)
                os._exit(code)
            children.append(child)
        os.close(gate)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        return [(code, Path(logs, str(number)).read_text()) for number, code in enumerate(codes)]


if __name__ == "__main__":
    place.BAKED_DIR = sys.argv[2]
    json.dump(together(int(sys.argv[1]), sys.argv[3:]), sys.stdout)
