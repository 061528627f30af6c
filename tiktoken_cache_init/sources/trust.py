"""Which certificate authorities are trusted, and what TLS is spoken."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from ..errors import BadSetting

_NO_COMPRESSED_CERTIFICATES = 1 << 33
"""OpenSSL's SSL_OP_NO_RX_CERTIFICATE_COMPRESSION (its ssl.h), for which Python has no name."""


def trust(extra: str, environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the authorities to trust: those of SSL_CERT_FILE or SSL_CERT_DIR if set, else the system's; and ``extra``.

    Raises:
        BadSetting: a bundle cannot be read.
    """
    file, folder = environment.get("SSL_CERT_FILE") or None, environment.get("SSL_CERT_DIR") or None
    if folder and not os.path.isdir(folder):
        raise BadSetting(f"SSL_CERT_DIR: {folder} is no folder")
    try:
        # Given a file or a folder, it loads no other authorities.
        context = ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        # It opens one more file, if there is such a variable.
        keys = environment.get("SSLKEYLOGFILE")
        at_fault = ("SSL_CERT_FILE", file) if file or not keys else ("SSLKEYLOGFILE", keys)
        raise _unreadable(at_fault[0], str(at_fault[1]), error) from error
    # Python 3.13 refuses what proxies that break TLS commonly issue: authorities without a key identifier and the like.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # A certificate may come compressed by zstd, which takes 0.3 MB of library in the image to save a kilobyte.
    context.options |= _NO_COMPRESSED_CERTIFICATES
    if not file and not folder and not _system_has_authorities(context):
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    if extra:
        try:
            context.load_verify_locations(cafile=extra)
        except OSError as error:
            raise _unreadable("TIKTOKEN_INIT_CA", extra, error) from error
    return context


def _system_has_authorities(context: ssl.SSLContext) -> bool:
    # An interpreter that was not built for this system looks in places that do not exist.
    folder = ssl.get_default_verify_paths().capath
    return bool(context.get_ca_certs() or (folder and os.path.isdir(folder) and os.listdir(folder)))


def _unreadable(variable: str, path: str, error: OSError) -> BadSetting:
    # An SSLError is an OSError too: the file is there, and OpenSSL finds nothing in it.
    if isinstance(error, ssl.SSLError):
        return BadSetting(f"{variable}: {path} holds no certificate in PEM form")
    return BadSetting(f"{variable}: cannot read {path}: {error.strerror}")
