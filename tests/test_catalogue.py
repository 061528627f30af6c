from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiktoken.model

from tests.samples import vocabulary
from tiktoken_cache_init import catalogue
from tiktoken_cache_init.catalogue import ENCODINGS, VOCABULARIES, Encoding, Vocabulary, cache_key, vocabularies_of
from tiktoken_cache_init.errors import BadSetting

# Without types, hence not an ordinary import.
published: Any = importlib.import_module("tiktoken_ext.openai_public")

# Known wherever such files are handed about; among others the names in llama-index-core's and litellm's wheels.
CACHE_KEYS = {
    "cl100k_base.tiktoken": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base.tiktoken": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "p50k_base.tiktoken": "ec7223a39ce59f226a68acc30dc1af2788490e15",
    "r50k_base.tiktoken": "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4",
    "vocab.bpe": "6d1cbeee0f20b3d9449abfede4726ed8212e3aee",
    "encoder.json": "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6",
}


def by_name(encodings: tuple[Encoding, ...] = ENCODINGS) -> dict[str, Encoding]:
    return {encoding.name: encoding for encoding in encodings}


class Loads:
    """Stands in for the functions with which tiktoken loads files, and notes what they are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pins: dict[str, str] = {}
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
                    self.pins[said[file]] = said[digest]
            return {}

        return note


def test_the_encodings_are_those_of_tiktoken() -> None:
    assert set(by_name()) == set(published.ENCODING_CONSTRUCTORS)


@pytest.mark.parametrize("name", sorted(by_name()))
def test_an_encoding_needs_what_tiktoken_loads_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(monkeypatch)
    published.ENCODING_CONSTRUCTORS[name]()
    assert {v.url: v.sha256 for v in by_name()[name].vocabularies} == loads.pins


def test_every_vocabulary_belongs_to_an_encoding() -> None:
    assert set(VOCABULARIES) == set(vocabularies_of(ENCODINGS))


@pytest.mark.parametrize("known", VOCABULARIES, ids=lambda known: known.published_name)
def test_size_and_digest_are_those_of_the_real_file(known: Vocabulary, vocabularies: Path) -> None:
    content = (vocabularies / known.cache_key).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (known.size, known.sha256)
    assert known.limit == known.size


def test_cache_keys_are_those_that_everybody_uses() -> None:
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
    pin = vocabulary(url=url)
    assert (pin.path, pin.published_name) == (path, name)


def test_a_vocabulary_that_two_encodings_share_is_needed_once() -> None:
    known = by_name()
    shared = vocabularies_of((known["o200k_base"], known["cl100k_base"], known["o200k_harmony"]))
    assert [v.published_name for v in shared] == ["o200k_base.tiktoken", "cl100k_base.tiktoken"]


@pytest.mark.parametrize("known", ENCODINGS, ids=lambda known: known.name)
def test_an_encoding_is_found_by_its_name(known: Encoding) -> None:
    assert catalogue.encoding(known.name) is known


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cl100k-base", "cl100k_base"),
        ("cl100k", "cl100k_base"),
        ("o200k_bse", "o200k_base"),
        ("O200K_BASE", "o200k_base"),
        ("cl100k_base.tiktoken", "cl100k_base"),
        ("gpt-2", "gpt2"),
    ],
)
def test_a_misspelled_encoding_is_answered_with_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(BadSetting, match=f"unknown encoding '{wrong}': did you mean '{right}'"):
        catalogue.encoding(wrong)


@pytest.mark.parametrize("model", ["gpt-6", "claude-9", "deepseek-v3.1"])
def test_a_model_that_is_not_known_is_not_answered_with_some_encoding(model: str) -> None:
    with pytest.raises(BadSetting, match=f"'{model}' is no encoding; if it is a model, the command list says"):
        catalogue.encoding(model)


def test_an_encoding_that_is_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(BadSetting) as caught:
        catalogue.encoding("zzz")
    assert all(name in str(caught.value) for name in by_name())


@pytest.mark.parametrize(
    "model", ["gpt-3.5-turbo", "gpt-4", "GPT-4", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5", "o1", "o3", "gpt-oss-"]
)
def test_a_model_in_place_of_an_encoding_is_answered_with_its_encoding(model: str) -> None:
    right = tiktoken.model.encoding_name_for_model(model.lower())
    with pytest.raises(BadSetting, match=f"is a model, not an encoding: write '{right}'"):
        catalogue.encoding(model.removesuffix("-"))


@pytest.mark.parametrize("model", ["text-embedding-3-small", "text-embedding-ada-002", "gpt-4-turbo", "o4-mini"])
def test_a_common_model_is_known_for_one(model: str) -> None:
    right = tiktoken.model.encoding_name_for_model(model)
    with pytest.raises(BadSetting, match=f"'{right}'"):
        catalogue.encoding(model)


@pytest.mark.parametrize("known", ENCODINGS, ids=lambda known: known.name)
def test_the_models_of_an_encoding_are_those_of_tiktoken(known: Encoding) -> None:
    table = tiktoken.model.MODEL_PREFIX_TO_ENCODING | tiktoken.model.MODEL_TO_ENCODING
    for family in known.models.split(", "):
        exact = {table[name] for name in (family, f"{family}-") if name in table}
        assert exact or any(name.startswith(f"{family}-") for name in table), f"tiktoken has no {family}"
        assert known.name in (exact or {table[name] for name in table if name.startswith(f"{family}-")})
