"""Which modules the image takes, and which it leaves out though something names them, each with its reason.

`image.closure` follows every import from the entry point on. The tables below end it where an import is never carried out
in the image. A row that leaves nothing out fails the build, so that the tables stay true.
"""

from __future__ import annotations

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
    ("*", "asyncio"): "the same",
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

REPLACED: dict[str, str] = {
    # httpcore insists on importing it. Debian's own certifi does the same: one bundle of authorities is enough.
    "certifi": """
def where():
    return "/etc/ssl/certs/ca-certificates.crt"
""",
    # httpcore's asynchronous half, which its front door names and a synchronous client never calls.
    "httpcore._async": """
def __getattr__(name):
    return type(name, (), {})
""",
    # Uploads. httpx asks of each request whether it is one; ours have no body.
    "httpx._multipart": """
class MultipartStream:
    pass

def get_multipart_boundary_from_content_type(content_type):
    return None
""",
    # Of the three modules that follow, httpx uses what is here and no more, and each brings a protocol along: FTP and HTTP by
    # http.client; mail. Our client keeps no cookies, on a host neither.
    "urllib.request": """
import os

class Request:
    def __init__(self, **_):
        pass

    def add_unredirected_header(self, key, value):
        pass

def getproxies():
    found = {}
    # The lower-case name wins, even where it is empty.
    for name in sorted(os.environ, key=lambda name: name.endswith("_proxy")):
        scheme, value, wins = name[:-6].lower(), os.environ[name], name.endswith("_proxy")
        # A web server hands a header called Proxy to its programs as HTTP_PROXY (CVE-2016-1000110).
        forged = scheme == "http" and "REQUEST_METHOD" in os.environ
        if wins or (name.lower().endswith("_proxy") and value and not forged):
            found[scheme] = value
    return {scheme: proxy for scheme, proxy in found.items() if proxy}

parse_http_list = None
""",
    "http.cookiejar": """
class Cookie:
    pass

class DefaultCookiePolicy:
    def __init__(self, allowed_domains):
        pass

class CookieJar:
    def __init__(self, policy=None):
        pass

    def extract_cookies(self, response, request):
        pass

    def add_cookie_header(self, request):
        pass

    def __iter__(self):
        return iter(())
""",
    "email.message": """
class Message(dict):
    def get_content_charset(self, failobj=None):
        return failobj
""",
    # Nothing here switches logging on.
    "logging": """
DEBUG = 10

class Logger:
    def __init__(self, name):
        self.name = name

    def isEnabledFor(self, level):
        return False

    def debug(self, *_):
        pass

    info = debug

def getLogger(name):
    return Logger(name)
""",
    # The whole of it parses source, takes byte-code apart, and is slow to load. These five are called. A signature would
    # only be a docstring of h11's events; dataclasses goes on without one.
    "inspect": """
from types import AsyncGeneratorType, CoroutineType, GeneratorType

def isgenerator(object):
    return isinstance(object, GeneratorType)

def isasyncgen(object):
    return isinstance(object, AsyncGeneratorType)

def iscoroutine(object):
    return isinstance(object, CoroutineType)

def get_annotations(object):
    return dict(object.__dict__.get("__annotations__", ()))

def signature(object):
    raise ValueError
""",
}
"""Modules whose place is taken by the source given here, in the image with networking code. What anything in the image names
of such a module must be in its source: the build checks that."""
