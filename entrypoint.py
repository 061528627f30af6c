"""The init container's entry point."""

import gc

# All is over in a few milliseconds, of which looking for garbage that is not there would take one.
gc.disable()

from tiktoken_cache_init.__main__ import run  # noqa: E402

if __name__ == "__main__":
    run()
