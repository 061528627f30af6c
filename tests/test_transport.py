from __future__ import annotations

import pytest

from tests.samples import settings
from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.sources.transport import Transport

pytestmark = pytest.mark.usefixtures("no_proxies")


def test_a_proxy_that_the_client_cannot_use_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://p.example:70")
    with pytest.raises(BadSetting, match="HTTPS_PROXY"):
        Transport(settings(), Run())
