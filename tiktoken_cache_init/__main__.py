"""``python -m tiktoken_cache_init``, for hosts."""

from __future__ import annotations

import os
import sys

from .cli import main


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # Not sys.exit: a worker that is stuck in a system call must not hold up the end.
    os._exit(main(sys.argv[1:], os.environ, sys.stdout, sys.stderr))


if __name__ == "__main__":
    run()
