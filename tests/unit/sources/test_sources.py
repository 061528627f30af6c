"""The package ``sources`` itself."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.samples import CONTENT, settings, staged_file, vocabulary
from tiktoken_cache_init import sources
from tiktoken_cache_init.errors import DeadlinePassed, SettingError
from tiktoken_cache_init.sources import Delivery, Name, SourceError
from tiktoken_cache_init.values import SOURCES


def ignore(_: object) -> None:
    """Ignore the progress."""


class Asked:
    """Source that records that it was asked, and supplies a content or nothing."""

    def __init__(self, name: str, asked: list[str], content: bytes = b"") -> None:
        self._name = name
        self._asked = asked
        self._content = content

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        self._asked.append(self._name)
        for delivery in deliveries:
            assert not delivery.staged.is_right
            delivery.staged.write(self._content)


def test_the_volume_is_asked_first_and_directories_before_other_mirrors(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sources, "_load", lambda name, *_: Asked(name, asked))
    with staged_file(volume) as staged:
        sources.supply([Delivery(staged)], settings(sources=("baked", "fetch", "wheel")), 0.0, ignore)
        # The second call continues a slow transfer, if there is nothing better.
        assert asked == ["volume", "baked", "directories", "fetch", "wheel", "fetch"]
        staged.write(CONTENT)
        sources.supply([Delivery(staged)], settings(sources=("baked", "fetch", "wheel")), 0.0, ignore)
    assert len(asked) == 6


@pytest.mark.parametrize("name", get_args(Name))
def test_each_source_is_tried_and_can_be_loaded(name: Name) -> None:
    assert name in sources._order(settings(sources=SOURCES)), "add it to SourceName in values.py, or to _order"
    assert callable(sources._load(name, settings(), 0.0, ignore)), "add it to _load"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ModuleNotFoundError("httpx"), ("fetch", "it is not part of this installation", "use the default image")),
        (ImportError("failed to map segment"), ("fetch", "it has too little memory", "give it more memory")),
        (MemoryError(), ("fetch", "it has too little memory", "give it more memory")),
        (SystemError(), ("fetch", "it has too little memory", "give it more memory")),
        (OSError(errno.EMFILE, "Too many open files"), ("fetch", "too many open files", "raise the limit of open")),
        (OSError(errno.EIO, "Input/output error"), ("fetch", "input/output error", "")),
        (SettingError("A: no: write b"), ("fetch", "A: no: write b", "")),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("is_last", [False, True])
def test_a_source_that_cannot_be_tried_is_a_failure_and_the_next_one_is_tried(
    volume: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, failure: tuple[str, str, str], is_last: bool
) -> None:
    def load(name: Name, *_: Any) -> Asked:
        if name == "fetch":
            raise error
        return Asked(name, [], CONTENT if name == "wheel" and not is_last else b"")

    monkeypatch.setattr(sources, "_load", load)
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        expected = pytest.raises(SettingError) if is_last and isinstance(error, SettingError) else nullcontext()
        with expected:
            sources.supply([delivery], settings(sources=("fetch", "wheel")), 0.0, ignore)
        assert delivery.staged.is_right is not is_last
    [found] = delivery.failures
    assert found[:2] == failure[:2]
    assert found.advice.startswith(failure[2])
    assert bool(found.advice) == bool(failure[2])


def test_an_installation_without_pip_says_that_wheel_must_be_removed(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken_cache_init.sources.wheel", None)
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        sources.supply([delivery], settings(sources=("wheel",)), 0.0, ignore)
    assert "remove wheel from TIKTOKEN_INIT_SOURCES" in delivery.failures[0].advice


def test_a_directory_as_mirror_needs_no_http_client(volume: Path, baked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tiktoken_cache_init.sources.fetch", raising=False)
    monkeypatch.setitem(sys.modules, "httpx", None)
    chosen = settings(volume, mirrors=(str(baked),), sources=("fetch",))
    with staged_file(volume) as first, staged_file(volume, vocabulary(b"unknown")) as second:
        found, missing = Delivery(first), Delivery(second)
        sources.supply([found, missing], chosen, 0.0, ignore)
        assert (found.staged.is_right, found.label, found.failures) == (True, str(baked), [])
    assert [failure.label for failure in missing.failures] == [str(baked), "fetch"]


def test_an_attempt_is_recorded_with_its_place_and_its_failure(volume: Path) -> None:
    with staged_file(volume) as staged:
        delivery = Delivery(staged)
        with delivery.attempt("here"):
            staged.write(b"wrong")
            raise SourceError("no", advice="do something")
        # The next source has no place and no bytes yet.
        assert (delivery.label, staged.position) == ("", 0)
        assert delivery.failures == [("here", "no", "do something")]


@pytest.mark.parametrize(
    ("label", "written", "size", "reasons"),
    [
        ("here", 4, len(CONTENT), ["4 of 21 bytes came before the deadline"]),
        ("here", 4, None, ["4 bytes came before the deadline"]),
        ("here", len(CONTENT), None, []),
        # It was not tried.
        ("", 0, len(CONTENT), []),
    ],
)
def test_the_deadline_is_recorded_with_how_far_the_transfer_came(
    volume: Path, monkeypatch: pytest.MonkeyPatch, label: str, written: int, size: int | None, reasons: list[str]
) -> None:
    def slow(deliveries: Sequence[Delivery]) -> None:
        deliveries[0].label = label
        deliveries[0].staged.write(CONTENT[:written])
        raise DeadlinePassed

    monkeypatch.setattr(sources, "_load", lambda *_: slow)
    with staged_file(volume, vocabulary(size=size)) as staged:
        delivery = Delivery(staged)
        with pytest.raises(DeadlinePassed):
            sources.supply([delivery], settings(), 0.0, ignore)
    assert delivery.failures == [("here", reason, "increase TIKTOKEN_INIT_DEADLINE") for reason in reasons]
