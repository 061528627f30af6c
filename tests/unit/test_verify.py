from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, OTHER_CONTENT, as_nobody, not_mounted, public_directory, published, settings
from tiktoken_cache_init import verify as module
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import NotMountedError, NotReadyError, VolumeError
from tiktoken_cache_init.gateway import Consequence
from tiktoken_cache_init.verify import Fix, Verified, verify
from tiktoken_cache_init.volume.staging import PREFIX

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


def fix(directory: Path, **changes: Any) -> Fix:
    """Return the fix for cl100k_base, the first of the files."""
    result = verified(directory, **changes)
    assert not result.ready
    found = result.files[0].fix
    assert found
    return found


def test_a_ready_directory_needs_no_fix(ready: Path) -> None:
    result = verified(ready)
    assert result.ready
    assert [(examined.finding.text, examined.fix) for examined in result.files] == [("right", None)] * 2
    assert {examined.prediction.consequence for examined in result.files} == {Consequence.COUNTS_RIGHT}
    assert (result.fill_helps, result.read_only) == (False, False)


def test_verify_changes_nothing(ready: Path) -> None:
    (ready / CL100K.cache_key).chmod(0o600)
    (ready / O200K.cache_key).write_bytes(b"")
    ready.chmod(0o700)
    (ready / f"{PREFIX}0").touch()

    def state() -> list[tuple[str, int, int, int]]:
        paths = [ready, *sorted(ready.iterdir())]
        return [(str(path), s.st_mode, s.st_mtime_ns, s.st_ino) for path in paths for s in [path.lstat()]]

    before = state()
    assert not verified(ready).ready
    assert state() == before


# The directory.


def test_a_missing_directory_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"there is no directory .*: run fill to make it, or name the right one$"):
        verified(tmp_path / "none")


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VolumeError, match="is not a directory: mount a volume"):
        verified(tmp_path / "file")


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


@pytest.mark.parametrize("place", ["raedy", "ready/tiktoken", "ready/a/b"])
def test_a_misspelled_directory_is_not_ready_and_the_right_one_is_named(ready: Path, place: str) -> None:
    with pytest.raises(NotReadyError) as caught:
        verified(ready.parent / place)
    assert str(caught.value).endswith(f" (vocabularies are in {ready})")


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
    assert not result.ready
    [problem] = result.problems
    assert f"the directory has mode {mode:04o}" in problem.text
    assert "run fill, or chmod 0755 the directory" in problem.text
    assert result.fill_helps
    assert verified(ready, mode=0o640).ready == (mode == 0o750)


def test_a_directory_that_the_owner_of_the_files_cannot_enter_is_a_problem(ready: Path) -> None:
    ready.chmod(0o700)
    assert verified(ready, mode=0o600).problems == ()
    [problem] = verified(ready, mode=0o600, owner=(4711, -1)).problems
    assert "the directory has mode 0700" in problem.text
    assert "chmod 0705" in problem.text


def test_a_directory_that_only_its_owner_may_write_to_is_no_problem(ready: Path) -> None:
    ready.chmod(0o555)
    assert verified(ready).ready


def test_a_read_only_mount_is_noted(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly)
    assert verified(ready).read_only


# The fixes.


def test_a_vocabulary_that_is_nowhere_needs_a_fill(ready: Path) -> None:
    (ready / CL100K.cache_key).unlink()
    assert fix(ready) == Fix("run fill")


def test_bytes_under_the_published_name_are_found(ready: Path) -> None:
    (ready / CL100K.cache_key).rename(ready / "cl100k_base.tiktoken")
    said = fix(ready).text
    assert "have the published name, which gateways do not look for: run fill, or copy cl100k_base.tiktoken" in said
    assert said.endswith(f" to {CL100K.cache_key}")


@pytest.mark.parametrize("name", ["download (1)", "..old"])
def test_bytes_under_another_name_are_found(ready: Path, name: str) -> None:
    (ready / CL100K.cache_key).rename(ready / name)
    assert fix(ready).text == (
        f"the right bytes are under another name, {name}: run fill, or copy {name} to {CL100K.cache_key}"
    )


def test_bytes_one_directory_too_deep_are_found(ready: Path) -> None:
    (ready / "tiktoken").mkdir()
    (ready / CL100K.cache_key).rename(ready / "tiktoken" / CL100K.cache_key)
    said = f"the right bytes are in a subdirectory, in tiktoken/{CL100K.cache_key}: "
    assert fix(ready).text == f"{said}run fill"
    (ready / O200K.cache_key).rename(ready / "tiktoken" / O200K.cache_key)
    assert fix(ready).text == f"{said}mount that directory, or run fill"


def test_bytes_one_directory_too_high_are_found_and_fill_does_not_fetch_them(ready: Path) -> None:
    (ready / CL100K.cache_key).rename(ready.parent / CL100K.cache_key)
    said = f"the right bytes are one directory too high, in ../{CL100K.cache_key}: "
    assert fix(ready) == Fix(f"{said}copy ../{CL100K.cache_key} to {CL100K.cache_key}", by_fill=False)
    (ready / O200K.cache_key).rename(ready.parent / O200K.cache_key)
    assert fix(ready).text == f"{said}mount that directory, or copy ../{CL100K.cache_key} to {CL100K.cache_key}"
    assert not verified(ready).fill_helps


def test_swapped_names_are_found(ready: Path) -> None:
    (ready / CL100K.cache_key).write_bytes(OTHER_CONTENT)
    (ready / O200K.cache_key).write_bytes(CONTENT)
    for examined, other in zip(verified(ready).files, (O200K, CL100K), strict=True):
        assert examined.fix == Fix(f"the right bytes are under another vocabulary's name, {other.cache_key}: run fill")
        assert examined.prediction.consequence is Consequence.COUNTS_WRONG


def test_missing_permissions_and_owners_are_set_by_a_command(ready: Path) -> None:
    (ready / CL100K.cache_key).chmod(0o600)
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


def test_a_file_that_not_every_gateway_can_read_is_predicted_to_fail(ready: Path) -> None:
    (ready / CL100K.cache_key).chmod(0o640)
    first, second = verified(ready).files
    assert (first.prediction.consequence, second.prediction.consequence) == (
        Consequence.FAILS,
        Consequence.COUNTS_RIGHT,
    )


def test_a_file_that_this_user_cannot_read_needs_a_fill_by_root_or_the_owner() -> None:
    with public_directory() as directory:
        (directory / CL100K.cache_key).touch(0)
        with as_nobody():
            assert fix(directory).text.endswith(": run fill as root or as the owner of the directory")


@pytest.mark.parametrize("layout", ["published", "both"])
def test_a_missing_published_name_is_a_copy_of_the_cache_key(ready: Path, layout: str) -> None:
    fixes = [examined.fix for examined in verified(ready, layout=layout).files if examined.fix]
    assert [fix.text for fix in fixes] == [
        f"the right bytes are under another name, {known.cache_key}: run fill, or copy {known.cache_key} to {known.published_name}"
        for known in (CL100K, O200K)
    ]


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
