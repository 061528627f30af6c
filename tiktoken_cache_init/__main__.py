"""``python -m tiktoken_cache_init``, for hosts."""

from __future__ import annotations

import io
import os
import sys

from .cli import main

_STANDARD_ERROR = 2


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # A standard stream that is closed would let the volume have its number, and then what is printed would go there.
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(number)
    # Nobody misses a log; but a result that goes nowhere is a failure.
    out = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", closefd=False)
    err = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (out, err):
        # A path may hold what the terminal's encoding does not.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Not sys.exit: a worker that is stuck in a system call must not hold up the end.
    os._exit(main(sys.argv[1:], os.environ, out, err))


if __name__ == "__main__":
    run()
