"""Catalogue of the encodings and their vocabularies, with the URL, size and digest of each file.

The URLs, digests and encodings come from tiktoken 0.14.0 (``tiktoken_ext/openai_public.py``). A test compares them with
the installed tiktoken. To add an encoding, add its vocabulary and its row here.
"""

import hashlib
from typing import NamedTuple

ORIGIN = "https://openaipublic.blob.core.windows.net"
PRIVATE_LIMIT = 64 << 20
"""Maximum size in bytes of a private vocabulary whose setting gives no size."""


def cache_key(url: str) -> str:
    """Return the file name that consumers look for in ``TIKTOKEN_CACHE_DIR``: the SHA-1 of the URL, in hex."""
    return hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()


class Vocabulary(NamedTuple):
    """Published file, identified by its digest."""

    url: str
    """URL of the published file. The cache key is its SHA-1."""
    sha256: str
    """Pinned SHA-256 digest, in lower-case hex."""
    size: int | None
    """Size in bytes, or None if it is not known (a private vocabulary)."""

    @property
    def max_size(self) -> int:
        """Maximum number of bytes to read."""
        return PRIVATE_LIMIT if self.size is None else self.size

    @property
    def cache_key(self) -> str:
        """Name of the file in the cache."""
        return cache_key(self.url)

    @property
    def published_name(self) -> str:
        """Last part of the URL's path, such as ``cl100k_base.tiktoken``."""
        return self.path.rpartition("/")[2]

    @property
    def path(self) -> str:
        """Path of the URL without the leading slash. The same path is tried below the base of a mirror."""
        return self.url.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0]


class Target(NamedTuple):
    """File in the directory that consumers mount, and the vocabulary that it must hold."""

    vocabulary: Vocabulary
    path: str


class Encoding(NamedTuple):
    """Encoding, and the vocabularies that consumers load for it."""

    name: str
    vocabularies: tuple[Vocabulary, ...]
    models: tuple[str, ...]
    """Families of models that use it, from tiktoken's ``model.py``. The name of a model begins with its family."""


def _published(path: str, size: int, sha256: str) -> Vocabulary:
    return Vocabulary(f"{ORIGIN}/{path}", sha256, size)


_CL100K = _published(
    "encodings/cl100k_base.tiktoken", 1681126, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
)
_O200K = _published(
    "encodings/o200k_base.tiktoken", 3613922, "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
)
_P50K = _published(
    "encodings/p50k_base.tiktoken", 836186, "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"
)
_R50K = _published(
    "encodings/r50k_base.tiktoken", 835554, "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
)
_GPT2_MERGES = _published(
    "gpt-2/encodings/main/vocab.bpe", 456318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
)
_GPT2_RANKS = _published(
    "gpt-2/encodings/main/encoder.json", 1042301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
)

ENCODINGS: tuple[Encoding, ...] = (
    Encoding("cl100k_base", (_CL100K,), ("gpt-4", "gpt-3.5-turbo", "text-embedding-3", "text-embedding-ada-002")),
    Encoding("o200k_base", (_O200K,), ("gpt-5", "gpt-4.5", "gpt-4.1", "gpt-4o", "chatgpt-4o", "o1", "o3", "o4-mini")),
    Encoding("o200k_harmony", (_O200K,), ("gpt-oss",)),
    Encoding("p50k_base", (_P50K,), ("text-davinci-003", "text-davinci-002", "code-davinci", "code-cushman")),
    Encoding("p50k_edit", (_P50K,), ("text-davinci-edit-001", "code-davinci-edit-001")),
    Encoding("r50k_base", (_R50K,), ("davinci", "curie", "babbage", "ada")),
    Encoding("gpt2", (_GPT2_MERGES, _GPT2_RANKS), ("gpt2",)),
)


def encoding(name: str) -> Encoding:
    """Return the encoding called ``name``.

    Raises:
        KeyError: there is no such encoding.
    """
    return {known.name: known for known in ENCODINGS}[name]


def encoding_of_model(model: str) -> Encoding | None:
    """Return the encoding of a model, such as ``gpt-4o-mini``, or None if no family fits."""
    families = {family: known for known in ENCODINGS for family in known.models}
    fitting = [family for family in families if f"{model}-".startswith(f"{family}-")]
    return families[max(fitting, key=len)] if fitting else None


def vocabularies_of(encodings: tuple[Encoding, ...]) -> tuple[Vocabulary, ...]:
    """Return the vocabularies of the encodings, without duplicates, in order."""
    return tuple(dict.fromkeys(vocabulary for known in encodings for vocabulary in known.vocabularies))


VOCABULARIES = vocabularies_of(ENCODINGS)
"""All vocabularies, in the order of the encodings."""


def same_bytes(vocabulary: Vocabulary) -> tuple[Vocabulary, ...]:
    """Return the vocabulary, and the published one with the same digest if that has another URL."""
    return tuple(dict.fromkeys((vocabulary, *(known for known in VOCABULARIES if known.sha256 == vocabulary.sha256))))
