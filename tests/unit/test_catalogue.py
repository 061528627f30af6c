from __future__ import annotations

import importlib
from typing import Any

import pytest
import tiktoken.model

from image.prove import IDS
from tests.samples import vocabulary
from tests.vocabularies import CL100K
from tiktoken_cache_init import catalogue
from tiktoken_cache_init.catalogue import ENCODINGS, Encoding, cache_key, vocabularies_of

# The module has no types, so mypy would refuse an ordinary import.
published: Any = importlib.import_module("tiktoken_ext.openai_public")

BY_NAME = {encoding.name: encoding for encoding in ENCODINGS}


def test_the_encodings_are_those_of_tiktoken() -> None:
    assert set(BY_NAME) == set(published.ENCODING_CONSTRUCTORS), "correct catalogue.py, or pin another tiktoken"


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() & published.ENCODING_CONSTRUCTORS.keys()))
def test_an_encoding_needs_the_files_that_tiktoken_loads_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {}

    def load(url: str, expected_hash: str) -> dict[bytes, int]:
        digests[url] = expected_hash
        return {}

    def load_two(
        vocab_bpe_file: str, encoder_json_file: str, vocab_bpe_hash: str, encoder_json_hash: str
    ) -> dict[bytes, int]:
        return load(vocab_bpe_file, vocab_bpe_hash) | load(encoder_json_file, encoder_json_hash)

    monkeypatch.setattr(published, "load_tiktoken_bpe", load)
    monkeypatch.setattr(published, "data_gym_to_mergeable_bpe_ranks", load_two)
    published.ENCODING_CONSTRUCTORS[name]()
    assert {v.url: v.sha256 for v in BY_NAME[name].vocabularies} == digests


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
        ("gpt", None),
        ("gpt-4omni", None),
    ],
)
def test_a_model_is_found_by_the_longest_family_that_fits(model: str, name: str | None) -> None:
    found = catalogue.encoding_of_model(model)
    assert (found and found.name) == name


def test_the_tests_know_the_tokens_of_every_encoding() -> None:
    assert set(BY_NAME) == set(IDS), "add the tokens of TEXT to IDS in image/prove.py"


def test_a_cache_key_is_made_from_the_whole_text_of_the_url() -> None:
    assert CL100K.cache_key == "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
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
