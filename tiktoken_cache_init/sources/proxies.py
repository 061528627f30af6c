"""Proxies of the environment: which URL goes through which proxy."""

import ipaddress
import urllib.request

import httpx

from ..errors import SettingError
from ..redact import HIDDEN, is_host, redacted
from ..values import is_url, words

_SCHEMES = ("http", "https", "socks5", "socks5h")


class Proxies:
    """Values of ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in capitals or not."""

    def __init__(self) -> None:
        """Read the environment.

        Raises:
            SettingError: a proxy cannot be used.
        """
        variables = urllib.request.getproxies()
        parts = words(variables.get("no", ""))
        names = () if "*" in parts else ("http", "https", "all")
        self._proxies = {name: _proxy(name, variables[name]) for name in names if name in variables}
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._domains: list[str] = []
        """Hosts and domains in ``NO_PROXY``, with or without a port."""
        self.unusable: list[str] = []
        """Parts of ``NO_PROXY`` that are ignored."""
        for part in parts:
            try:
                # An address is a network of one.
                self._networks.append(ipaddress.ip_network(part.strip("[]"), strict=False))
            except ValueError:
                domain = part.removeprefix("*").removeprefix(".").lower()
                if is_host(domain):
                    self._domains.append(domain)
                elif part != "*":
                    self.unusable.append(part)

    @property
    def all(self) -> set[httpx.URL]:
        """All proxies."""
        return set(self._proxies.values())

    def for_url(self, url: httpx.URL) -> httpx.URL | None:
        """Return the proxy for a URL, or None if its server is reached directly."""
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        return None if proxy is None or self._is_direct(url) else proxy

    def _is_direct(self, url: httpx.URL) -> bool:
        # With its port, if that is not the default one.
        place = url.netloc.decode()
        for domain in self._domains:
            if f".{url.host}".endswith(f".{domain}") or f".{place}".endswith(f".{domain}"):
                return True
        try:
            address = ipaddress.ip_address(url.host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _proxy(name: str, text: str) -> httpx.URL:
    whole = text if "://" in text else f"http://{text}"
    try:
        url = httpx.URL(whole)
        # A password with a '/', '?' or '#' in it would be taken for the host, and printed.
        is_valid = url.scheme in _SCHEMES and is_url(whole) and redacted(whole) != HIDDEN
    except httpx.InvalidURL:
        is_valid = False
    if not is_valid:
        raise SettingError(
            f"{name.upper()}_PROXY: '{redacted(whole)}' is not the URL of a proxy: write http://HOST:PORT"
        )
    return url
