from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import tiktoken.model

from tests.samples import vocabulary
from tiktoken_cache_init import catalogue
from tiktoken_cache_init.catalogue import (
    ENCODINGS,
    VOCABULARIES,
    Encoding,
    cache_key,
    vocabularies_of,
)

# The module has no types, so mypy would refuse an ordinary import.
published: Any = importlib.import_module("tiktoken_ext.openai_public")

CACHE_KEYS = {
    "cl100k_base.tiktoken": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base.tiktoken": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "p50k_base.tiktoken": "ec7223a39ce59f226a68acc30dc1af2788490e15",
    "r50k_base.tiktoken": "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4",
    "vocab.bpe": "6d1cbeee0f20b3d9449abfede4726ed8212e3aee",
    "encoder.json": "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6",
}
"""File names in the wheels of llama-index-core and litellm, among others."""
BY_NAME = {encoding.name: encoding for encoding in ENCODINGS}


class Loads:
    """Replacement for the functions with which tiktoken loads files. It records the requested files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.digests: dict[str, str] = {}
        for name in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks"):
            monkeypatch.setattr(published, name, self.instead_of(getattr(published, name)))

    def instead_of(self, load: Callable[..., Any]) -> Callable[..., dict[bytes, int]]:
        signature = inspect.signature(load)

        def note(*given: Any, **named: Any) -> dict[bytes, int]:
            said = signature.bind(*given, **named).arguments
            for file, digest in (
                ("tiktoken_bpe_file", "expected_hash"),
                ("vocab_bpe_file", "vocab_bpe_hash"),
                ("encoder_json_file", "encoder_json_hash"),
            ):
                if file in said:
                    self.digests[said[file]] = said[digest]
            return {}

        return note


def test_the_encodings_are_those_of_tiktoken() -> None:
    assert set(BY_NAME) == set(published.ENCODING_CONSTRUCTORS)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_an_encoding_needs_the_files_that_tiktoken_loads_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(monkeypatch)
    published.ENCODING_CONSTRUCTORS[name]()
    assert {v.url: v.sha256 for v in BY_NAME[name].vocabularies} == loads.digests


@pytest.mark.parametrize("known", ENCODINGS, ids=lambda known: known.name)
def test_the_models_of_an_encoding_are_those_of_tiktoken(known: Encoding) -> None:
    table = tiktoken.model.MODEL_PREFIX_TO_ENCODING | tiktoken.model.MODEL_TO_ENCODING
    for family in known.models:
        exact = {table[name] for name in (family, f"{family}-") if name in table}
        assert exact or any(name.startswith(f"{family}-") for name in table), f"tiktoken has no {family}"
        assert known.name in (exact or {table[name] for name in table if name.startswith(f"{family}-")})


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-32k", "cl100k_base"),
        ("gpt-4.1-mini", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-3.5", "cl100k_base"),
        ("text-embedding", "cl100k_base"),
        ("o4", "o200k_base"),
        ("gpt", None),
        ("text", None),
        ("gpt-4omni", None),
    ],
)
def test_a_model_is_found_by_the_longest_family_that_fits(model: str, name: str | None) -> None:
    found = catalogue.encoding_of_model(model)
    assert (found and found.name) == name


def test_every_vocabulary_belongs_to_an_encoding() -> None:
    assert set(VOCABULARIES) == set(vocabularies_of(ENCODINGS))


def test_the_cache_keys_are_those_that_consumers_look_for() -> None:
    assert {known.published_name: known.cache_key for known in VOCABULARIES} == CACHE_KEYS


def test_a_cache_key_is_made_from_the_whole_text_of_the_url() -> None:
    assert cache_key("https://a.example/x") != cache_key("https://a.example/x?version=2")


@pytest.mark.parametrize(
    ("url", "path", "name"),
    [
        ("https://a.example/x/y.tiktoken", "x/y.tiktoken", "y.tiktoken"),
        ("https://a.example:8443/y.tiktoken?sig=1#f", "y.tiktoken", "y.tiktoken"),
    ],
)
def test_path_and_published_name_come_from_the_url(url: str, path: str, name: str) -> None:
    known = vocabulary(url=url)
    assert (known.path, known.published_name) == (path, name)


def test_a_vocabulary_that_two_encodings_share_is_needed_once() -> None:
    shared = vocabularies_of((BY_NAME["o200k_base"], BY_NAME["cl100k_base"], BY_NAME["o200k_harmony"]))
    assert [v.published_name for v in shared] == ["o200k_base.tiktoken", "cl100k_base.tiktoken"]


def test_an_encoding_is_found_by_its_name_and_no_other() -> None:
    assert [catalogue.encoding(known.name) for known in ENCODINGS] == list(ENCODINGS)
    with pytest.raises(KeyError):
        catalogue.encoding("CL100K_BASE")
