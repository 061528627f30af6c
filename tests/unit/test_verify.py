from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER_CONTENT, as_nobody, not_mounted, public_directory, published, settings
from tiktoken_cache_init import verify as module
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import NotMountedError, NotReadyError, VolumeError
from tiktoken_cache_init.gateway import Consequence
from tiktoken_cache_init.verify import Fix, Verified, verify

# Small vocabularies, with the names of those that a gateway loads when it starts.
CL100K = published("cl100k_base.tiktoken")
O200K = published("o200k_base.tiktoken", OTHER_CONTENT)


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """Make a ready directory, one level below an empty one."""
    directory = tmp_path / "above/ready"
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    for known, content in ((CL100K, CONTENT), (O200K, OTHER_CONTENT)):
        (directory / known.cache_key).write_bytes(content)
        (directory / known.cache_key).chmod(0o644)
    return directory


def verified(directory: Path, *wanted: Vocabulary, **changes: Any) -> Verified:
    return verify(settings(directory, *(wanted or (CL100K, O200K)), command="verify", **changes))


def fix(directory: Path, **changes: Any) -> Fix | None:
    """Return the fix for cl100k_base, the first of the files."""
    result = verified(directory, **changes)
    assert not result.ready
    return result.files[0].fix


def test_a_ready_directory_needs_no_fix(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = verified(ready)
    assert result.ready
    assert [(examined.finding.text, examined.fix) for examined in result.files] == [("right", None)] * 2
    assert {examined.prediction.consequence for examined in result.files} == {Consequence.COUNTS_RIGHT}
    assert (result.fill_helps, result.read_only) == (False, False)
    monkeypatch.setattr("tiktoken_cache_init.verify.is_read_only", lambda _: True)
    assert verified(ready).read_only


# The directory.


NONE = "there is no directory .*: run fill to make it, or name the right one"
NEAR = rf"{NONE} \(vocabularies are in .*/above/ready\)$"


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("above/none", NotReadyError, f"{NONE}$"),
        ("above/raedy", NotReadyError, NEAR),
        ("above/ready/tiktoken", NotReadyError, NEAR),
        ("above/ready/a/b", NotReadyError, NEAR),
        ("file", VolumeError, "/file is not a directory: mount a volume"),
    ],
)
def test_a_path_that_is_no_directory_is_reported_with_the_right_one_if_it_is_near(
    place: str, error: type[Exception], said: str, tmp_path: Path, ready: Path
) -> None:
    (tmp_path / "file").touch()
    if place == "above/none":
        (tmp_path / "above/too").mkdir()
        ready.rename(tmp_path / "above/too/deep")
    with pytest.raises(error, match=said):
        verified(tmp_path / place)


def test_a_directory_that_this_user_cannot_open_is_an_error_and_not_missing() -> None:
    with public_directory() as above:
        directory = above / "closed/directory"
        directory.mkdir(parents=True)
        directory.parent.chmod(0)
        try:
            with as_nobody(), pytest.raises(VolumeError, match=f"^cannot open {directory}: Permission denied$"):
                verified(directory)
        finally:
            directory.parent.chmod(0o700)


def test_a_directory_of_the_image_without_a_mount_is_the_only_problem(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda: True)
    monkeypatch.setattr(module, "require_mount", not_mounted)
    with pytest.raises(NotMountedError):
        verified(ready)
    monkeypatch.setattr(module, "require_mount", lambda _: None)
    assert verified(ready).ready


@pytest.mark.parametrize("mode", [0o750, 0o711])
def test_a_directory_that_not_every_user_can_read_is_a_problem(ready: Path, mode: int) -> None:
    ready.chmod(mode)
    result = verified(ready)
    assert (result.ready, result.fill_helps, result.gateway_starts) == (False, True, False)
    [problem] = result.problems
    assert f"the directory has mode {mode:04o}" in problem.text
    assert "run fill, or chmod 0755 the directory" in problem.text
    assert verified(ready, mode=0o640).ready == (mode == 0o750)
    # The owner's write bit is optional.
    ready.chmod(0o555)
    assert verified(ready).ready


def test_a_directory_that_the_owner_of_the_files_cannot_enter_is_a_problem(ready: Path) -> None:
    ready.chmod(0o700)
    assert verified(ready, mode=0o600).problems == ()
    [problem] = verified(ready, mode=0o600, owner=(4711, -1)).problems
    assert "the directory has mode 0700, so not every user can read its files: run fill, or chmod 0705" in problem.text


# The fixes.

