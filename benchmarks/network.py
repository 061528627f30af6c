"""Bytes that a fetch moves when the server misbehaves: what was received is not fetched again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.network.server import Behaviour, Server, close_now, reply, reset, serve, silent

from . import engine
from .results import Moved

_IMPATIENT = ("--stall-timeout", "1", "--min-speed", "1")


def scenarios(size: int) -> dict[str, tuple[Behaviour, ...]]:
    """Return what a server does with the requests for a file of that size, in turn."""
    return {
        "no trouble": (serve(),),
        "five resets on the way": (*(reset(after=size // 8) for _ in range(5)), serve()),
        "closed in the middle": (serve(after=size // 2, then=close_now), serve()),
        "silent in the middle": (serve(after=size // 2, then=silent), serve()),
        "twice 503, then well": (reply(503), reply(503), serve()),
        "reset in the middle, ranges ignored": (reset(after=size // 2), serve(ranges="ignored")),
    }


def count(image: str, vocabularies: Path) -> Iterator[Moved]:
    """Fetch both files in each scenario, with containers of the image."""
    contents = {f"/{vocabulary.path}": (vocabularies / name).read_bytes() for name, vocabulary in engine.WANTED.items()}
    payload = sum(map(len, contents.values()))
    for title in scenarios(0):
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            for path, content in contents.items():
                server.offer(path, content)
                server.script(path, *scenarios(len(content))[title])
            fetching = ("--sources", "fetch", "--origin", "off", "--mirror", server.url, *_IMPATIENT)
            command = engine.container(image, Path(folder), *fetching, options=("--network", "host"))
            engine.docker(*command[1:])
            yield Moved(title, payload, server.moved, len(server.requests))
