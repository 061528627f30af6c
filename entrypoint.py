"""Entry point of the init container."""

import gc
import sys

# Disable the garbage collector: the process lives for milliseconds.
gc.disable()

try:
    from tiktoken_cache_init.__main__ import run
except KeyboardInterrupt:
    # SIGINT arrived before the program could block it.
    sys.exit(130)

if __name__ == "__main__":
    run()
