"""The proxies that the environment names, for curl and pip alike, and what must not go through one."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx

from ..errors import BadSetting
from ..redaction import shown
from ..values import url_problem
from .headers import is_number


def proxies_of(environment: Mapping[str, str]) -> set[str]:
    """Return HOST:PORT of each proxy that the environment names.

    Raises:
        BadSetting: a proxy's URL leads nowhere; httpx would blame whatever is asked for through it.
    """
    found: set[str] = set()
    for variable, value in environment.items():
        if value and variable.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            url = value if "://" in value else f"http://{value}"
            problem = url_problem(url)
            if not problem and not url.lower().startswith(("http://", "https://", "socks5://", "socks5h://")):
                problem = "is no proxy that can be used: write http://, https://, socks5:// or socks5h://"
            if problem:
                raise BadSetting(f"{variable}: '{shown(url)}' {problem}")
            try:
                parsed = httpx.URL(url)
                found.add(f"{parsed.host}:{parsed.port or {'https': 443, 'http': 80}.get(parsed.scheme, 1080)}")
            except Exception as error:  # its parser lets errors of idna through
                raise BadSetting(f"{variable}: '{shown(url)}' is no URL") from error
    return found


def unproxied(text: str, urls: Sequence[str]) -> str:
    """Return the value of NO_PROXY as httpx can read it: no spaces, and networks replaced by the hosts within them.

    httpx fails at an IPv6 network or a bracket, and passes over an IPv4 network; clusters set both.
    """
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in urls if "://" in url)
    entries: list[str] = []
    for word in text.replace(",", " ").split():
        entry = word.strip("[]") if word.endswith("]") else word
        if "/" not in entry:
            if entry.count(":") != 1 or is_number(entry.partition(":")[2]):
                entries.append(entry)
            continue
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue
        entries += [host for host in hosts if _is_within(host, network)]
    return ",".join(entries)


def _is_within(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
