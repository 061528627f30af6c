"""Which modules the image takes, and which it leaves out though something names them, each with its reason.

`image.closure` follows every import from the entry point on. The tables below end it where an import is never carried out
in the image. A row that leaves nothing out fails the build, so that the tables stay true.
"""

from __future__ import annotations

from pathlib import Path

ENTRY = "tiktoken_cache_init.__main__"

FROM_C = (
    # The interpreter cannot start without the first; the others are how text comes in and goes out.
    "encodings.utf_8",
    "encodings.ascii",
    "encodings.latin_1",
    # A byte that is no text, in a file name or an argument, is escaped with it (`report.printable`).
    "encodings.unicode_escape",
    # A warning is printed by it, and `-c` registers its text with the second.
    "warnings",
    "linecache",
    # Called when the interpreter ends.
    "threading",
)
"""What the interpreter's own C code imports by name, so that no source says so."""

FROM_C_NETWORK = (
    # getaddrinfo() encodes every host name with it.
    "encodings.idna",
    # A host name that is not ASCII is looked up under what this makes of it.
    "encodings.punycode",
)
"""The same for what talks to the network."""

_TEST = "for the module's own tests or command line"
_BUILT_IN = "stands in where the built-in C implementation is missing"
_SOURCE = "reads source text, and the image holds byte-code only"
_DEBUG = "a debugging aid that nothing switches on"

ALWAYS: dict[tuple[str, str], str] = {
    ("*", "tiktoken_cache_init.sources.wheel"): "needs pip, which the image does not have",
    ("abc", "_py_abc"): _BUILT_IN,
    ("threading", "_threading_local"): _BUILT_IN,
    ("os", "nt"): "Windows",
    ("os", "subprocess"): "os.popen: the image has nothing to run",
    ("collections", "heapq"): "Counter.most_common",
    ("collections", "copy"): "UserDict.copy and the like: no such object is copied",
    ("warnings", "inspect"): "decorates coroutines that are deprecated",
    ("warnings", "tracemalloc"): _DEBUG,
    (
        "*",
        "traceback",
    ): "shows source text too, of which there is none: without it the interpreter prints tracebacks itself",
    ("linecache", "tokenize"): _SOURCE,
    ("argparse", "shutil"): "measures the terminal where no width is given",
    ("argparse", "gettext"): "translations, of which there are none; argparse goes on without it",
    ("hashlib", "logging"): "complains when the interpreter lacks a digest that it always has built in",
}
"""(importer or *, imported) -> why it is left out, in every image."""

WITH_NETWORK: dict[tuple[str, str], str] = {
    ("typing", "inspect"): "checks instances against a runtime protocol, of which there is none",
    ("httpx", "httpx._main"): "httpx's command line; httpx goes on without it",
    ("*", "trio"): "asynchronous; all of these go on without it",
    ("*", "anyio"): "the same",
    ("*", "sniffio"): "the same",
    ("httpcore", "httpcore._backends.anyio"): "the same",
    ("httpcore", "httpcore._backends.trio"): "the same",
    ("*", "httpcore._sync.http2"): "needs h2, and our client asks for HTTP/1.1; httpcore goes on without it",
    ("base64", "getopt"): _TEST,
    ("httpx._auth", "netrc"): "NetRCAuth, which our client does not use",
    ("idna.core", "idna.uts46data"): "httpx does not ask for that mapping of characters",
    ("h11._headers", "typing_extensions"): "for Python before 3.8",
    ("datetime", "_pydatetime"): _BUILT_IN,
    ("email", "email.parser"): "reads mail",
    ("ssl", "calendar"): "cert_time_to_seconds, which nobody calls",
}
"""The same where there is networking code."""

WITHOUT_NETWORK: dict[tuple[str, str], str] = {
    ("functools", "typing"): "singledispatch, which nobody uses here",
    ("functools", "weakref"): "the same",
    ("argparse", "copy"): "copies defaults of a kind that we have none of",
    ("*", "tiktoken_cache_init.sources.fetch"): "this image cannot talk",
    ("*", "_hashlib"): "OpenSSL's digests; the interpreter has its own built in, and these load OpenSSL",
}
"""The same where there is none."""

NEVER_CALLED: dict[str, tuple[tuple[str, ...], str]] = {
    "libexpat.so.1": (("pyexpat",), "XML: its reader is built into the interpreter, and nothing imports it"),
    "libzstd.so.1": ((), "libcrypto unpacks certificates with it, which our client does not offer to servers"),
}
"""Shared library -> (the modules that would call it, why nothing does). `image.stand_ins` makes what takes its place."""

REPLACEMENTS = Path(__file__).with_name("replacements")

REPLACED = tuple(
    ".".join(path.relative_to(REPLACEMENTS).with_suffix("").parts) for path in sorted(REPLACEMENTS.rglob("*.py"))
)
"""Modules whose place is taken by the file that bears their name below `REPLACEMENTS`, in the image with networking code. Its
docstring is the reason. What anything in the image names of such a module must be in that file: the build checks it."""
