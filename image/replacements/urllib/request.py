"""FTP, and HTTP by http.client. httpx uses what is here and no more."""


class Request:
    def __init__(self, **_: object) -> None:
        pass

    def add_unredirected_header(self, key: str, value: str) -> None:
        pass


def getproxies() -> dict[str, str]:
    # Our client is given its proxies.
    return {}


# For digest authentication, which no mirror asks for.
parse_http_list = None
