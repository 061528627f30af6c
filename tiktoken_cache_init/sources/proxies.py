"""Proxies of the environment: which URL goes through which proxy."""

import ipaddress
import re
import urllib.request

import httpx

from ..errors import SettingError
from ..redact import HIDDEN, redacted
from ..values import is_url, words

_SCHEMES = ("http", "https", "socks5", "socks5h")
_HOST = re.compile(r"(?:\*?\.)?([\w-]+(?:\.[\w-]+)*|\[[0-9a-f:.]+\])(?::(\d+))?", re.IGNORECASE)
"""Host or domain in ``NO_PROXY``, with or without a port."""
_PORTS = {"http": 80, "https": 443}


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
        self._hosts: list[tuple[str, str | None]] = []
        self.unusable: list[str] = []
        """Parts of ``NO_PROXY`` that are ignored."""
        for part in parts:
            try:
                # An address is a network of one.
                self._networks.append(ipaddress.ip_network(_without_brackets(part), strict=False))
            except ValueError:
                if match := _HOST.fullmatch(part):
                    self._hosts.append((_without_brackets(match[1]).lower(), match[2]))
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
        host, port = url.host.lower().rstrip("."), str(url.port or _PORTS.get(url.scheme))
        for name, only_port in self._hosts:
            if f".{host}".endswith(f".{name}") and only_port in (None, port):
                return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _without_brackets(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _proxy(name: str, text: str) -> httpx.URL:
    whole = text if "://" in text else f"http://{text}"
    try:
        url = httpx.URL(whole)
        # A password with a '/', '?' or '#' in it would be taken for the host, and printed.
        is_proxy = url.scheme in _SCHEMES and is_url(whole) and redacted(whole) != HIDDEN
    except httpx.InvalidURL:
        is_proxy = False
    if not is_proxy:
        raise SettingError(
            f"{name.upper()}_PROXY: '{redacted(whole)}' is not the URL of a proxy: write http://HOST:PORT"
        )
    return url
