"""``python -m tiktoken_cache_init``, for hosts."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

from .cli import main

if TYPE_CHECKING:
    from io import TextIOWrapper


def run() -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A path may hold what the terminal's encoding does not.
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")
    # Not sys.exit: a worker that is stuck in a system call must not hold up the end.
    os._exit(main(sys.argv[1:], os.environ, sys.stdout, sys.stderr))


if __name__ == "__main__":
    run()
