"""Each consumer, with no network interface: with the volume, without it, with a poisoned one, and after a fill."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumers.compatibility import COLUMNS, PROPERTY, declared
from tests.consumers.known import (
    CONSUMERS,
    COUNTS_WRONGLY,
    EMBEDDED,
    EMBEDDED_NAMES,
    MODELS,
    POISONS,
    Consumer,
    embedded,
    tiktoken_0_1_1,
)
from tests.consumers.running import Tokens, fill, offline, poison, run, tokenize
from tests.consumers.texts import expected

Record = Callable[[str, object], None]

BY_NAME = {consumer.name: consumer for consumer in CONSUMERS}

each_consumer = pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.name)


def is_right(tokens: Tokens | None, names: tuple[str, ...]) -> bool:
    """Tell whether these are the ids that the named encodings give; a count is right if it is the number of ids."""
    if tokens is None or sorted(tokens) != sorted(names):
        return False
    ids = {name: expected()[MODELS.get(name, name)] for name in names}
    counts = {name: {label: len(of) for label, of in by_label.items()} for name, by_label in ids.items()}
    return all(tokens[name] in (ids[name], counts[name]) for name in names)


def leave(record_property: Record, consumer: str, *columns: str) -> None:
    for column in columns:
        record_property(PROPERTY, [consumer, column, declared()[consumer][column]])


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> dict[str, Path]:
    """Layout -> a folder that the entry point filled in that layout."""
    folders = {layout: tmp_path_factory.mktemp(layout) for layout in ("cache", "published", "both")}
    for layout, folder in folders.items():
        fill(folder, vocabularies, "--layout", layout)
    return folders


def test_consumers_can_reach_nothing() -> None:
    # A datagram socket that is connected sends nothing: the kernel only looks for a route.
    program = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).connect((sys.argv[1], 53))"
    for address in ("127.0.0.1", "192.0.2.1"):
        assert "Network is unreachable" in offline([sys.executable, "-c", program, address], {}).stderr


@each_consumer
def test_a_filled_volume_is_enough(consumer: Consumer, filled: dict[str, Path], record_property: Record) -> None:
    outcome = run(consumer, filled[consumer.layout], consumer.names, read_only=True)
    assert is_right(outcome.tokens, consumer.names), outcome
    leave(record_property, consumer.name, *COLUMNS[1:4])


@each_consumer
def test_an_empty_volume_is_not_enough(consumer: Consumer, tmp_path: Path, record_property: Record) -> None:
    outcome = run(consumer, tmp_path, consumer.names)
    assert outcome.tokens is None
    assert consumer.without in outcome.messages
    leave(record_property, consumer.name, COLUMNS[4])


@each_consumer
@pytest.mark.parametrize("kind", POISONS)
def test_a_poisoned_volume_does_what_is_known_of_it(
    consumer: Consumer, kind: str, tmp_path: Path, vocabularies: Path, record_property: Record
) -> None:
    names = poison(tmp_path, vocabularies, consumer.layout, kind)
    asked = consumer.names[:1]
    outcome = run(consumer, tmp_path, asked)
    if consumer.when[kind] == COUNTS_WRONGLY:
        assert outcome.tokens is not None, outcome.messages
        assert not is_right(outcome.tokens, asked)
    else:
        assert outcome.tokens is None
        assert consumer.when[kind] in outcome.messages
    assert len(names - {path.name for path in tmp_path.iterdir()}) == consumer.deletes
    leave(record_property, consumer.name, f"Each file is {POISONS[kind]}")


@each_consumer
def test_a_fill_heals_a_poisoned_volume(
    consumer: Consumer, tmp_path: Path, vocabularies: Path, record_property: Record
) -> None:
    poison(tmp_path, vocabularies, consumer.layout, *POISONS)
    fill(tmp_path, vocabularies, "--layout", consumer.layout)
    outcome = run(consumer, tmp_path, consumer.names)
    assert is_right(outcome.tokens, consumer.names), outcome
    leave(record_property, consumer.name, COLUMNS[-1])


def test_compiled_in_vocabularies_need_no_volume(tmp_path: Path, record_property: Record) -> None:
    for variables in ({}, {"TIKTOKEN_CACHE_DIR": str(tmp_path)}):
        assert is_right(tokenize(embedded(), variables, EMBEDDED_NAMES).tokens, EMBEDDED_NAMES)
    leave(record_property, EMBEDDED, *COLUMNS[1:])


@pytest.mark.parametrize("name", ["openai-harmony 0.0.8", "openai-harmony 0.0.8, published names"])
def test_one_volume_serves_both_layouts(name: str, filled: dict[str, Path]) -> None:
    assert is_right(run(BY_NAME[name], filled["both"], BY_NAME[name].names).tokens, BY_NAME[name].names)


def test_tiktoken_0_1_1_asks_for_other_names(filled: dict[str, Path]) -> None:
    outcome = tokenize(tiktoken_0_1_1(), {"TIKTOKEN_CACHE_DIR": str(filled["cache"])}, ("cl100k_base",))
    assert outcome.tokens is None
    assert "'restype': 'container'" in outcome.messages  # it asks Azure's storage interface, for an az:// URL


def test_tiktoken_go_0_1_6_does_not_know_gpt_4o(filled: dict[str, Path]) -> None:
    outcome = run(BY_NAME["pkoukk/tiktoken-go v0.1.6"], filled["cache"], ("gpt-4o",))
    assert "no encoding for model gpt-4o" in outcome.messages


@pytest.mark.parametrize(("release", "trims"), [("v0.1.6", False), ("v0.1.7", False), ("v0.1.8", True)])
def test_a_space_in_the_variable_is_trimmed_from_0_1_8_on(release: str, trims: bool, filled: dict[str, Path]) -> None:
    command = BY_NAME[f"pkoukk/tiktoken-go {release}"].command()
    outcome = tokenize(command, {"TIKTOKEN_CACHE_DIR": f" {filled['cache']}"}, ("gpt-4",))
    assert is_right(outcome.tokens, ("gpt-4",)) == trims, outcome


def test_litellm_reads_its_own_folder_unless_told_otherwise(tmp_path: Path) -> None:
    litellm = BY_NAME["LiteLLM 1.106.0"]
    outcome = tokenize(litellm.command(), {"TIKTOKEN_CACHE_DIR": str(tmp_path)}, litellm.names)
    assert is_right(outcome.tokens, litellm.names), outcome
