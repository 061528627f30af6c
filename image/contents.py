"""Contents of the image: Debian packages, modules of the standard library, and the files to leave out, with reasons.

Each path is an `fnmatch` pattern. A row that matches nothing fails the build, so that the lists stay correct.
"""

from __future__ import annotations

WHOLE = ("python3.13-minimal", "libpython3.13-minimal")
"""Debian packages that are taken completely: the interpreter and its basic modules."""

PARTLY = "libpython3.13-stdlib"
"""Debian package with the rest of the standard library. Only the modules in the next two tables are taken."""

MODULES = {
    "_compression": "gzip",
    "difflib": "finds the right spelling of a setting",
    "gzip": "tarfile",
    "shutil": "argparse, tempfile",
    "tarfile": "writes the export",
}
"""Top-level module of `PARTLY` for every image -> the modules that need it, or its use."""

NETWORK_MODULES = {
    "_asyncio": "C part of asyncio",
    "_contextvars": "C part of contextvars",
    "_interpqueues": "anyio",
    "_interpreters": "anyio",
    "_queue": "C part of queue",
    "asyncio": "runs the downloads",
    "concurrent": "asyncio",
    "contextvars": "asyncio, anyio",
    "hmac": "secrets",
    "http": "httpx",
    "mimetypes": "httpx, urllib.request",
    "netrc": "httpx",
    "queue": "concurrent.futures, anyio",
    "secrets": "httpx, anyio",
}
"""Additional modules for the default image, which can fetch."""

LEFT_OUT = {
    "/usr/share/*": "documentation, and files for a package manager; the inventory takes the copyright files",
    "*/sitecustomize.py": "starts Ubuntu's crash reporter, which Debian does not have",
    "*/_sysconfigdata__[!l]*": "a link to the file next to it, for old programs",
    "*/tiktoken_cache_init/sources/wheel.py": "runs pip, and the image has none",
}
"""Pattern -> why its files are left out of every image."""

LEFT_OUT_OFFLINE = {
    "*/lib-dynload/_ssl.*": "needs OpenSSL, and this image makes no connection",
    "*/lib-dynload/_hashlib.*": "needs OpenSSL; the interpreter has the same digests built in",
    "*/tiktoken_cache_init/sources/fetch.py": "needs httpx",
    "*/tiktoken_cache_init/sources/client.py": "needs httpx",
    "*/tiktoken_cache_init/sources/transfer.py": "needs httpx",
    "*/tiktoken_cache_init/sources/failures.py": "needs httpx",
    "*/tiktoken_cache_init/sources/loop.py": "needs asyncio",
    "*/tiktoken_cache_init/sources/proxies.py": "only the client uses it",
}
"""Additional patterns for the offline image."""
