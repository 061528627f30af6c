"""Certificate authorities for one test run, and the good and bad certificates that they sign."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import trustme


class Authority:
    """Certificate authority that no machine trusts. ``bundle`` is its certificate as a PEM file."""

    def __init__(self, directory: Path, name: str):
        self._ca = trustme.CA(organization_name=name)
        self.bundle = directory / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.bundle))

    def context(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server at these names or addresses."""
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        until = now - day if expired else now + day
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names, not_before=now - 30 * day, not_after=until).configure_cert(context)
        return context
