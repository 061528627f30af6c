"""The init container's entry point."""

from tiktoken_cache_init.__main__ import run

if __name__ == "__main__":
    run()
