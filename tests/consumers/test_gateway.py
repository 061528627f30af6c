"""Runs of the gateway stand-in without a network interface: the files with which it starts, fails or counts wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumers.known import RIGHT
from tests.consumers.running import PAGE, fill, offline, poison
from tests.vocabularies import CL100K, O200K


def counts(gateway: Path, directory: Path | str) -> dict[str, int] | str:
    """Return the token counts of the stand-in, or its error line."""
    command = [str(gateway), "--check", "--log-dir", "/app/logs"]
    done = offline(command, {"TIKTOKEN_CACHE_DIR": str(directory)})
    if done.returncode == 0:
        found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])["counts"]
        return found
    assert done.returncode == 1
    return done.stderr


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def damage(directory: Path, vocabularies: Path) -> None:
        for vocabulary in (CL100K, O200K):
            content = (vocabularies / vocabulary.cache_key).read_bytes()
            (directory / vocabulary.cache_key).write_bytes(change(content))

    return damage


def cut(content: bytes, kept: int) -> bytes:
    """Keep 50,000 lines, and the next line up to the index ``kept``."""
    lines = content.splitlines(keepends=True)
    return b"".join(lines[:50_000]) + lines[50_000][:kept]


def swap(directory: Path, vocabularies: Path) -> None:
    poison(directory, vocabularies, "cache", "swapped")


def publish(directory: Path, vocabularies: Path) -> None:
    for vocabulary in (CL100K, O200K):
        (directory / vocabulary.published_name).write_bytes((vocabularies / vocabulary.cache_key).read_bytes())


def keep_cl100k_only(directory: Path, vocabularies: Path) -> None:
    (directory / CL100K.cache_key).write_bytes((vocabularies / CL100K.cache_key).read_bytes())


MISSING = r'failed to get gpt-3.5-turbo token encoder: Get "https://'

DAMAGES: dict[str, tuple[Callable[[Path, Path], None], dict[str, int] | str]] = {
    "nothing": (lambda _directory, _vocabularies: None, MISSING),
    "cl100k_base only": (keep_cl100k_only, r'failed to get gpt-4o token encoder: Get "https://'),
    "published names": (publish, MISSING),
    "a web page": (rewrite(lambda _: PAGE), r"illegal base64 data at input byte 0"),
    "files cut within a token": (rewrite(lambda content: cut(content, 3)), r"illegal base64 data at input byte"),
    "files cut within a rank": (
        # The last rank is then equal to the rank of another token.
        rewrite(lambda content: cut(content, -2)),
        r"encoder and decoder map sizes are different",
    ),
    "CRLF line ends": (rewrite(lambda content: content.replace(b"\n", b"\r\n")), r'parsing "0\\r": invalid syntax'),
    "empty files": (rewrite(lambda _: b""), dict.fromkeys(RIGHT, 53)),
    "files cut at a line's end": (
        rewrite(lambda content: cut(content, 0)),
        {"gpt-3.5-turbo": 21, "gpt-4": 21, "gpt-4o": 19},
    ),
    "swapped files": (swap, {"gpt-3.5-turbo": 16, "gpt-4": 16, "gpt-4o": 20}),
}
"""Content of the cache -> function that writes it, and the result: an error message or token counts."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_fill_repairs_files_with_which_a_gateway_fails_or_counts_wrong(
    damage: str, gateway_program: Path, tmp_path: Path, vocabularies: Path
) -> None:
    bring_about, expected = DAMAGES[damage]
    bring_about(tmp_path, vocabularies)
    found = counts(gateway_program, tmp_path)
    if isinstance(expected, str):
        assert isinstance(found, str)
        assert re.search(rf"\[FATAL\] .*{expected}", found), found
    else:
        assert found == expected != RIGHT
    fill(tmp_path, vocabularies)
    assert counts(gateway_program, tmp_path) == RIGHT


def test_a_space_before_the_path_hides_a_filled_volume(
    gateway_program: Path, tmp_path: Path, vocabularies: Path
) -> None:
    fill(tmp_path, vocabularies)
    assert MISSING in str(counts(gateway_program, f" {tmp_path}"))


def test_the_stand_in_answers_status_requests_until_it_is_stopped(gateway_program: Path, vocabularies: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"TIKTOKEN_CACHE_DIR": str(vocabularies), "PORT": str(port)}
    with subprocess.Popen([gateway_program, "--log-dir", "/app/logs"], env=environment) as gateway:
        assert json.loads(status(port))["success"] is True
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(timeout=60) == 0


def status(port: int) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        try:
            with opener.open(f"http://127.0.0.1:{port}/api/status", timeout=10) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the stand-in did not answer")
