"""Cookies, for which it needs all of http.client. httpx uses what is here and no more; our client keeps none."""

from collections.abc import Iterator


class Cookie:
    pass


class DefaultCookiePolicy:
    def __init__(self, allowed_domains: object) -> None:
        pass


class CookieJar:
    def __init__(self, policy: object = None) -> None:
        pass

    def extract_cookies(self, response: object, request: object) -> None:
        pass

    def add_cookie_header(self, request: object) -> None:
        pass

    def __iter__(self) -> Iterator[Cookie]:
        return iter(())
