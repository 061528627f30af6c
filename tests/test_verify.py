from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, put_acl, settings, vocabulary
from tiktoken_cache_init import mounts
from tiktoken_cache_init.access import User
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.errors import NotReady, VolumeError
from tiktoken_cache_init.gateway import COUNTS_RIGHT, COUNTS_WRONG, DIES, NOT_READ, foretell
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.verify import Verified, verify
from tiktoken_cache_init.volume import Volume

OTHER_CONTENT = b"QQ== 0\n"
# Tiny ones under the names that a gateway loads when it starts.
CL100K = vocabulary(name="cl100k_base.tiktoken")
O200K = vocabulary(OTHER_CONTENT, "o200k_base.tiktoken")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume that is ready, one level below an empty folder."""
    folder = tmp_path / "above/volume"
    folder.mkdir(parents=True)
    for pin, content in ((CL100K, CONTENT), (O200K, OTHER_CONTENT)):
        (folder / pin.cache_key).write_bytes(content)
        (folder / pin.cache_key).chmod(0o644)
    return folder


def open_the_way(folder: Path) -> None:
    """Let every user get to a folder of pytest's, which makes its own for one user only."""
    for above in folder.parents[:-2]:
        above.chmod(above.stat().st_mode | 0o111)


def verified(folder: Path, *wanted: Vocabulary, **changes: Any) -> Verified:
    run = Run()
    try:
        return verify(settings(folder, *(wanted or (CL100K, O200K)), **changes), run)
    finally:
        run.close()


def cure(folder: Path) -> str:
    """Return the cure for cl100k_base, the first of the files."""
    result = verified(folder)
    assert not result.ready
    return result.files[0].cure


def test_a_ready_volume_needs_no_cure(volume: Path) -> None:
    result = verified(volume)
    assert result.ready
    assert [(examined.finding.text, examined.cure) for examined in result.files] == [("right", "")] * 2
    assert {foretell(examined.finding).outcome for examined in result.files} == {COUNTS_RIGHT}


def test_nothing_is_changed(volume: Path) -> None:
    (volume / CL100K.cache_key).chmod(0o600)
    (volume / O200K.cache_key).write_bytes(b"")
    volume.chmod(0o700)
    stale = volume / ".tiktoken-cache-init-stale"
    stale.touch()
    os.utime(stale, (0, 0))

    def state() -> list[tuple[str, os.stat_result]]:
        return [(str(path), path.lstat()) for path in [volume, *sorted(volume.iterdir())]]

    def without_access(entries: list[tuple[str, os.stat_result]]) -> list[tuple[str, int, int, int]]:
        return [(path, status.st_mode, status.st_mtime_ns, status.st_ino) for path, status in entries]

    before = without_access(state())
    assert not verified(volume).ready
    assert without_access(state()) == before


def test_a_folder_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="there is no folder"):
        verified(tmp_path / "none")


def test_a_folder_that_is_a_file_is_no_volume(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VolumeError):
        verified(tmp_path / "file")


def test_a_volume_that_fails_is_no_verdict(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_: Volume) -> NoReturn:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Volume, "mode", stale)
    with pytest.raises(VolumeError, match=r"cannot use .*: Stale file handle"):
        verified(volume)


# Cures.


def test_what_is_nowhere_must_be_filled(volume: Path) -> None:
    (volume / CL100K.cache_key).unlink()
    assert cure(volume) == "run fill"


def test_bytes_under_the_published_name_are_pointed_at(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume / "cl100k_base.tiktoken")
    assert "under the published name, which the gateways do not look for" in cure(volume)
    assert f"rename it to {CL100K.cache_key}" in cure(volume)


def test_bytes_under_any_other_name_are_pointed_at(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume / "download (1)")
    assert "under another name, download (1): " in cure(volume)


def test_bytes_a_folder_too_deep_are_pointed_at(volume: Path) -> None:
    (volume / "tiktoken").mkdir()
    for pin in (CL100K, O200K):
        (volume / pin.cache_key).rename(volume / "tiktoken" / pin.cache_key)
    assert f"a folder too deep, in tiktoken/{CL100K.cache_key}: mount or name that folder, or run fill" in cure(volume)


def test_a_folder_of_published_names_is_none_to_mount(volume: Path) -> None:
    (volume / "tiktoken").mkdir()
    (volume / CL100K.cache_key).rename(volume / "tiktoken/cl100k_base.tiktoken")
    assert "a folder too deep, in tiktoken/cl100k_base.tiktoken: run fill" in cure(volume)


def test_bytes_a_folder_too_high_are_pointed_at(volume: Path) -> None:
    for pin in (CL100K, O200K):
        (volume / pin.cache_key).rename(volume.parent / pin.cache_key)
    assert (
        f"one folder too high, in ../{CL100K.cache_key}: mount or name that folder, or move the file to {CL100K.cache_key}"
        in cure(volume)
    )


def test_a_name_that_begins_with_two_dots_is_not_taken_for_the_folder_above(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume / "..old")
    assert "too high" not in cure(volume)


