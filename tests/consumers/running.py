"""Runs of a consumer without a network interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.consumers.known import Consumer
from tests.consumers.texts import TEXTS
from tests.drivers import install
from tests.machine import NO_NETWORK, needs
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
"""Answer of a captive portal to any request."""

Tokens = dict[str, dict[str, list[int] | int]]


class Outcome(NamedTuple):
    """Result of a run: token ids (or their number) by name and label, or None if it failed; and its messages."""

    tokens: Tokens | None
    messages: str


def offline(
    command: list[str], variables: dict[str, str], standard_input: str = "", read_only: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without a network interface, and with no variables except ``PATH``, ``HOME`` and those given.

    The directory ``read_only`` is mounted read-only for it.
    """
    needs("namespace")
    if read_only:
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        command = ["--mount", "sh", "-c", mount, str(read_only), *command]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        [*NO_NETWORK, *command],
        check=False,
        input=standard_input,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run(consumer: Consumer, directory: Path, names: tuple[str, ...], *, read_only: bool = False) -> Outcome:
    """Run the consumer on the texts, with the named encodings from ``directory``."""
    return tokenize(consumer.command(), {consumer.variable: str(directory)}, names, directory if read_only else None)


def tokenize(
    command: list[str], variables: dict[str, str], names: tuple[str, ...], read_only: Path | None = None
) -> Outcome:
    """Run a program on the texts, with the named encodings."""
    done = offline(command, variables, json.dumps({"names": names, "texts": TEXTS}), read_only)
    return Outcome(json.loads(done.stdout) if done.returncode == 0 else None, done.stderr)


def fill(directory: Path, vocabularies: Path, *flags: str) -> None:
    """Fill ``directory`` with the entry point, as the init container does, from ``vocabularies`` only."""
    with tempfile.TemporaryDirectory() as name:
        program = install(Path(name, "program"), vocabularies)
        command = [sys.executable, str(program), "--sources", "baked", "--cache-dir", str(directory), *flags]
        done = offline(command, {})
    assert done.returncode == 0, done.stderr


def poison(directory: Path, vocabularies: Path, layout: str, *kinds: str) -> set[str]:
    """Write each file with wrong content, using the kinds in turn; return the names of the files."""
    names = {v: v.cache_key if layout == "cache" else v.published_name for v in VOCABULARIES}
    for index, (vocabulary, name) in enumerate(names.items()):
        (directory / name).write_bytes(_wrong_content(vocabulary, vocabularies, kinds[index % len(kinds)]))
    return set(names.values())


def _wrong_content(vocabulary: Vocabulary, vocabularies: Path, kind: str) -> bytes:
    if kind == "swapped":
        other = O200K if vocabulary == CL100K else CL100K
        return (vocabularies / other.cache_key).read_bytes()
    return {"page": PAGE, "empty": b""}[kind]
