"""Proof that the real tiktoken loads each encoding from the baked files alone, and encodes a text correctly.

Run it in a build step without a network, with ``TIKTOKEN_CACHE_DIR`` set to the directory of the files:
``python -m image.prove ENCODINGS``.
"""

from __future__ import annotations

import sys

import tiktoken

from tiktoken_cache_init import catalogue

TEXT = "Please 统计这句话的词元 with len(tokens) > 0;"

_CL100K = "5618 45154 253 38743 44388 5877 98 58543 9554 6744 235 24186 449 2479 35152 8 871 220 15 26"
_O200K = "8256 220 57397 8327 195729 1616 31892 6753 483 4631 74272 8 1424 220 15 26"
_GPT2 = (
    "5492 13328 119 253 164 106 94 32573 247 20998 98 46237 251 21410 46237 235 17739 225 351 18896 "
    "7 83 482 641 8 1875 657 26"
)

# From tiktoken 0.14.0, with files whose digests were checked.
IDS = {
    "cl100k_base": _CL100K,
    "o200k_base": _O200K,
    "o200k_harmony": _O200K,
    "p50k_base": _GPT2,
    "p50k_edit": _GPT2,
    "r50k_base": _GPT2,
    "gpt2": _GPT2,
}
"""Encoding -> token ids of `TEXT`, separated by spaces."""


def main(names: str) -> None:
    """Load and use each encoding. Exit with an error message if that fails."""
    words = names.replace(",", " ").split()
    encodings = catalogue.ENCODINGS if "all" in words else tuple(catalogue.encoding(word) for word in words)
    for encoding in encodings:
        ids = " ".join(map(str, tiktoken.get_encoding(encoding.name).encode(TEXT)))
        if ids != IDS[encoding.name]:
            sys.exit(
                f"error: {encoding.name} encodes {TEXT!r} to {ids}, not to {IDS[encoding.name]}: report this as a bug"
            )
        print(f"{encoding.name}: loads and encodes")


if __name__ == "__main__":
    main(sys.argv[1])
