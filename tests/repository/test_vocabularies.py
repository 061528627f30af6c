"""The real vocabularies that other tests use, and the results of the package for them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import vocabularies as module
from tests.vocabularies import CL100K, O200K, P50K, R50K
from tiktoken_cache_init.catalogue import VOCABULARIES, Target, Vocabulary
from tiktoken_cache_init.gateway import Consequence, predict
from tiktoken_cache_init.volume.identify import Kind, looks_like
from tiktoken_cache_init.volume.inspect import inspect


@pytest.fixture(scope="session")
def real(vocabularies: Path) -> Callable[[Vocabulary], bytes]:
    return lambda known: (vocabularies / known.cache_key).read_bytes()


@pytest.mark.parametrize("known", VOCABULARIES, ids=lambda known: known.published_name)
def test_size_and_digest_are_those_of_the_real_file(real: Callable[[Vocabulary], bytes], known: Vocabulary) -> None:
    content = real(known)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (known.size, known.sha256)
    assert known.max_size == known.size
    assert looks_like(content) is None


def test_r50k_is_the_beginning_of_p50k(real: Callable[[Vocabulary], bytes]) -> None:
    assert real(P50K)[: R50K.size] == real(R50K)


@pytest.mark.parametrize(("known", "other"), [(CL100K, O200K), (O200K, CL100K)])
@pytest.mark.parametrize(
    ("kind", "spoil", "consequence"),
    [
        # Measured with tiktoken-go v0.1.7 and New-API v0.8.2.0.
        (Kind.CUT_AT_LINE, lambda right, _: b"".join(right.splitlines(keepends=True)[:50_000]), "counts-wrong"),
        (Kind.OTHER_VOCABULARY, lambda _, other: other, "counts-wrong"),
        (Kind.TRUNCATED, lambda right, _: right[: right.index(b"\n", len(right) // 2) + 6], "fails"),
        (Kind.CRLF, lambda right, _: right.replace(b"\n", b"\r\n"), "fails"),
    ],
)
def test_the_prognosis_for_a_wrong_file_is_what_was_measured(
    real: Callable[[Vocabulary], bytes],
    tmp_path: Path,
    known: Vocabulary,
    other: Vocabulary,
    kind: Kind,
    spoil: Callable[[bytes, bytes], bytes],
    consequence: str,
) -> None:
    (tmp_path / known.cache_key).write_bytes(spoil(real(known), real(other)))
    [finding] = inspect(str(tmp_path), [Target(known, known.cache_key)])
    assert finding.identity
    assert finding.identity.kind is kind
    assert predict(finding, str(tmp_path)).consequence is Consequence(consequence)


def test_other_bytes_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_content", lambda _name, _downloads: b"other bytes")
    with pytest.raises(ValueError, match="digest"):
        module.obtain(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_obtained_again_and_a_complete_directory_is_not(
    vocabularies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {v.published_name: (vocabularies / v.cache_key).read_bytes() for v in VOCABULARIES}
    obtained: list[str] = []

    def content(name: str, _: Path) -> bytes:
        obtained.append(name)
        return right[name]

    monkeypatch.setattr(module, "_content", content)
    for path in module.obtain(tmp_path).values():
        path.write_bytes(path.read_bytes()[:-1])
    assert {name: path.read_bytes() for name, path in module.obtain(tmp_path).items()} == right
    assert sorted(obtained) == sorted([*right, *right])
    module.obtain(tmp_path)
    assert len(obtained) == 2 * len(right)
