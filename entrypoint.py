"""Entry point of the init container."""

import gc

# Disable the garbage collector: the process lives for milliseconds.
gc.disable()

from tiktoken_cache_init.__main__ import run  # noqa: E402

if __name__ == "__main__":
    run()
