"""Runs of each consumer without a network: with a filled, an empty and a wrong directory."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.consumers.known import CONSUMERS, COUNTS_WRONGLY, LITELLM, MODELS, Consumer
from tests.consumers.running import Tokens, expected, offline, tokenize
from tests.drivers import Host, install
from tests.vocabularies import CL100K, O200K


def each(*consumers: Consumer) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("consumer", consumers, ids=lambda consumer: consumer.name)


def is_right(tokens: Tokens | None, names: tuple[str, ...]) -> bool:
    """Return whether these are the ids of the named encodings. A count is right if it is the number of ids."""
    if tokens is None or sorted(tokens) != sorted(names):
        return False
    ids = {name: expected(MODELS.get(name, name)) for name in names}
    counts = {name: {label: len(of) for label, of in by_label.items()} for name, by_label in ids.items()}
    return all(tokens[name] in (ids[name], counts[name]) for name in names)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, vocabularies: Path) -> Path:
    """Fill a directory with every vocabulary under both names."""
    directory = tmp_path_factory.mktemp("filled")
    driver = Host(program=install(tmp_path_factory.mktemp("program") / "program", vocabularies))
    done = driver.run("--sources", "baked", "--encodings", "all", "--layout", "both", "--cache-dir", str(directory))
    assert done.code == 0, done.said
    return directory


def test_consumers_cannot_reach_any_address() -> None:
    # Connecting a datagram socket sends nothing: the kernel only looks for a route.
    program = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).connect((sys.argv[1], 53))"
    for address in ("127.0.0.1", "192.0.2.1"):
        assert "Network is unreachable" in offline([sys.executable, "-c", program, address], {}).stderr


@each(*CONSUMERS)
def test_a_filled_directory_is_enough(consumer: Consumer, filled: Path) -> None:
    variables = {consumer.variable: str(filled)} if consumer.variable else {}
    outcome = tokenize(consumer.command(), variables, consumer.names, read_only=filled)
    assert is_right(outcome.tokens, consumer.names), outcome


@each(*(consumer for consumer in CONSUMERS if consumer.variable))
def test_an_empty_directory_is_not_enough(consumer: Consumer, tmp_path: Path) -> None:
    outcome = tokenize(consumer.command(), {consumer.variable: str(tmp_path)}, consumer.names)
    assert outcome.tokens is None
    assert consumer.without in outcome.messages


@each(*(consumer for consumer in CONSUMERS if consumer.wrong))
def test_swapped_bytes_have_the_effect_that_the_table_says(
    consumer: Consumer, vocabularies: Path, tmp_path: Path
) -> None:
    for one, other in ((CL100K, O200K), (O200K, CL100K)):
        for name in (one.cache_key, one.published_name):
            shutil.copy(vocabularies / other.cache_key, tmp_path / name)
    names = tuple(name for name in consumer.names if name in ("cl100k_base", "o200k_base", "o200k_harmony"))
    outcome = tokenize(consumer.command(), {consumer.variable: str(tmp_path)}, names)
    if consumer.wrong == COUNTS_WRONGLY:
        assert outcome.tokens is not None
        assert not is_right(outcome.tokens, names)
    else:
        assert outcome.tokens is None
        assert consumer.wrong in outcome.messages


def test_litellm_overwrites_the_variable_for_the_whole_process(filled: Path) -> None:
    # After LiteLLM's first count, tiktoken in the same process reads LiteLLM's own directory, which has no gpt2.
    outcome = tokenize(LITELLM.command(), {"TIKTOKEN_CACHE_DIR": str(filled)}, LITELLM.names)
    assert "Max retries exceeded with url: /gpt-2/encodings/main/vocab.bpe" in outcome.messages
