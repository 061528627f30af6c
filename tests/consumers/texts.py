"""Texts that every consumer tokenizes, and the token ids that each encoding gives for them.

``expected.json`` was written by ``python -m tests.consumers.texts``, with the newest tiktoken on vocabularies whose
digests were checked. Writing it again must not change it.
"""

from __future__ import annotations

import json
from pathlib import Path

TEXTS = {
    "ASCII": "The quick brown fox didn't jump over 12345 lazy dogs; it walked.",
    "Chinese": "请统计这句话里有多少个词元，然后告诉我答案。繁體字也要算進去！",  # noqa: RUF001
    "emoji": "Ship it 🚀🚀, thanks 👩‍👩‍👧‍👦 and 🇨🇳 👍🏽!",
    "code": "def count(text: str) -> int:\n\treturn len(encode(text))  # O(n)\n\n\nif x >= 0x1F && !done {\r\n  i++;\r\n}\n",
    "spaces": "a" + " " * 3 + "b" + " " * 26 + "c" + " " * 81 + "\n" + " " * 200,
}
"""Label -> text. No text has a special token."""

EXPECTED = Path(__file__).with_name("expected.json")


def expected() -> dict[str, dict[str, list[int]]]:
    """Return encoding -> label -> token ids."""
    ids: dict[str, dict[str, list[int]]] = json.loads(EXPECTED.read_text())
    return ids


if __name__ == "__main__":
    from tests.consumers.known import TIKTOKEN
    from tests.consumers.running import tokenize
    from tests.vocabularies import obtain

    variables = {TIKTOKEN.variable: str(obtain())}
    tokens = tokenize(TIKTOKEN.command(), variables, TIKTOKEN.names).tokens
    lines = [
        f'"{name}": {{\n' + ",\n".join(f'  "{label}": {ids}' for label, ids in by_label.items()) + "\n}"
        for name, by_label in sorted((tokens or {}).items())
    ]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
