"""The mistakes that people are known to make with a volume, and what a gateway does then."""

from __future__ import annotations

import contextlib
import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.consumers.running import PAGE
from tests.docs.clinic import Tool, tool, tool_of
from tests.samples import folder_for_all
from tiktoken_cache_init.catalogue import VOCABULARIES

CL100K, O200K = VOCABULARIES[:2]
BOTH = (CL100K, O200K)


class Clinic(NamedTuple):
    """A place that every user can reach, with the right vocabularies and the gateway stand-in."""

    place: Path
    vocabularies: Path
    program: Path
    tool: Tool = tool
    """The command under test."""

    @property
    def volume(self) -> Path:
        """The folder that is looked after."""
        return self.place / "volume"

    def write(self, name: str, content: bytes) -> None:
        path = self.volume / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def content(self, index: int) -> bytes:
        return (self.vocabularies / BOTH[index].cache_key).read_bytes()

    def vocabularies_for_all(self) -> Path:
        """Return a folder of the vocabularies that every user can read."""
        folder = self.place / "vocabularies"
        if not folder.exists():
            folder.mkdir(mode=0o755)
            for vocabulary in BOTH:
                shutil.copy(self.vocabularies / vocabulary.cache_key, folder)
        return folder

    def fill(self, folder: str = ".") -> None:
        for index, vocabulary in enumerate(BOTH):
            self.write(f"{folder}/{vocabulary.cache_key}", self.content(index))


@contextlib.contextmanager
def opened(vocabularies: Path, program: Path, image: str = "") -> Iterator[Clinic]:
    """Make a place with an empty volume, and take it away; the command is this host's unless an ``image`` is named."""
    with folder_for_all() as place:
        reachable = place / "gateway"
        shutil.copy(program, reachable)
        (place / "volume").mkdir(mode=0o755)
        through_image = tool_of(image, place / "volume", [place, vocabularies]) if image else None
        yield Clinic(place, vocabularies, reachable, through_image or tool)


Mistake = Callable[[Clinic], Path]
"""Makes a mistake, and returns the folder that the operator believes to be right."""


def rewritten(change: Callable[[bytes], bytes]) -> Mistake:
    def make(clinic: Clinic) -> Path:
        for index, vocabulary in enumerate(BOTH):
            clinic.write(vocabulary.cache_key, change(clinic.content(index)))
        return clinic.volume

    return make


def nothing_there(clinic: Clinic) -> Path:
    return clinic.volume


def published(clinic: Clinic) -> Path:
    for index, vocabulary in enumerate(BOTH):
        clinic.write(vocabulary.published_name, clinic.content(index))
    return clinic.volume


def downloaded_twice(clinic: Clinic) -> Path:
    for index, vocabulary in enumerate(BOTH):
        clinic.write(vocabulary.published_name.replace(".", " (1)."), clinic.content(index))
    return clinic.volume


def only(index: int) -> Mistake:
    def make(clinic: Clinic) -> Path:
        clinic.write(BOTH[index].cache_key, clinic.content(index))
        return clinic.volume

    return make


def too_deep(clinic: Clinic) -> Path:
    clinic.fill("tiktoken")
    return clinic.volume


def too_shallow(clinic: Clinic) -> Path:
    clinic.fill()
    folder = clinic.volume / "tiktoken"
    folder.mkdir()
    return folder


def swapped(clinic: Clinic) -> Path:
    for index, vocabulary in enumerate(BOTH):
        clinic.write(vocabulary.cache_key, clinic.content(1 - index))
    return clinic.volume


def folders_in_their_place(clinic: Clinic) -> Path:
    for vocabulary in BOTH:
        (clinic.volume / vocabulary.cache_key).mkdir()
    return clinic.volume


def links_to_nowhere(clinic: Clinic) -> Path:
    for vocabulary in BOTH:
        (clinic.volume / vocabulary.cache_key).symlink_to("/mnt/old/volume")
    return clinic.volume


def cut(where: Callable[[bytes], int]) -> Mistake:
    """Keep some 50,000 lines, and of the next, whose token is a long one, what ``where`` says."""

    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        last = next(index for index in range(50_000, len(lines)) if lines[index].index(b" ") >= 8)
        return b"".join(lines[:last]) + lines[last][: where(lines[last])]

    return rewritten(change)


def pointer(content: bytes) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize %d\n" % (0, len(content))


class Known(NamedTuple):
    """What is known of a mistake."""

    make: Mistake
    outcome: str
    """What the gateway does then, in the words of `verify --json`."""
    cures: tuple[str, ...]
    """What the doctor advises."""
    told: str
    """Part of what the doctor says, so that people know what they did."""


MISTAKES: dict[str, Known] = {
    "nothing was filled": Known(nothing_there, "dies", ("fill",), "missing"),
    "published names": Known(published, "dies", ("fill", "rename"), "under the published name"),
    "a browser's names": Known(downloaded_twice, "dies", ("fill", "rename"), "under another name"),
    "cl100k_base only": Known(only(0), "dies", ("fill",), "cl100k_base.tiktoken alone is not enough"),
    "o200k_base only": Known(only(1), "dies", ("fill",), "o200k_base.tiktoken alone is not enough"),
    "a folder too deep": Known(too_deep, "dies", ("fill", "mount"), "a folder too deep, in tiktoken/"),
    "a folder too shallow": Known(too_shallow, "dies", ("mount", "move"), "one folder too high, in ../"),
    "names swapped": Known(swapped, "counts-wrong", ("fill",), "under another vocabulary's name"),
    "CRLF line ends": Known(
        rewritten(lambda content: content.replace(b"\n", b"\r\n")), "dies", ("fill",), "CRLF line ends"
    ),
    "a byte order mark": Known(
        rewritten(lambda content: b"\xef\xbb\xbf" + content), "dies", ("fill",), "byte order mark"
    ),
    "a web page": Known(rewritten(lambda _: PAGE), "dies", ("fill",), "an HTML page"),
    "a storage service's error": Known(
        rewritten(lambda _: b'<?xml version="1.0"?><Error/>\n'), "dies", ("fill",), "an XML document"
    ),
    "an API's error": Known(
        rewritten(lambda _: b'{"error": "not found"}\n'), "dies", ("fill",), "a JSON error message"
    ),
    "still compressed": Known(
        rewritten(lambda content: gzip.compress(content, 1)), "dies", ("fill",), "a compressed file"
    ),
    "a Git LFS pointer": Known(rewritten(pointer), "dies", ("fill",), "a Git LFS pointer"),
    "zero bytes": Known(rewritten(lambda content: bytes(len(content))), "dies", ("fill",), "nothing but zero bytes"),
    "empty": Known(rewritten(lambda _: b""), "counts-wrong", ("fill",), "empty (0 bytes)"),
    "cut at a line's end": Known(cut(lambda _: 0), "counts-wrong", ("fill",), "cut at a line's end"),
    # The token breaks off in its second group of four letters.
    "cut within a token": Known(cut(lambda _: 6), "dies", ("fill",), "truncated"),
    "cut behind a token": Known(cut(lambda line: line.index(b" ")), "dies", ("fill",), "truncated"),
    "cut before a rank": Known(cut(lambda line: line.index(b" ") + 1), "dies", ("fill",), "truncated"),
    "cut within a rank": Known(cut(lambda _: -2), "dies", ("fill",), "truncated"),
    "a folder in a file's place": Known(folders_in_their_place, "dies", ("fill",), "a directory"),
    "a link that leads nowhere": Known(links_to_nowhere, "dies", ("fill",), "which leads out of the volume"),
}
