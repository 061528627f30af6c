"""FTP, and HTTP by http.client. httpx uses what is here and no more."""

import os


class Request:
    def __init__(self, **_: object) -> None:
        pass

    def add_unredirected_header(self, key: str, value: str) -> None:
        pass


def getproxies() -> dict[str, str]:
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
