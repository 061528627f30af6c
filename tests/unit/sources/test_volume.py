from __future__ import annotations

from pathlib import Path

from tests.samples import CONTENT, OTHER, OTHER_CONTENT, staged_file
from tiktoken_cache_init.sources import Delivery
from tiktoken_cache_init.sources.volume import Volume


def test_bytes_that_the_volume_holds_under_another_name_are_copied(volume: Path) -> None:
    (volume / "sub").mkdir()
    (volume / "sub/some (1)").write_bytes(CONTENT)
    with staged_file(volume) as first, staged_file(volume, OTHER) as second:
        found, missing = Delivery(first), Delivery(second)
        Volume(str(volume)).supply([found, missing])
        assert (found.complete, found.label) == (True, "sub/some (1) in the volume")
        assert (missing.label, missing.failures) == ("", [])
        (volume / "other").write_bytes(OTHER_CONTENT)
        Volume(str(volume)).supply([missing])
        assert missing.complete