C, C2 = CL100K.cache_key, O200K.cache_key
HIGH, DEEP = "the right bytes are one directory too high, in ../", "the right bytes are in a subdirectory, in tiktoken/"


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ("cl100k_base.tiktoken", "the right bytes have the published name, which gateways do not look for: run fill, or copy {} to {}"),
        ("download(1)", "the right bytes are under another name, {0}: run fill, or copy {0} to {1}"),
        ("..old", "the right bytes are under another name, {0}: run fill, or copy {0} to {1}"),
        (f"tiktoken/{C}", f"{DEEP}{C}: run fill"),
        (f"tiktoken/{C} tiktoken/{C2}", f"{DEEP}{C}: mount that directory, or run fill"),
        (f"../{C}", f"{HIGH}{C}: copy ../{C} to {C}"),
        (f"../{C} ../{C2}", f"{HIGH}{C}: mount that directory, or copy ../{C} to {C}"),
    ],
)  # fmt: skip
def test_the_right_bytes_are_found_elsewhere(ready: Path, places: str, said: str) -> None:
    (ready / "tiktoken").mkdir()
    for known, place in zip((CL100K, O200K), places.split(), strict=False):
        (ready / known.cache_key).rename(ready / place)
    # A fill does not look above its directory.
    assert fix(ready) == Fix(said.format(places, C), by_fill=not said.startswith(HIGH))
    assert verified(ready).fill_helps != said.startswith(HIGH)
    for path in [*ready.rglob("*"), *ready.parent.glob("*")]:
        path.unlink() if path.is_file() else None
    (ready.parent / "other").mkdir()
    (ready.parent / "other" / C).write_bytes(CONTENT)
    assert fix(ready) == Fix("run fill")


def test_swapped_names_are_found(ready: Path) -> None:
    (ready / CL100K.cache_key).write_bytes(OTHER_CONTENT)
    (ready / O200K.cache_key).write_bytes(CONTENT)
    for examined, other in zip(verified(ready).files, (O200K, CL100K), strict=True):
        assert examined.fix == Fix(f"the right bytes are under another vocabulary's name, {other.cache_key}: run fill")
        assert examined.prediction.consequence is Consequence.COUNTS_WRONG


@pytest.mark.parametrize("layout", ["published", "both"])
def test_a_missing_published_name_is_a_copy_of_the_cache_key(ready: Path, layout: str) -> None:
    fixes = [examined.fix for examined in verified(ready, layout=layout).files if examined.fix]
    said = "the right bytes are under another name, {0}: run fill, or copy {0} to {1}"
    assert fixes == [Fix(said.format(known.cache_key, known.published_name)) for known in (CL100K, O200K)]


def test_missing_permissions_and_owners_are_set_by_a_command(ready: Path) -> None:
    (ready / CL100K.cache_key).chmod(0o640)
    assert fix(ready) == Fix("run fill, or chmod 0644 the file")
    assert fix(ready, owner=(4711, -1)) == Fix("run fill, or chmod 0644 and chown 4711 the file")
    assert fix(ready, owner=(4711, 12)) == Fix("run fill, or chmod 0644 and chown 4711:12 the file")


@pytest.mark.parametrize("changes", [{"owner": (4711, -1)}, {"mode": 0o664}, {"mode": 0o755}])
def test_a_file_that_every_gateway_can_read_is_not_predicted_to_fail(ready: Path, changes: dict[str, Any]) -> None:
    ready.chmod(0o775)
    result = verified(ready, **changes)
    assert not result.ready
    assert [examined.fix is None for examined in result.files] == [False, False]
    assert {examined.prediction.consequence for examined in result.files} == {Consequence.COUNTS_RIGHT}


def test_what_a_fill_by_this_user_cannot_mend_has_another_fix(ready: Path) -> None:
    with public_directory() as directory:
        (directory / CL100K.cache_key).touch(0)
        with as_nobody():
            found = fix(directory)
    assert found
    assert found.text.endswith(": run fill as root or as the owner of the directory")
    (ready / CL100K.cache_key).unlink()
    (ready / CL100K.cache_key).mkdir()
    assert fix(ready) == Fix("run fill")
    (ready / CL100K.cache_key / "x").write_bytes(CONTENT)
    assert fix(ready) == Fix(f"move or remove the directory {CL100K.cache_key}, then run fill")


# The gateway.


def test_a_gateway_starts_only_if_both_files_are_there_under_their_cache_keys(ready: Path) -> None:
    for known in (CL100K, O200K):
        (ready / known.published_name).write_bytes((ready / known.cache_key).read_bytes())
    assert verified(ready).gateway_starts
    assert verified(ready, layout="both").gateway_starts
    for less in (verified(ready, CL100K), verified(ready, layout="published")):
        assert less.ready
        assert not less.gateway_starts
    (ready / CL100K.cache_key).write_bytes(b"")
    assert not verified(ready).gateway_starts
