"""Consumers that the tests run: how each starts, which directory it reads, and what it does with a wrong one.

``test_consumers.py`` compares every line with a run. ``docs/consumers.md`` has the facts for users, and ``README.md`` says how each was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from tests.consumers.build import HERE, go_program, npm_packages, python_environment
from tests.machine import needs
from tiktoken_cache_init.catalogue import ENCODINGS

COUNTS_WRONGLY = "starts and counts wrong"
"""In place of a message: the consumer accepts the wrong bytes, or estimates."""

POISONS = {"page": "a web page", "empty": "empty", "swapped": "another vocabulary's"}
"""Kind of wrong content -> description of each file in the directory."""

NEWEST_TIKTOKEN = "tiktoken (Python) 0.14.0"


class Consumer(NamedTuple):
    """Program that loads encodings."""

    name: str
    """Project and release."""
    command: Callable[[], list[str]]
    """Builds the program if it is not built yet, and returns its command line."""
    names: tuple[str, ...]
    """Encodings and models that it must load."""
    variable: str = ""
    """Environment variable that names its directory, if it reads one."""
    without: str = ""
    """Part of its message without a network and with an empty directory; or COUNTS_WRONGLY."""
    when: Mapping[str, str] = MappingProxyType({})
    """Kind of wrong content -> part of its message; or COUNTS_WRONGLY."""
    deletes: bool = False
    """Whether it deletes a file whose digest is wrong."""
    layout: str = "cache"
    """Names under which it looks for the files: ``cache`` or ``published``."""


MODELS = {"gpt-3.5-turbo": "cl100k_base", "gpt-4": "cl100k_base", "gpt-4o": "o200k_base"}
"""Model -> its encoding, for the consumers that are asked for models."""

RIGHT = {"gpt-3.5-turbo": 20, "gpt-4": 20, "gpt-4o": 16}
"""Model -> tokens that the gateway stand-in counts with the right vocabularies."""

_GO_ENCODINGS = ("cl100k_base", "p50k_base", "p50k_edit", "r50k_base", "o200k_base")
_JS_ENCODINGS = ("cl100k_base", "o200k_base", "p50k_base", "p50k_edit", "r50k_base")
_UNREACHABLE = "requests.exceptions.ConnectionError"


def _go(directory: str, modfile: str = "go.mod", tag: str = "") -> list[str]:
    return [str(go_program(directory, modfile, tag))]


def _python(program: str, requirements: str = "python") -> list[str]:
    if requirements == "tiktoken-0.5.2":
        needs("old-python")
    interpreter = python_environment(HERE / "requirements" / f"{requirements}.txt", "--only-binary=:all:")
    return [str(interpreter), "-P", str(HERE / "programs" / program)]


def _javascript(package: str) -> list[str]:
    return ["node", str(npm_packages() / "count.mjs"), package]


def _tiktoken_go(release: str, modfile: str) -> Consumer:
    return Consumer(
        name=f"pkoukk/tiktoken-go {release}",
        command=partial(_go, "counting", modfile),
        names=(*MODELS, *_GO_ENCODINGS),
        variable="TIKTOKEN_CACHE_DIR",
        without='Get "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"',
        when={"page": "illegal base64 data at input byte 0", "empty": COUNTS_WRONGLY, "swapped": COUNTS_WRONGLY},
    )


CONSUMERS: tuple[Consumer, ...] = (
    _tiktoken_go("v0.1.7", "v0.1.7.mod"),
    _tiktoken_go("v0.1.8", "go.mod"),
    Consumer(
        name="langchaingo v0.1.14",
        command=partial(_go, "langchaingo"),
        names=("gpt-3.5-turbo", "gpt-4"),
        variable="TIKTOKEN_CACHE_DIR",
        without=COUNTS_WRONGLY,
    ),
    Consumer(
        name="tiktoken (Python) 0.5.2",
        command=partial(_python, "with_tiktoken.py", "tiktoken-0.5.2"),
        names=("cl100k_base",),
        variable="TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
        when={
            "page": "binascii.Error: Incorrect padding",
            "empty": "ValueError: max() arg is an empty sequence",
            "swapped": COUNTS_WRONGLY,
        },
    ),
    Consumer(
        name=NEWEST_TIKTOKEN,
        command=partial(_python, "with_tiktoken.py"),
        names=tuple(known.name for known in ENCODINGS),
        variable="TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
        when=dict.fromkeys(POISONS, _UNREACHABLE),
        deletes=True,
    ),
    Consumer(
        name="openai-harmony 0.0.8",
        command=partial(_python, "with_harmony.py"),
        names=("o200k_harmony",),
        variable="TIKTOKEN_RS_CACHE_DIR",
        without="error downloading or loading vocab file",
        when=dict.fromkeys(POISONS, "error downloading or loading vocab file"),
        deletes=True,
    ),
    Consumer(
        name="openai-harmony 0.0.8, published names",
        command=partial(_python, "with_harmony.py"),
        names=("o200k_harmony",),
        variable="TIKTOKEN_ENCODINGS_BASE",
        without="invalid tiktoken vocab file: No such file or directory",
        when={
            "page": "invalid tiktoken vocab file: failed to decode base64 token at line 1",
            "empty": "invalid tiktoken vocab file: hash mismatch",
            "swapped": "invalid tiktoken vocab file: hash mismatch",
        },
        layout="published",
    ),
    Consumer(
        name="langchain-text-splitters 1.1.3",
        command=partial(_python, "with_langchain.py"),
        names=("gpt2", "cl100k_base"),
        variable="TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
    ),
    Consumer(
        name="llama-index-core 0.14.25",
        command=partial(_python, "with_llama_index.py"),
        names=("gpt-3.5-turbo",),
        variable="TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
    ),
    Consumer(
        name="LiteLLM 1.106.0",
        command=partial(_python, "with_litellm.py"),
        names=("gpt-3.5-turbo", "gpt-4o", "gpt2"),
        variable="CUSTOM_TIKTOKEN_CACHE_DIR",
        without=_UNREACHABLE,
    ),
)
"""Consumers that read a directory."""

EMBEDDED: tuple[Consumer, ...] = (
    Consumer(
        "tiktoken-go/tokenizer v0.7.0",
        partial(_go, "counting", "embedded.mod", "embedded"),
        (*MODELS, *_GO_ENCODINGS),
    ),
    Consumer(
        "oss-harmony 0.0.11",
        partial(_python, "with_harmony.py", "oss-harmony"),
        ("o200k_harmony",),
    ),
    Consumer("js-tiktoken 1.0.21", partial(_javascript, "js-tiktoken"), (*_JS_ENCODINGS, "gpt2")),
    Consumer("tiktoken (npm) 1.0.22", partial(_javascript, "tiktoken"), (*_JS_ENCODINGS, "gpt2")),
    Consumer("gpt-tokenizer 4.0.0", partial(_javascript, "gpt-tokenizer"), _JS_ENCODINGS),
)
"""Consumers with built-in vocabularies. They read no directory."""

LANGCHAIN_JS = Consumer("@langchain/core 1.4.0", partial(_javascript, "langchain"), ("cl100k_base",))
"""Consumer that fetches the encodings from another site, in another format, and reads no directory."""
