"""Lists what the image holds: whole packages, some modules of a third one, and what is left out of them with the reason.

Each path is a pattern of `fnmatch`. A row that matches nothing fails the build, so that the lists stay true.
"""

from __future__ import annotations

WHOLE = ("python3.13-minimal", "libpython3.13-minimal")
"""Debian packages that are taken as they are: the interpreter, and the modules that Debian keeps with it."""

PARTLY = "libpython3.13-stdlib"
"""The Debian package that has the rest of the standard library. Only the modules of the next two tables are taken."""

MODULES = {
    "_compression": "gzip needs it",
    "difflib": "finds the right spelling of a setting",
    "gzip": "tarfile",
    "shutil": "argparse, tempfile",
    "tarfile": "writes the export",
}
"""Top-level module of `PARTLY` -> what needs it, in every image."""

NETWORK_MODULES = {
    "_asyncio": "asyncio's part in C",
    "_contextvars": "contextvars' part in C",
    "_interpqueues": "anyio",
    "_interpreters": "anyio",
    "_queue": "queue's part in C",
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
"""The same for the image that fetches."""

LEFT_OUT = {
    "/usr/share/*": "documentation, and files for a package manager; the inventory takes the copyright files",
    "*/sitecustomize.py": "starts Ubuntu's crash reporter; Debian has none",
    "*/_sysconfigdata__[!l]*": "a link to the file beside it, for old programs",
    "*/tiktoken_cache_init/sources/wheel.py": "runs pip, and the image has none",
}
"""Pattern -> why its files are in no image."""

LEFT_OUT_OFFLINE = {
    "*/lib-dynload/_ssl.*": "needs OpenSSL, and this image makes no connection",
    "*/lib-dynload/_hashlib.*": "needs OpenSSL; the interpreter has the same digests built in",
    "*/tiktoken_cache_init/sources/http.py": "needs httpx",
    "*/tiktoken_cache_init/sources/download.py": "needs httpx",
}
"""The same for the offline image."""
