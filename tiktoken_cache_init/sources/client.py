"""The HTTP client: headers, proxies, trusted authorities and credentials from the settings and the environment."""

import contextlib
import netrc
import os
import ssl

import httpx

from .. import __version__
from ..errors import LIMITS, SettingError
from ..settings import Settings
from .proxies import Proxies


class _Network(httpx.AsyncBaseTransport):
    """Sends each request through the proxy for its URL. Every TLS connection has the same trust, also the one to a proxy."""

    def __init__(self, proxies: Proxies, trust: ssl.SSLContext) -> None:
        self._proxies = proxies
        self._transports: dict[httpx.URL | None, httpx.AsyncHTTPTransport] = {
            None: httpx.AsyncHTTPTransport(verify=trust)
        }
        for url in proxies.all:
            proxy = httpx.Proxy(url, ssl_context=trust if url.scheme == "https" else None)
            self._transports[url] = httpx.AsyncHTTPTransport(verify=trust, proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transports[self._proxies.for_url(request.url)].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def make_client(settings: Settings, proxies: Proxies) -> httpx.AsyncClient:
    """Return a client for one fetch.

    Raises:
        SettingError: a proxy, a file of certificate authorities or the netrc file cannot be used.
    """
    headers = {
        "User-Agent": f"tiktoken-cache-init/{__version__}",
        # A compressed body cannot be resumed.
        "Accept-Encoding": "identity",
    }
    try:
        network = _Network(proxies, _trust(settings.ca))
    except ImportError as error:
        raise SettingError(
            "a SOCKS proxy needs the package socksio: install httpx[socks], or set another proxy"
        ) from error
    # `transfer` limits the time, so httpx needs no time-outs.
    return httpx.AsyncClient(transport=network, headers=headers, auth=_netrc(), timeout=httpx.Timeout(None))


def _trust(extra: str) -> ssl.SSLContext:
    """Return a TLS context with the authorities of the system, of the settings and of the environment."""
    directory = os.environ.get("SSL_CERT_DIR")
    if directory and not any(os.path.isdir(each) for each in directory.split(os.pathsep)):
        raise SettingError(f"SSL_CERT_DIR: there is no directory {directory}: correct or unset it")
    # OpenSSL reads SSL_CERT_DIR and SSL_CERT_FILE itself, but ignores a file that does not exist.
    context = ssl.create_default_context()
    # Corporate proxies often use authorities without a key identifier, which Python 3.13 refuses.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not directory and not _has_authorities():
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    added = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    for variable, path in (*added.items(), ("TIKTOKEN_INIT_CA", extra)):
        if path:
            try:
                is_directory = os.path.isdir(path)
                context.load_verify_locations(None if is_directory else path, path if is_directory else None)
            except ssl.SSLError as error:
                raise SettingError(f"{variable}: {path} holds no certificate in PEM form: give a PEM file") from error
            except OSError as error:
                if error.errno in LIMITS:
                    raise
                raise SettingError(
                    f"{variable}: cannot read {path}: {error.strerror}: mount it, or unset it"
                ) from error
    return context


def _has_authorities() -> bool:
    # An interpreter that was built for another system uses paths that do not exist here. They are None then.
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and os.listdir(paths.capath)))


def _netrc() -> httpx.Auth | None:
    """Return the credentials of the netrc file. `transfer` uses them for a URL without credentials."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    # The path may be a directory, because a bind mount of a missing file makes one.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        try:
            return httpx.NetRCAuth(path)
        except (netrc.NetrcParseError, UnicodeDecodeError) as error:
            raise SettingError(f"{path} is not a netrc file: correct it, or set NETRC to another one") from error
    return None
