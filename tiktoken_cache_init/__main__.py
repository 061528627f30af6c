"""Entry point of the process: signals, standard streams and exit code."""

import io
import os
import signal
import sys

if sys.platform == "win32":
    sys.exit("tiktoken-cache-init: error: Windows is not supported: run this in WSL, or run the Docker image")

_STDOUT, _STDERR = 1, 2


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # Signals wait until their handlers are set, because loading the modules takes longer than a short run.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    from .cli import main

    # Occupy the numbers 0 to 2. If a standard stream is closed, a file in the volume could get its number.
    while os.open(os.devnull, os.O_RDWR) <= _STDERR:
        pass
    # A result that does not fit a non-blocking pipe would be cut.
    os.set_blocking(_STDOUT, True)
    # A closed stderr is tolerated. A closed stdout is an error, so `out` becomes a stream that cannot be written.
    out = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    err = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (out, err):
        # A path may contain characters that the encoding of the terminal does not have.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # sys.exit would wait for asyncio's threads, and a name look-up may hang in one.
    os._exit(main(sys.argv[1:], os.environ, out, err))


if __name__ == "__main__":
    run()