def test_swapped_names_are_pointed_at(volume: Path) -> None:
    (volume / CL100K.cache_key).write_bytes(OTHER_CONTENT)
    (volume / O200K.cache_key).write_bytes(CONTENT)
    result = verified(volume)
    for examined, other in zip(result.files, (O200K, CL100K), strict=True):
        assert f"under another vocabulary's name, {other.cache_key}: run fill" in examined.cure
        assert foretell(examined.finding).outcome == COUNTS_WRONG


def test_what_lacks_a_mode_is_cured_by_one(volume: Path) -> None:
    (volume / CL100K.cache_key).chmod(0o600)
    assert cure(volume) == "run fill, or chmod 0644 it"


@ROOT_ONLY
def test_a_folder_is_not_named_that_holds_only_a_part(volume: Path) -> None:
    (volume / "deep").mkdir()
    (volume / CL100K.cache_key).rename(volume / "deep" / CL100K.cache_key)
    assert "mount or name that folder" not in cure(volume)
    (volume / O200K.cache_key).rename(volume / "deep" / O200K.cache_key)
    assert "mount or name that folder" in cure(volume)


def test_a_file_is_not_to_be_renamed_that_its_reader_could_not_read_then(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume / "cl100k_base.tiktoken")
    assert cure(volume).endswith(f"run fill, or rename it to {CL100K.cache_key}")
    (volume / "cl100k_base.tiktoken").chmod(0o600)
    assert cure(volume).endswith("which the gateways do not look for: run fill")


def test_what_lacks_an_owner_is_cured_by_one(volume: Path) -> None:
    for owner, told in ((User(7, 8), "7:8"), (User(7), "7")):
        result = verified(volume, owner=owner)
        assert result.files[0].cure == f"run fill, or chmod 0644 it and chown {told} it"


def test_what_we_cannot_read_is_best_looked_at_by_root() -> None:
    with folder_for_all() as folder:
        (folder / CL100K.cache_key).touch(0)
        with as_nobody():
            assert cure(folder) == "run fill, or run verify as root to see more"


def test_one_of_two_is_not_enough(volume: Path) -> None:
    (volume / O200K.cache_key).unlink()
    result = verified(volume)
    assert not result.ready
    assert result.problems == (
        "cl100k_base.tiktoken alone is not enough: the gateway loads o200k_base.tiktoken too when it starts",
    )


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"<html>")]
)
def test_two_of_two_wrong_is_no_case_of_one_alone(volume: Path, spoil: Callable[[Path], object]) -> None:
    for pin in (CL100K, O200K):
        spoil(volume / pin.cache_key)
    assert verified(volume).problems == ()


# The folder.


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (
            0o750,
            "and not every user can look into it, so the gateway dies unless its user may read it, as root may: "
            "chmod 0755 it, or run fill",
        ),
        (0o711, "and not every user can list it: chmod 0755 it, or run fill"),
    ],
)
def test_a_folder_that_not_everybody_can_look_into_is_a_problem(volume: Path, mode: int, told: str) -> None:
    volume.chmod(mode)
    result = verified(volume)
    assert not result.ready
    assert result.problems == (f"the folder has mode {mode:04o}, {told}",)
    outcome = foretell(result.files[0].finding)
    if mode == 0o711:
        assert outcome.outcome == COUNTS_RIGHT
    else:
        assert outcome.text.startswith("the gateway dies unless its user may read it, as root may: ")


@pytest.mark.parametrize("place", ["volum", "volume/tiktoken", "volume/a/b"])
def test_a_misspelled_folder_is_not_ready_and_the_right_one_is_named(volume: Path, place: str) -> None:
    with pytest.raises(NotReady) as caught:
        verified(volume.parent / place)
    assert str(caught.value).endswith(f"; vocabularies are in {volume}")


def test_no_folder_is_named_that_holds_nothing(volume: Path) -> None:
    for path in volume.iterdir():
        path.write_bytes(b"")
    with pytest.raises(NotReady, match=r"or name the right one$"):
        verified(volume.parent / "volum")


def test_a_folder_that_only_its_owner_may_write_to_is_none(volume: Path) -> None:
    volume.chmod(0o555)
    assert verified(volume).ready
    assert verified(volume, dir_mode=0o775).ready


def test_a_folder_mode_that_was_asked_for_will_do(volume: Path) -> None:
    volume.chmod(0o700)
    assert verified(volume, dir_mode=0o700).ready


@ROOT_ONLY
def test_with_a_consumer_given_only_that_consumer_counts(volume: Path) -> None:
    open_the_way(volume)
    for path in (volume, *volume.iterdir()):
        os.chown(path, 7, 8)
        path.chmod(0o750 if path == volume else 0o640)
    assert verified(volume, reader=User(7)).ready
    assert verified(volume, reader=User(9, 8)).ready
    assert verified(volume, reader=User(0)).ready
    result = verified(volume, reader=User(9))
    assert not result.ready
    assert "the consumer's user cannot look into it" in result.problems[0]
    assert {foretell(examined.finding).outcome for examined in result.files} == {DIES}


