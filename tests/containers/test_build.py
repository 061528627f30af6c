"""What the build refuses, and what it makes of its knobs."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.size import BUDGETS, Budget, measure, overdrawn
from tests.containers.engine import LOCKED_DOWN, ROOT, build, docker, run
from tiktoken_cache_init.catalogue import VOCABULARIES

CL100K, O200K = VOCABULARIES[:2]


@pytest.fixture
def tag() -> Iterator[str]:
    """A name for an image that is removed afterwards."""
    name = f"tiktoken-cache-init-test-built:{uuid.uuid4().hex[:12]}"
    yield name
    docker("image", "rm", "--force", name)


@pytest.mark.parametrize("name", [O200K.cache_key, "deep/down/o200k_base.tiktoken"])
def test_a_wrong_vocabulary_that_is_handed_in_stops_the_build(
    image: str,
    vocabularies: Path,
    tmp_path: Path,
    name: str,
) -> None:
    content = bytearray((vocabularies / O200K.cache_key).read_bytes())
    content[1000] ^= 1
    wrong = tmp_path / name
    wrong.parent.mkdir(parents=True, exist_ok=True)
    wrong.write_bytes(content)
    (tmp_path / CL100K.cache_key).write_bytes((vocabularies / CL100K.cache_key).read_bytes())
    done = build("--target", "data", vocabularies=tmp_path, check=False)
    assert done.returncode != 0
    assert (
        f"{name}: wrong bytes were handed in: SHA-256 is {hashlib.sha256(content).hexdigest()}, must be {O200K.sha256}"
    ) in done.stdout + done.stderr


def test_published_names_and_other_encodings_can_be_handed_in(
    image: str,
    vocabularies: Path,
    tmp_path: Path,
    tag: str,
) -> None:
    wanted = [vocabulary for vocabulary in VOCABULARIES if vocabulary.path.startswith("gpt-2")]
    for vocabulary in wanted:
        (tmp_path / vocabulary.published_name).write_bytes((vocabularies / vocabulary.cache_key).read_bytes())
    build("--target", "data", "--build-arg", "ENCODINGS=gpt2", "--tag", tag, vocabularies=tmp_path)
    assert layer_names(tag, tmp_path / "saved.tar") == {vocabulary.cache_key for vocabulary in wanted}


def test_the_data_target_holds_the_vocabularies_and_nothing_else(image: str, tmp_path: Path, tag: str) -> None:
    build("--target", "data", "--tag", tag)
    assert layer_names(tag, tmp_path / "saved.tar") == {CL100K.cache_key, O200K.cache_key}


def test_the_offline_target_fills_and_has_no_way_to_talk(image: str, volume: str, tmp_path: Path, tag: str) -> None:
    build("--target", "offline", "--tag", tag)
    mounts = [f"{volume}:/cache/tiktoken"]
    refused = run(tag, mounts, "--sources", "fetch")
    assert refused.returncode == 2
    assert "the source 'fetch' is not part of this image" in refused.stderr
    # As compose files pass it on that leave it to whoever runs them.
    filled = run(tag, mounts, options=(*LOCKED_DOWN, "--env", "TIKTOKEN_INIT_SOURCES="))
    assert (filled.returncode, "from baked\n" in filled.stderr) == (0, True)
    assert run(tag, mounts, "verify").returncode == 0
    words = {word for name in layer_names(tag, tmp_path / "saved.tar") for word in name.replace(".", "/").split("/")}
    assert not words & {"httpx", "httpcore", "h11", "ssl", "socket", "_ssl", "libssl", "libcrypto", "certs", "urllib3"}


def test_building_again_gives_the_same_image(image: str, tmp_path: Path) -> None:
    # All is laid out, compiled and written down again; what was downloaded is not.
    again = ["--no-cache-filter", "lay-out-default,default", "--build-arg", "SOURCE_DATE_EPOCH=1700000000"]
    for name in ("first", "second"):
        build(*again, "--iidfile", str(tmp_path / name))
    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text()


def test_replacements_that_do_not_fit_stop_the_build(image: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "tests", "benchmarks"))
    replacements = context / "image" / "replacements"
    (replacements / "certifi.py").write_text("")
    (replacements / "antigravity.py").write_text("")
    done = build("--target", "lay-out-default", context=context, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "httpx._config uses certifi.where, which its replacement lacks" in said
    assert "nothing imports antigravity, which has a replacement" in said


@pytest.mark.parametrize("target", BUDGETS)
def test_no_target_is_larger_than_its_budget(image: str, tag: str, target: str) -> None:
    build("--target", target, "--tag", tag)
    measured, budget = measure(tag), BUDGETS[target]
    assert not overdrawn(measured, budget), f"{measured.compressed:,} bytes compressed, {measured.size:,} on disk"
    assert overdrawn(measured, Budget(budget.compressed * 0.9, budget.on_disk)), "the budget is out of date: lower it"


def layer_names(image: str, saved: Path) -> set[str]:
    """Return the paths of the files in an image's layers."""
    docker("save", "--output", str(saved), image)
    names: set[str] = set()
    with tarfile.open(saved) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content is None:
                continue
            try:
                with tarfile.open(fileobj=io.BytesIO(content.read())) as layer:
                    names |= {inner.name for inner in layer if not inner.isdir()}
            except tarfile.ReadError:
                continue  # not a layer
    return names
