"""Runs of a consumer without a network interface, on texts whose tokens are known."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import tiktoken

from tests.machine import NO_NETWORK, needs
from tests.vocabularies import obtain

Tokens = dict[str, dict[str, list[int] | int]]

TEXTS = {
    "ASCII": "The quick brown fox didn't jump over 12345 lazy dogs; it walked.",
    "Chinese": "请统计这句话里有多少个词元，然后告诉我答案。繁體字也要算進去！",  # noqa: RUF001
    "emoji": "Ship it 🚀🚀, thanks 👩‍👩‍👧‍👦 and 🇨🇳 👍🏽!",
    "code": "def count(text: str) -> int:\n\treturn len(encode(text))  # O(n)\n\n\nif x >= 0x1F && !done {\r\n  i++;\r\n}\n",
    "spaces": "a" + " " * 3 + "b" + " " * 26 + "c" + " " * 81 + "\n" + " " * 200,
}
"""Label -> text. No text has a special token."""


def expected(encoding: str) -> dict[str, list[int]]:
    """Return label -> token ids, as the newest tiktoken gives them with vocabularies whose digests were checked."""
    with patch.dict(os.environ, TIKTOKEN_CACHE_DIR=str(obtain())):
        return {label: tiktoken.get_encoding(encoding).encode(text) for label, text in TEXTS.items()}


class Outcome(NamedTuple):
    """Result of a run: token ids (or their number) by name and label, or None if it failed; and its messages."""

    tokens: Tokens | None
    messages: str


def offline(
    command: list[str], variables: dict[str, str], standard_input: str = "", read_only: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without a network interface, and with no variables except ``PATH``, ``HOME`` and those given.

    The directory ``read_only`` is mounted read-only for it.
    """
    needs("namespace")
    if read_only:
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        command = ["--mount", "sh", "-c", mount, str(read_only), *command]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    command = [*NO_NETWORK, *command]
    return subprocess.run(
        command, check=False, input=standard_input, env=environment, capture_output=True, text=True, timeout=300
    )


def tokenize(
    command: list[str], variables: dict[str, str], names: tuple[str, ...], read_only: Path | None = None
) -> Outcome:
    """Run a program on the texts, with the named encodings."""
    done = offline(command, variables, json.dumps({"names": names, "texts": TEXTS}), read_only)
    return Outcome(json.loads(done.stdout) if done.returncode == 0 else None, done.stderr)
