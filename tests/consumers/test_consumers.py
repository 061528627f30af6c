"""Runs of each consumer without a network: with a filled, an empty, a wrong and a repaired directory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumers.known import (
    CONSUMERS,
    COUNTS_WRONGLY,
    EMBEDDED,
    LANGCHAIN_JS,
    MODELS,
    POISONS,
    Consumer,
)
from tests.consumers.running import Outcome, Tokens, fill, offline, poison, run, tokenize
from tests.consumers.texts import expected

Record = Callable[[str, object], None]

BY_NAME = {consumer.name: consumer for consumer in CONSUMERS}


def each(consumers: tuple[Consumer, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("consumer", consumers, ids=lambda consumer: consumer.name)


def is_right(tokens: Tokens | None, names: tuple[str, ...]) -> bool:
    """Return whether these are the ids of the named encodings. A count is right if it is the number of ids."""
    if tokens is None or sorted(tokens) != sorted(names):
        return False
    ids = {name: expected()[MODELS.get(name, name)] for name in names}
    counts = {name: {label: len(of) for label, of in by_label.items()} for name, by_label in ids.items()}
    return all(tokens[name] in (ids[name], counts[name]) for name in names)


def behaves(outcome: Outcome, names: tuple[str, ...], expectation: str) -> bool:
    """Return whether a run ended as expected: with a message, or with wrong counts."""
    if expectation == COUNTS_WRONGLY:
        return outcome.tokens is not None and not is_right(outcome.tokens, names)
    return outcome.tokens is None and expectation in outcome.messages


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> dict[str, Path]:
    """Fill a directory in each layout; return layout -> directory."""
    directories = {layout: tmp_path_factory.mktemp(layout) for layout in ("cache", "published", "both")}
    for layout, directory in directories.items():
        fill(directory, vocabularies, "--layout", layout)
    return directories


def test_consumers_cannot_reach_any_address() -> None:
    # Connecting a datagram socket sends nothing: the kernel only looks for a route.
    program = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).connect((sys.argv[1], 53))"
    for address in ("127.0.0.1", "192.0.2.1"):
        assert "Network is unreachable" in offline([sys.executable, "-c", program, address], {}).stderr


@each(CONSUMERS)
def test_a_filled_directory_is_enough(consumer: Consumer, filled: dict[str, Path], record_property: Record) -> None:
    outcome = run(consumer, filled[consumer.layout], consumer.names, read_only=True)
    assert is_right(outcome.tokens, consumer.names), outcome
    record_property("consumer", [consumer.name, f"filled {consumer.variable}, read-only: the ids are right"])


@each(CONSUMERS)
def test_an_empty_directory_is_not_enough(consumer: Consumer, tmp_path: Path, record_property: Record) -> None:
    outcome = run(consumer, tmp_path, consumer.names)
    assert behaves(outcome, consumer.names, consumer.without), outcome
    record_property("consumer", [consumer.name, f"empty {consumer.variable}: {consumer.without}"])


@pytest.mark.parametrize(
    ("consumer", "kind"),
    [pytest.param(c, kind, id=f"{c.name}-{kind}") for c in CONSUMERS for kind in c.when],
)
def test_wrong_bytes_have_the_effect_that_the_table_says(
    consumer: Consumer, kind: str, tmp_path: Path, vocabularies: Path, record_property: Record
) -> None:
    written = poison(tmp_path, vocabularies, consumer.layout, kind)
    outcome = run(consumer, tmp_path, consumer.names)
    assert behaves(outcome, consumer.names, consumer.when[kind]), outcome
    left = {path.name for path in tmp_path.iterdir()}
    assert (left < written) is consumer.deletes
    deletes = ", and deletes the file" if consumer.deletes else ""
    record_property("consumer", [consumer.name, f"each file is {POISONS[kind]}: {consumer.when[kind]}{deletes}"])


@each(tuple(consumer for consumer in CONSUMERS if consumer.when))
def test_a_fill_repairs_a_poisoned_directory(consumer: Consumer, tmp_path: Path, vocabularies: Path) -> None:
    poison(tmp_path, vocabularies, consumer.layout, *POISONS)
    fill(tmp_path, vocabularies, "--layout", consumer.layout)
    outcome = run(consumer, tmp_path, consumer.names)
    assert is_right(outcome.tokens, consumer.names), outcome


@each(EMBEDDED)
def test_embedded_vocabularies_need_no_directory(consumer: Consumer, record_property: Record) -> None:
    outcome = tokenize(consumer.command(), {}, consumer.names)
    assert is_right(outcome.tokens, consumer.names), outcome
    record_property("consumer", [consumer.name, "no variable: the ids are right"])


def test_langchain_js_fetches_from_another_site_even_with_a_filled_directory(
    filled: dict[str, Path], record_property: Record
) -> None:
    outcome = tokenize(LANGCHAIN_JS.command(), {"TIKTOKEN_CACHE_DIR": str(filled["cache"])}, LANGCHAIN_JS.names)
    assert behaves(outcome, LANGCHAIN_JS.names, "tiktoken.pages.dev"), outcome
    record_property("consumer", [LANGCHAIN_JS.name, "filled TIKTOKEN_CACHE_DIR: fails, tiktoken.pages.dev"])


@pytest.mark.parametrize("name", ["openai-harmony 0.0.8", "openai-harmony 0.0.8, published names"])
def test_one_directory_serves_both_layouts(name: str, filled: dict[str, Path]) -> None:
    assert is_right(run(BY_NAME[name], filled["both"], BY_NAME[name].names).tokens, BY_NAME[name].names)


def test_published_names_take_precedence_in_harmony(filled: dict[str, Path], tmp_path: Path) -> None:
    harmony = BY_NAME["openai-harmony 0.0.8"]
    variables = {harmony.variable: str(filled["cache"]), "TIKTOKEN_ENCODINGS_BASE": str(tmp_path)}
    outcome = tokenize(harmony.command(), variables, harmony.names)
    assert "invalid tiktoken vocab file: No such file or directory" in outcome.messages, outcome


@pytest.mark.parametrize(("release", "trims"), [("v0.1.7", False), ("v0.1.8", True)])
def test_a_space_in_the_variable_is_trimmed_from_0_1_8_on(release: str, trims: bool, filled: dict[str, Path]) -> None:
    command = BY_NAME[f"pkoukk/tiktoken-go {release}"].command()
    outcome = tokenize(command, {"TIKTOKEN_CACHE_DIR": f" {filled['cache']}"}, ("gpt-4",))
    assert is_right(outcome.tokens, ("gpt-4",)) == trims, outcome


def test_langchaingo_estimates_gpt_4o_even_with_a_filled_directory(filled: dict[str, Path]) -> None:
    outcome = run(BY_NAME["langchaingo v0.1.14"], filled["cache"], ("gpt-4o",))
    assert behaves(outcome, ("gpt-4o",), COUNTS_WRONGLY), outcome
    assert "falling back to approximate count" in outcome.messages


def test_llama_index_has_its_own_copies_if_the_variable_is_not_set() -> None:
    llama_index = BY_NAME["llama-index-core 0.14.25"]
    assert is_right(tokenize(llama_index.command(), {}, llama_index.names).tokens, llama_index.names)


def test_litellm_overwrites_the_variable_for_the_whole_process(filled: dict[str, Path]) -> None:
    command = BY_NAME["LiteLLM 1.106.0"].command()
    variables = {"TIKTOKEN_CACHE_DIR": str(filled["cache"])}
    own = ("gpt-3.5-turbo", "gpt-4o")
    assert is_right(tokenize(command, variables, own).tokens, own)
    # After the first count, tiktoken in the same process reads LiteLLM's own directory, which has no gpt2.
    assert "ConnectionError" in tokenize(command, variables, (*own, "gpt2")).messages
