"""The package ``sources`` itself."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.samples import CONTENT, TINY, settings, staged_file, vocabulary
from tiktoken_cache_init import sources
from tiktoken_cache_init.settings import SOURCES
from tiktoken_cache_init.sources import Delivery, SourceError, wrong_bytes


def watch(_: object) -> None:
    """Ignore the progress."""


def test_every_source_that_a_setting_can_name_has_a_supply_function(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in SOURCES:
        module = importlib.import_module(f"tiktoken_cache_init.sources.{sources._MODULES[name]}")
        monkeypatch.setattr(module, "supply", lambda *_, name=name: asked.append(name))
    with staged_file(volume) as staged:
        for name in SOURCES:
            sources.supply(name, [Delivery(staged)], settings(), 0.0, watch)
    assert asked == list(SOURCES)


def test_a_source_is_not_asked_for_a_complete_file(volume: Path, baked: Path) -> None:
    with staged_file(volume) as staged:
        staged.write(CONTENT)
        delivery = Delivery(staged)
        assert delivery.complete
        sources.supply("no such source", [delivery], settings(), 0.0, watch)


def test_a_source_that_this_installation_lacks_is_a_failure_with_advice(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fetch", "http"):
        monkeypatch.delitem(sys.modules, f"tiktoken_cache_init.sources.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        sources.supply("fetch", [delivery], settings(origin=True), 0.0, watch)
    [failure] = delivery.failures
    assert (failure.label, failure.reason) == ("fetch", "this installation has no httpx")
    assert "use the default image" in failure.advice


@pytest.mark.parametrize("origin", [False, True])
def test_a_directory_as_mirror_needs_no_http_client(
    volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch, origin: bool
) -> None:
    for name in ("fetch", "http"):
        monkeypatch.delitem(sys.modules, f"tiktoken_cache_init.sources.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "httpx", None)
    chosen = settings(mirrors=(str(baked),), origin=origin)
    with staged_file(volume) as first, staged_file(volume, vocabulary(b"unknown")) as second:
        found, missing = Delivery(first), Delivery(second)
        sources.supply("fetch", [found, missing], chosen, 0.0, watch)
        assert (found.complete, found.label, found.failures) == (True, str(baked), [])
    wanted = [str(baked), "fetch"] if origin else [str(baked)]
    assert [failure.label for failure in missing.failures] == wanted


def test_a_failure_is_noted_with_the_place_and_its_advice(volume: Path) -> None:
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        delivery.label = "here"
        delivery.record_failure(SourceError("no", advice="do something"))
    assert delivery.failures == [("here", "no", "do something")]


def test_the_deadline_is_noted_with_how_far_the_transfer_came(volume: Path) -> None:
    for wanted, size in ((TINY, "4 of 21"), (vocabulary(size=None, max_size=100), "4")):
        with staged_file(volume, wanted) as staged:
            staged.write(CONTENT[:4])
            delivery = Delivery(staged)
            delivery.label = "here"
            delivery.record_deadline()
        assert delivery.failures == [
            ("here", f"{size} bytes came before the deadline", "increase TIKTOKEN_INIT_DEADLINE")
        ]


def test_the_deadline_is_not_noted_for_a_file_that_is_complete_or_was_not_tried(volume: Path) -> None:
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        delivery.record_deadline()
        delivery.label = "here"
        staged.write(CONTENT)
        delivery.record_deadline()
    assert delivery.failures == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            b"<html>" + b" " * 10,
            "wrong bytes: an HTML page, such as an error page or a captive portal's login page (16 bytes)",
        ),
        (b"x" * 21, "wrong bytes (21 bytes, the right length)"),
        (b"", "wrong bytes: empty (0 bytes)"),
    ],
)
def test_wrong_bytes_are_reported_with_their_kind_and_digest(volume: Path, data: bytes, text: str) -> None:
    with staged_file(volume) as staged:
        staged.write(data)
        assert str(wrong_bytes(staged)) == f"{text}, SHA-256 {staged.digest}"
