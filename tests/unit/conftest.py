"""Fixtures of the unit tests, which need Python alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, TINY

Refuse = Callable[..., None]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxies, certificates and credentials of this machine out of the tests."""
    trust = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("TIKTOKEN") or name in trust:
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", "/nonexistent/netrc")
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a host, even if the tests run in a container."""
    for name in ("in_image", "in_pod", "in_container"):
        monkeypatch.setattr(f"tiktoken_cache_init.place.{name}", lambda: False)


@pytest.fixture
def baked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory that holds `TINY` and `OTHER` under their cache keys, as if they were baked in."""
    directory = tmp_path / "baked"
    directory.mkdir()
    (directory / TINY.cache_key).write_bytes(CONTENT)
    (directory / OTHER.cache_key).write_bytes(OTHER_CONTENT)
    monkeypatch.setattr("tiktoken_cache_init.place.BAKED_DIR", str(directory))
    return directory


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Return a function that makes a function of the operating system fail with an error number."""

    def patch(name: str, number: int, module: Any = os) -> None:
        def call(*_: Any, **__: Any) -> NoReturn:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(module, name, call)

    return patch
