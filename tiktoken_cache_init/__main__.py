"""The process: its standard streams and its exit code."""

import io
import os
import sys

if sys.platform == "win32":
    sys.exit("tiktoken-cache-init: error: Windows is not supported: run this in WSL, or run the Docker image")

from .cli import main

_STDERR = 2


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # A closed standard stream would give its number to the next file that is opened: one in the volume.
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(number)
    # A closed stderr is tolerated. A closed stdout is an error, so it gets a stream that cannot be written.
    out = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", closefd=False)
    err = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (out, err):
        # A path may hold characters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # sys.exit would wait for a name look-up that hangs in a thread of asyncio's.
    os._exit(main(sys.argv[1:], os.environ, out, err))


if __name__ == "__main__":
    run()
