"""FTP, and HTTP by http.client. httpx uses what is here and no more."""


class Request:
    def __init__(self, **_: object) -> None:
        pass

    def add_unredirected_header(self, key: str, value: str) -> None:
        pass


# For clients that read the environment, and for digest authentication; ours does neither.
getproxies = None
parse_http_list = None
