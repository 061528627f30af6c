"""Consumers that the tests run: how each starts, which directory it reads, and what it does with a wrong one.

``docs/consumers.md`` has the facts for users, and ``README.md`` says how each was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tests.consumers.build import HERE, go_program, npm_packages, python_environment
from tiktoken_cache_init.catalogue import ENCODINGS

COUNTS_WRONGLY = "starts and counts wrong"
"""In place of a message: the consumer accepts the wrong bytes."""


class Consumer(NamedTuple):
    """Program that loads encodings."""

    name: str
    """Project and release."""
    command: Callable[[], list[str]]
    """Builds the program if it is not built yet, and returns its command line."""
    names: tuple[str, ...]
    """Encodings and models that it must load."""
    variable: str = ""
    """Environment variable that names its directory. Empty if the vocabularies are inside the program."""
    without: str = ""
    """Part of its message without a network and with an empty directory."""
    wrong: str = ""
    """Part of its message if each file has the bytes of another vocabulary; or COUNTS_WRONGLY. Empty if not tried."""


MODELS = {"gpt-3.5-turbo": "cl100k_base", "gpt-4o": "o200k_base"}
"""Model -> its encoding, for the consumers that are asked for models."""

RIGHT = {"gpt-3.5-turbo": 20, "gpt-4": 20, "gpt-4o": 16}
"""Model -> tokens that the gateway stand-in counts with the right vocabularies."""

_UNREACHABLE = "requests.exceptions.ConnectionError"
_NO_FILE = "error downloading or loading vocab file"


def _go() -> list[str]:
    return [str(go_program("counting"))]


def _python(library: str) -> list[str]:
    return [str(python_environment()), "-P", str(HERE / "programs" / "count.py"), library]


def _javascript() -> list[str]:
    return ["node", str(npm_packages() / "count.mjs")]


_HARMONY = Consumer(
    name="openai-harmony 0.0.8",
    command=partial(_python, "harmony"),
    names=("o200k_harmony",),
    variable="TIKTOKEN_RS_CACHE_DIR",
    without=_NO_FILE,
    wrong=_NO_FILE,
)

LITELLM = Consumer(
    name="LiteLLM 1.106.0",
    command=partial(_python, "litellm"),
    names=("gpt-3.5-turbo", "gpt-4o", "gpt2"),
    variable="CUSTOM_TIKTOKEN_CACHE_DIR",
    without=_UNREACHABLE,
)

CONSUMERS: tuple[Consumer, ...] = (
    Consumer(
        name="tiktoken (Python) 0.14.0",
        command=partial(_python, "tiktoken"),
        names=tuple(known.name for known in ENCODINGS),
        variable="TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
        wrong=_UNREACHABLE,
    ),
    Consumer(
        name="pkoukk/tiktoken-go v0.1.8",
        command=_go,
        names=("cl100k_base", "p50k_base", "p50k_edit", "r50k_base", "o200k_base"),
        variable="TIKTOKEN_CACHE_DIR",
        without='Get "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"',
        wrong=COUNTS_WRONGLY,
    ),
    Consumer(
        name="tiktoken (npm) 1.0.22",
        command=_javascript,
        names=("cl100k_base", "o200k_base", "p50k_base", "p50k_edit", "r50k_base", "gpt2"),
    ),
    _HARMONY,
    _HARMONY._replace(
        name="openai-harmony 0.0.8, published names",
        variable="TIKTOKEN_ENCODINGS_BASE",
        without="invalid tiktoken vocab file: No such file or directory",
        wrong="invalid tiktoken vocab file: hash mismatch",
    ),
    Consumer(
        name="langchain-text-splitters 1.1.3",
        command=partial(_python, "langchain"),
        names=("gpt2", "cl100k_base"),
        variable="TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
    ),
    LITELLM,
)
