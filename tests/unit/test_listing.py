from __future__ import annotations

from tests.samples import OTHER, TINY, settings
from tiktoken_cache_init.catalogue import ENCODINGS
from tiktoken_cache_init.listing import Listed, listing


def test_each_encoding_is_listed_with_its_models_and_files() -> None:
    rows = {row.encoding: row for row in listing(settings(encodings=ENCODINGS))}
    assert list(rows) == [known.name for known in ENCODINGS]
    assert rows["gpt2"].vocabularies == ENCODINGS[-1].vocabularies
    assert rows["r50k_base"].models == ("davinci", "curie", "babbage", "ada")


def test_private_vocabularies_come_last_in_a_row_of_their_own() -> None:
    assert listing(settings("/x", TINY, extra=(OTHER,)))[1:] == [Listed("(private)", (), (OTHER,))]
    assert len(listing(settings("/x", TINY))) == 1
