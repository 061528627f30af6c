"""The commands of docs/air-gapped.md, run as written on an engine with an empty store and no network."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consumers.running import offline
from tests.orchestrators.conftest import NEW_API
from tests.orchestrators.engines import Engine, running_engine
from tests.orchestrators.running import COUNTS, documented, files_in, run, wait_for
from tests.states import READY
from tiktoken_cache_init.catalogue import VOCABULARIES

WANTED = {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES}


def type_in(engine: Engine, directory: Path, heading: str, first: str = "") -> str:
    """Run the commands under a heading of the document, in a directory and on an engine."""
    commands = f"{first}\n{documented('air-gapped.md', heading)}".replace("/path/to/data", str(directory / "data"))
    return run("bash", "-euxo", "pipefail", "-c", commands, variables=engine.variables, directory=directory).stdout


@pytest.fixture
def closed(gateway_image: str) -> Iterator[Engine]:
    """Start an engine with an empty store and no network."""
    with running_engine() as engine:
        assert engine.docker("images", "--quiet").stdout == ""
        assert engine.docker("pull", "busybox", check=False).returncode
        yield engine


def test_an_image_in_a_file_runs_on_a_closed_machine(
    engine: Engine, closed: Engine, gateway_image: str, tmp_path: Path
) -> None:
    type_in(engine, tmp_path, "## On a connected machine")
    closed.load(gateway_image)
    closed.docker("tag", gateway_image, NEW_API)
    (tmp_path / "data").mkdir()
    said = type_in(closed, tmp_path, "## On the closed machine")
    assert READY in said
    wait_for(COUNTS, lambda: closed.docker("logs", "new-api").stdout)

    carried = tmp_path / "tiktoken-cache-init.tar.gz"
    carried.write_bytes(carried.read_bytes()[:-1])
    first = documented("air-gapped.md", "## On the closed machine").splitlines()[0]
    assert run("bash", "-c", first, check=False, directory=tmp_path).returncode == 1


def test_the_exported_tar_unpacks_to_the_files_that_the_consumer_needs(
    engine: Engine, gateway_program: Path, tmp_path: Path
) -> None:
    type_in(engine, tmp_path, "## A closed machine without Docker")
    exported = tmp_path / "tiktoken.tar"
    with exported.open("rb") as archive:
        held = files_in(archive)
    assert {name: digest for name, (_, digest) in held.items()} == WANTED
    assert {(e.uid, e.gid, e.mode, e.type) for e, _ in held.values()} == {(0, 0, 0o644, tarfile.REGTYPE)}

    type_in(engine, tmp_path, "## Unpack the tar on the closed machine", first="umask 077")
    unpacked = list((tmp_path / "tiktoken").iterdir())
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in unpacked} == WANTED
    for path in unpacked:
        status = path.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, 0, 0o644)
    done = offline([str(gateway_program), "--check"], {"TIKTOKEN_CACHE_DIR": str(tmp_path / "tiktoken")})
    assert COUNTS in done.stdout, done.stderr

    before = exported.read_bytes()
    engine.docker("volume", "rm", "tiktoken")
    type_in(engine, tmp_path, "## A closed machine without Docker")
    assert exported.read_bytes() == before, "the tar differs the second time"
    engine.docker("volume", "rm", "tiktoken")
