"""The proxies that the environment names, as curl and pip read it, and what must not go through one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import httpx

from ..errors import BadSetting
from ..redaction import shown
from ..values import url_problem
from .headers import is_number

_SCHEMES = ("http", "https", "all")
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def proxies_of(environment: Mapping[str, str]) -> dict[str, httpx.Proxy]:
    """Return the proxy for each scheme of what is asked for: ``http``, ``https``, or ``all`` of them.

    Raises:
        BadSetting: a proxy's URL leads nowhere; httpx would blame whatever is asked for through it.
    """
    if "*" in _entries(_value("no", environment)[1]):
        return {}
    found = {scheme: _value(scheme, environment) for scheme in _SCHEMES}
    return {scheme: _proxy(variable, value) for scheme, (variable, value) in found.items() if value}


def _value(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return (variable, value). The lower-case name wins, even where it is empty."""
    lower, upper = f"{name}_proxy", f"{name.upper()}_PROXY"
    if lower in environment:
        return lower, environment[lower]
    # A web server hands a header called Proxy to its programs as HTTP_PROXY (CVE-2016-1000110).
    forged = name == "http" and "REQUEST_METHOD" in environment
    return upper, "" if forged else environment.get(upper, "")


def _proxy(variable: str, value: str) -> httpx.Proxy:
    url = value if "://" in value else f"http://{value}"
    problem = "has quotes round it, which are part of the value" if value[:1] in ("'", '"') else url_problem(url)
    if not problem and urlsplit(url).scheme not in _PORTS:
        problem = "is no proxy that can be used: write http://, https://, socks5:// or socks5h://"
    if problem:
        raise BadSetting(f"{variable}: '{shown(url)}' {problem}")
    try:
        proxy = httpx.Proxy(url)
        # An error of idna may come only when the host is asked for.
        str(proxy.url.host)
        return proxy
    except Exception as error:
        raise BadSetting(f"{variable}: '{shown(url)}' is no URL") from error


def address_of(proxy: httpx.Proxy) -> str:
    """Return HOST:PORT of a proxy, as it is connected to."""
    return address(proxy.url.raw_host.decode("ascii"), proxy.url.port or _PORTS[proxy.url.scheme])


def address(host: str, port: int) -> str:
    """Return HOST:PORT, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unproxied(environment: Mapping[str, str], urls: Iterable[str]) -> list[str]:
    """Return what NO_PROXY keeps from the proxies, as URL patterns of httpx's.

    It takes no spaces and no networks, which clusters set: of a network it gets the hosts that are in it, out of those of
    ``urls``.
    """
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in urls if "://" in url)
    patterns: list[str] = []
    for entry in _entries(_value("no", environment)[1]):
        if "/" in entry:
            patterns += [_pattern(host) for host in hosts if _is_within(host, entry)]
        elif _is_address(entry) or entry.count(":") == 0 or (entry.count(":") == 1 and is_number(entry.split(":")[1])):
            patterns.append(_pattern(entry))
    return patterns


def _entries(text: str) -> Iterator[str]:
    for word in text.replace(",", " ").split():
        # To curl and pip, `.a.test` means the same as `a.test`: it and all that is below it.
        if entry := (word.strip("[]") if word.endswith("]") else word).strip("."):
            yield entry


def _pattern(host: str) -> str:
    if _is_address(host):
        return f"all://[{host}]" if ":" in host else f"all://{host}"
    # A name stands for all that is below it too; with the star, `a.test` does not stand for `ba.test`.
    return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
