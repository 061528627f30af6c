from __future__ import annotations

import sys

import pytest

from tests.samples import settings
from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.settings import SOURCES
from tiktoken_cache_init.sources import RouteFailed, sources_of
from tiktoken_cache_init.sources.baked import Baked
from tiktoken_cache_init.sources.fetch import Fetch
from tiktoken_cache_init.sources.wheel import Wheel


def test_sources_come_in_the_order_of_the_settings() -> None:
    chosen = settings(sources=("wheel", "baked", "fetch"))
    assert [type(source) for source in sources_of(chosen, Run())] == [Wheel, Baked, Fetch]


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_that_can_be_named_is_there(name: str) -> None:
    [source] = sources_of(settings(sources=(name,)), Run())
    assert type(source).__name__ == name.capitalize()


def test_a_source_that_an_image_was_built_without_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken_cache_init.sources.fetch", None)
    with pytest.raises(BadSetting, match=r"the source 'fetch' is not part of this image .*TIKTOKEN_INIT_SOURCES"):
        sources_of(settings(sources=("fetch",)), Run())


def test_a_failure_is_final_and_gives_no_advice_unless_it_says_so() -> None:
    failure = RouteFailed("no")
    assert (str(failure), failure.passing, failure.wait, failure.advice) == ("no", False, None, "")
