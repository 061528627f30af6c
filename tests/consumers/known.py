"""What is known of each consumer: how it is run, what it reads, and what it does when the cache is not right.

Every line here is held against a run by ``test_consumers.py``; ``docs/compatibility.md`` is written from it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from tests.consumers.build import HERE, go_program, python_environment

COUNTS_WRONGLY = "starts and counts wrongly"
"""What a consumer does that checks nothing, where what it reads happens to parse."""

POISONS = {"page": "a web page", "empty": "empty", "swapped": "another vocabulary's"}
"""Kind of poison -> what each file of the volume then is."""

NEWEST_TIKTOKEN = "tiktoken (Python) 0.14.0"


class Consumer(NamedTuple):
    """A program that loads encodings, and its ways."""

    name: str
    """Project and release."""
    command: Callable[[], list[str]]
    """Builds the program where it is not built yet, and returns its command line."""
    variable: str
    """The environment variable that tells it the folder."""
    names: tuple[str, ...]
    """The encodings and models that it is asked for."""
    without: str
    """Part of its message, offline, when the folder is empty."""
    when: dict[str, str]
    """Kind of poison -> part of its message then; or COUNTS_WRONGLY."""
    deletes: bool = False
    """Whether it deletes a file whose digest is wrong."""
    layout: str = "cache"
    """``cache`` or ``published``: the names under which it looks for the files."""


MODELS = {"gpt-3.5-turbo": "cl100k_base", "gpt-4": "cl100k_base", "gpt-4o": "o200k_base"}
"""Model -> its encoding, for the consumers that are asked for models."""

RIGHT = {"gpt-3.5-turbo": 20, "gpt-4": 20, "gpt-4o": 16}
"""What the gateway stand-in counts with the right vocabularies."""

_GO_ENCODINGS = ("cl100k_base", "p50k_base", "p50k_edit", "r50k_base")
_OLD_ENCODINGS = ("cl100k_base", "p50k_base", "r50k_base", "gpt2")
_ALL_ENCODINGS = ("cl100k_base", "o200k_base", "o200k_harmony", "p50k_base", "p50k_edit", "r50k_base", "gpt2")


@cache
def _python_3_11() -> str:
    """Return an interpreter of Python 3.11: the last that the first releases of tiktoken were built for."""
    probe = "import sys; print(sys.version_info[:2] == (3, 11))"
    for candidate in (sys.executable, shutil.which("python3.11"), shutil.which("python3"), "/usr/bin/python3"):
        if (
            candidate
            and subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False).stdout == "True\n"
        ):
            return candidate
    raise FileNotFoundError("tiktoken 0.1 has no build for a Python newer than 3.11, and python3.11 is not on PATH")


def _go(modfile: str, tag: str = "") -> list[str]:
    return [str(go_program("counting", modfile, tag))]


def _python(program: str, requirements: str, interpreter: Callable[[], str] = lambda: sys.executable) -> list[str]:
    path: Path = HERE / "programs" / program
    return [str(python_environment(requirements, interpreter())), "-P", "-B", str(path)]


def _tiktoken_go(release: str, modfile: str, models: tuple[str, ...], extra: tuple[str, ...] = ()) -> Consumer:
    return Consumer(
        name=f"pkoukk/tiktoken-go {release}",
        command=partial(_go, modfile),
        variable="TIKTOKEN_CACHE_DIR",
        names=(*models, *_GO_ENCODINGS, *extra),
        without='Get "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"',
        when={"page": "illegal base64 data at input byte 0", "empty": COUNTS_WRONGLY, "swapped": COUNTS_WRONGLY},
    )


CONSUMERS: tuple[Consumer, ...] = (
    _tiktoken_go("v0.1.6", "v0.1.6.mod", ("gpt-3.5-turbo", "gpt-4")),
    _tiktoken_go("v0.1.7", "v0.1.7.mod", ("gpt-3.5-turbo", "gpt-4", "gpt-4o"), ("o200k_base",)),
    _tiktoken_go("v0.1.8", "go.mod", ("gpt-3.5-turbo", "gpt-4", "gpt-4o"), ("o200k_base",)),
    Consumer(
        name="tiktoken (Python) 0.1.2",
        command=partial(_python, "with_tiktoken.py", "tiktoken-0.1.2", _python_3_11),
        variable="TIKTOKEN_CACHE_DIR",
        names=_OLD_ENCODINGS,
        without="requests.exceptions.ConnectionError",
        when={
            "page": "binascii.Error: Incorrect padding",
            "empty": "ValueError: max() arg is an empty sequence",
            "swapped": COUNTS_WRONGLY,
        },
    ),
    Consumer(
        name=NEWEST_TIKTOKEN,
        command=partial(_python, "with_tiktoken.py", "tiktoken-0.14.0"),
        variable="TIKTOKEN_CACHE_DIR",
        names=_ALL_ENCODINGS,
        without="requests.exceptions.ConnectionError",
        when=dict.fromkeys(POISONS, "requests.exceptions.ConnectionError"),
        deletes=True,
    ),
    Consumer(
        name="openai-harmony 0.0.8",
        command=partial(_python, "with_harmony.py", "openai-harmony"),
        variable="TIKTOKEN_RS_CACHE_DIR",
        names=("o200k_harmony",),
        without="error downloading or loading vocab file",
        when=dict.fromkeys(POISONS, "error downloading or loading vocab file"),
        deletes=True,
    ),
    Consumer(
        name="openai-harmony 0.0.8, published names",
        command=partial(_python, "with_harmony.py", "openai-harmony"),
        variable="TIKTOKEN_ENCODINGS_BASE",
        names=("o200k_harmony",),
        without="invalid tiktoken vocab file: No such file or directory",
        when={
            "page": "invalid tiktoken vocab file: failed to decode base64 token at line 1",
            "empty": "invalid tiktoken vocab file: hash mismatch",
            "swapped": "invalid tiktoken vocab file: hash mismatch",
        },
        layout="published",
    ),
    Consumer(
        name="LiteLLM 1.106.0",
        command=partial(_python, "with_litellm.py", "litellm"),
        variable="CUSTOM_TIKTOKEN_CACHE_DIR",
        names=("gpt-3.5-turbo", "gpt-4o"),
        without="requests.exceptions.ConnectionError",
        when=dict.fromkeys(POISONS, "requests.exceptions.ConnectionError"),
        deletes=True,
    ),
)


EMBEDDED = "tiktoken-go/tokenizer v0.7.0"
"""The control on the other side: it has the vocabularies compiled in."""

EMBEDDED_NAMES = (*MODELS, "o200k_base", *_GO_ENCODINGS)


def embedded() -> list[str]:
    """Build the program on EMBEDDED where it is not built yet, and return its command line."""
    return _go("embedded.mod", "embedded")


def tiktoken_0_1_1() -> list[str]:
    """Return the command line of the program on tiktoken 0.1.1, which asks for the vocabularies by other URLs."""
    return _python("with_tiktoken.py", "tiktoken-0.1.1", _python_3_11)
