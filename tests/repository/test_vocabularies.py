"""The catalogue compared with the real vocabularies."""

import hashlib
from pathlib import Path

import pytest

from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.volume.identify import looks_like


@pytest.mark.parametrize("known", VOCABULARIES, ids=lambda known: known.published_name)
def test_size_and_digest_are_those_of_the_real_file(vocabularies: Path, known: Vocabulary) -> None:
    content = (vocabularies / known.cache_key).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (known.size, known.sha256)
    assert looks_like(content) is None