@ROOT_ONLY
def test_a_folder_above_keeps_out_whoever_runs_on_this_host(volume: Path) -> None:
    open_the_way(volume)
    volume.parent.chmod(0o700)
    result = verified(volume, reader=User(7, 7))
    assert result.problems == (
        f"{volume.parent} has mode 0700, and the consumer's user cannot look into it, so the gateway dies: "
        f"chmod 0711 it, or mount the folder itself",
    )
    assert {foretell(examined.finding).outcome for examined in result.files} == {DIES}
    assert verified(volume).ready, "whoever can get to the folder can read in it"
    volume.parent.chmod(0o711)
    assert verified(volume, reader=User(7, 7)).ready


@ROOT_ONLY
def test_in_a_container_a_folder_above_counts_only_within_the_volume(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "in_image", lambda: True)
    monkeypatch.setattr(mounts, "_points", lambda: {str(volume)})
    volume.parent.chmod(0o700)
    assert verified(volume, reader=User(7, 7)).ready
    monkeypatch.setattr(mounts, "_points", lambda: {str(volume.parent)})
    [problem] = verified(volume, reader=User(7, 7)).problems
    assert problem.startswith(f"{volume.parent} has mode 0700, and the consumer's user cannot look into it")


def test_a_list_that_keeps_one_user_out_of_the_folder_is_told(volume: Path) -> None:
    put_acl(volume, user=12345, rights=0)
    [problem] = verified(volume).problems
    assert f"setfacl -b {volume}" in problem
    assert not verified(volume).ready


def test_a_list_that_keeps_one_user_from_a_file_is_told(volume: Path) -> None:
    put_acl(volume / CL100K.cache_key, user=12345, rights=0)
    result = verified(volume)
    assert result.files[0].finding.lacks == "not readable by every user, for its ACL"
    assert not result.ready


def test_both_names_of_a_layout_are_examined(volume: Path) -> None:
    result = verified(volume, layout="both")
    assert [examined.finding.target.name for examined in result.files] == [
        CL100K.cache_key,
        "cl100k_base.tiktoken",
        O200K.cache_key,
        "o200k_base.tiktoken",
    ]
    assert not result.ready
    # Nobody is told that the published name is what nobody looks for, where it is what was asked for.
    assert not any("nobody looks for" in examined.cure for examined in result.files)


def test_under_the_layout_of_published_names_the_cache_key_is_the_other_name(volume: Path) -> None:
    result = verified(volume, CL100K, layout="published")
    assert CL100K.cache_key in result.files[0].cure
    assert "rename it to cl100k_base.tiktoken" in result.files[0].cure


def test_a_gateway_starts_if_it_finds_both_under_the_names_it_looks_for(volume: Path) -> None:
    for pin in (CL100K, O200K):
        (volume / pin.published_name).write_bytes((volume / pin.cache_key).read_bytes())
    assert verified(volume).gateway_starts
    assert verified(volume, layout="both").gateway_starts
    for less in (verified(volume, CL100K), verified(volume, layout="published")):
        assert less.ready
        assert not less.gateway_starts
    (volume / CL100K.cache_key).write_bytes(b"")
    assert not verified(volume).gateway_starts


def test_under_its_published_name_a_file_is_no_gateway_s_business(volume: Path) -> None:
    (volume / CL100K.published_name).write_bytes(b"")
    found = foretell(verified(volume, CL100K, layout="published").files[0].finding)
    assert found == (NOT_READ, "no gateway looks for this name; those who do fail")


def test_what_no_gateway_loads_when_it_starts_is_no_gateway_s_business(volume: Path) -> None:
    pin = vocabulary()
    (volume / pin.cache_key).write_bytes(CONTENT)
    assert foretell(verified(volume, pin).files[0].finding) == (NOT_READ, "its readers start and count right")


def test_a_folder_mode_that_will_do_hides_nothing_from_a_gateway(volume: Path) -> None:
    volume.chmod(0o700)
    result = verified(volume, dir_mode=0o700)
    assert result.ready
    assert result.gateway_starts


def test_a_folder_too_high_is_none_to_mount_where_the_other_file_is_not_in_it(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume.parent / CL100K.cache_key)
    assert cure(volume) == (
        f"its bytes are one folder too high, in ../{CL100K.cache_key}: move the file to {CL100K.cache_key}"
    )


def test_nothing_is_to_be_renamed_to_what_is_a_directory(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume / "other")
    (volume / CL100K.cache_key).mkdir()
    assert cure(volume) == "its bytes are there under another name, other: run fill, which puts the directory aside"


def test_a_vocabulary_s_own_published_name_is_no_other_s(volume: Path) -> None:
    (volume / CL100K.cache_key).rename(volume / CL100K.published_name)
    result = verified(volume, layout="both")
    assert "under the published name, which the gateways do not look for" in result.files[0].cure


def test_a_mode_that_keeps_the_reader_out_is_not_advised(volume: Path) -> None:
    for pin in (CL100K, O200K):
        (volume / pin.cache_key).chmod(0o640)
    result = verified(volume, mode=0o640, reader=User(2000, 2000))
    assert result.files[0].cure == "chmod 0644 it, and set TIKTOKEN_INIT_MODE so"
