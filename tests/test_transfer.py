"""What only shows inside the process; the network itself is in ``tests/network``."""

from __future__ import annotations

import errno
import gzip
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.server import Behaviour, Server, serve, silent
from tests.samples import CONTENT, settings, staging, vocabulary, wait_until
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.run import Closed, DeadlinePassed, Run
from tiktoken_cache_init.settings import Settings
from tiktoken_cache_init.sources import RouteFailed
from tiktoken_cache_init.sources.transfer import _peek
from tiktoken_cache_init.sources.transport import Transport

LONG = b"right bytes\n" * 30_000

pytestmark = pytest.mark.usefixtures("no_proxies")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.mark.parametrize("parts", [[], [b""], [b"a"], [b"a", b"b"], [b"x" * 600, b"y"], [b"x" * 300, b"y" * 300, b"z"]])
def test_the_beginning_of_a_body_is_seen_and_nothing_of_it_lost(parts: list[bytes]) -> None:
    chunks = iter(parts)
    head, whole = _peek(chunks)
    body = b"".join(parts)
    assert body.startswith(head)
    assert len(head) >= min(len(body), 512)
    assert b"".join(whole) == body


def fetched(
    server: Server, behaviour: Behaviour, pin: Vocabulary, folder: Path, chosen: Settings | None = None
) -> bytes:
    server.script("/x", behaviour)
    run = Run(60)
    with staging(folder / "volume", pin, run) as (_, staged):
        Transport(chosen or settings(), run).get(f"{server.url}/x", pin, staged)
        return staged.beginning()


@pytest.mark.parametrize(
    "content",
    [gzip.compress(CONTENT), b"<?xml version='1.0'?><vocabulary/>", b'{"status": {"0": 1}}', b"PK\x03\x04zip"],
)
def test_a_private_vocabulary_may_look_like_anything_for_its_digest_decides(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    pin = vocabulary(content, size=None, limit=1000)
    assert fetched(server, serve(content), pin, tmp_path) == content


def test_a_body_without_a_length_is_taken_for_whole_only_if_its_digest_is_right(server: Server, tmp_path: Path) -> None:
    pin = vocabulary(LONG, size=None, limit=2 * len(LONG))
    assert fetched(server, serve(LONG, length="absent"), pin, tmp_path) == LONG
    with pytest.raises(RouteFailed, match="the connection closed") as caught:
        fetched(server, serve(LONG, length="absent", after=1000), pin, tmp_path)
    assert caught.value.passing


def test_the_end_of_the_run_ends_a_transfer_and_no_byte_is_written_after_it(server: Server, tmp_path: Path) -> None:
    server.script("/x", serve(LONG, after=1000, then=silent))
    pin, run = vocabulary(LONG), Run()
    with staging(tmp_path, pin, run) as (_, staged):

        def close() -> None:
            wait_until(lambda: staged.position)
            run.close()

        threading.Thread(target=close).start()
        with pytest.raises(Closed):
            Transport(settings(), run).get(f"{server.url}/x", pin, staged)
        assert staged.position == 1000


def test_the_deadline_ends_a_transfer_and_no_byte_is_written_after_it(server: Server, tmp_path: Path) -> None:
    server.script("/x", serve(LONG, rate=200_000))
    pin, run = vocabulary(LONG), Run(0.3)
    with staging(tmp_path, pin, run) as (_, staged):
        with pytest.raises(DeadlinePassed):
            Transport(settings(), run).get(f"{server.url}/x", pin, staged)
        before = staged.position
        assert before < len(LONG)
        time.sleep(0.5)
        assert staged.position == before


def test_a_volume_that_fails_in_mid_transfer_is_not_the_server_s_fault(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tiktoken_cache_init.staging.os.write", full)
    with pytest.raises(VolumeError, match="No space left on device"):
        fetched(server, serve(LONG), vocabulary(LONG), tmp_path)
