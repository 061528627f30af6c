"""Entry point of the init container."""

import gc
import sys

# Disable the garbage collector: the process lives for milliseconds.
gc.disable()
# With -I, Python does not look for modules beside the program.
sys.path.insert(0, __file__.rpartition("/")[0])

try:
    from tiktoken_cache_init.__main__ import run
except KeyboardInterrupt:
    # SIGINT arrived before the program could block it.
    sys.exit(130)

if __name__ == "__main__":
    run()
