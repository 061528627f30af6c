"""Errors and options of the image build."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.size import BUDGETS, measure
from tests.containers import layers
from tests.containers.engine import LOCKED_DOWN, ROOT, build, docker, run
from tests.vocabularies import CL100K, MERGES, O200K, RANKS
from tiktoken_cache_init.catalogue import VOCABULARIES


@pytest.fixture
def tag() -> Iterator[str]:
    """Return a name for an image, and remove the image at the end."""
    name = f"tiktoken-cache-init-test-built:{uuid.uuid4().hex[:12]}"
    yield name
    docker("image", "rm", "--force", name)


@pytest.mark.parametrize("name", [O200K.cache_key, "o200k_base.tiktoken"])
def test_the_build_names_a_wrong_vocabulary_that_is_handed_in(
    image: str, vocabularies: Path, tmp_path: Path, name: str
) -> None:
    content = bytearray((vocabularies / O200K.cache_key).read_bytes())
    content[1000] ^= 1
    wrong = tmp_path / name
    wrong.write_bytes(content)
    (tmp_path / CL100K.cache_key).write_bytes((vocabularies / CL100K.cache_key).read_bytes())
    done = build("--target", "bake", vocabularies=tmp_path, check=False)
    assert "  tried /handed-in: wrong bytes" in done.stdout + done.stderr


def test_published_names_and_other_encodings_can_be_handed_in(
    image: str,
    vocabularies: Path,
    tmp_path: Path,
    tag: str,
) -> None:
    wanted = [MERGES, RANKS]
    for vocabulary in wanted:
        (tmp_path / vocabulary.published_name).write_bytes((vocabularies / vocabulary.cache_key).read_bytes())
    build("--target", "data", "--build-arg", "ENCODINGS=gpt2", "--tag", tag, vocabularies=tmp_path)
    assert names_in(tag) == {vocabulary.cache_key for vocabulary in wanted}


def test_the_data_target_has_the_names_of_the_default_image_and_nothing_else(image: str, tag: str) -> None:
    build("--target", "data", "--tag", tag)
    baked = {name.removeprefix("vocabularies/") for name in names_in(image) if name.startswith("vocabularies/")}
    assert names_in(tag) == baked == {vocabulary.cache_key for vocabulary in VOCABULARIES}


def test_fewer_encodings_can_be_baked(image: str, tag: str) -> None:
    build("--target", "data", "--build-arg", "ENCODINGS=cl100k_base,o200k_base", "--tag", tag)
    assert names_in(tag) == {CL100K.cache_key, O200K.cache_key}


def test_the_offline_target_fills_and_has_no_openssl_and_no_http_library(offline_image: str, volume: str) -> None:
    mounts = [f"{volume}:/cache/tiktoken"]
    refused = run(offline_image, mounts, "--sources", "fetch")
    assert refused.returncode == 4
    assert "it is not part of this installation" in refused.stderr
    # Compose files pass an empty variable if it is not set.
    filled = run(offline_image, mounts, options=(*LOCKED_DOWN, "--env", "TIKTOKEN_INIT_SOURCES="))
    assert (filled.returncode, "from baked\n" in filled.stderr) == (0, True)
    assert run(offline_image, mounts, "verify").returncode == 0
    words = {word for name in names_in(offline_image) for word in name.replace(".", "/").split("/")}
    assert not words & {"httpx", "httpcore", "h11", "_ssl", "_hashlib", "libssl", "libcrypto", "certs", "asyncio"}


def test_building_again_gives_the_same_image(image: str, tmp_path: Path) -> None:
    # The build repeats every step after the downloads.
    again = ["--no-cache-filter", "lay-out-default,default", "--build-arg", "SOURCE_DATE_EPOCH=1700000000"]
    for name in ("first", "second"):
        build(*again, "--iidfile", str(tmp_path / name))
    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text()


@pytest.mark.parametrize("row", ["antigravity", "httpx"])
def test_a_row_of_the_lists_that_matches_nothing_stops_the_build(image: str, tmp_path: Path, row: str) -> None:
    context = tmp_path / "context"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "tests", "benchmarks"))
    lists = context / "image" / "contents.py"
    table = {"antigravity": "LEFT_OUT = {", "httpx": "\nMODULES = {"}[row]
    lists.write_text(lists.read_text().replace(table, f'{table}\n    "{row}": "a wrong row",', 1))
    done = build("--target", "lay-out-default", context=context, check=False)
    assert done.returncode != 0
    message = {
        "antigravity": "error: the pattern antigravity matches no file",
        "httpx": "error: libpython3.13-stdlib has no module httpx",
    }[row]
    assert message in done.stdout + done.stderr


BUILT_WITH = {"two-encodings": ("--build-arg", "ENCODINGS=cl100k_base,o200k_base")}
"""Budget -> options of its build, if they are not `--target` and the name of the budget."""


@pytest.mark.parametrize("target", BUDGETS)
def test_no_target_is_larger_than_its_budget(image: str, tag: str, target: str) -> None:
    build(*BUILT_WITH.get(target, ("--target", target)), "--tag", tag)
    # A budget that is far above the size is out of date.
    assert 0.9 * BUDGETS[target] < measure(tag) <= BUDGETS[target]


def names_in(image: str) -> set[str]:
    """Return the paths of the files in an image's layers."""
    return {entry.name for entry in layers.entries(image) if not entry.isdir()}
