from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.samples import CONTENT, as_nobody, folder_for_all, settings, vocabulary
from tiktoken_cache_init.access import User
from tiktoken_cache_init.errors import NotReady, VolumeError
from tiktoken_cache_init.findings import (
    DIRECTORY,
    GOOD,
    LINK,
    MISSING,
    SPECIAL,
    UNREADABLE,
    WRONG,
    Demand,
    Finding,
    Target,
)
from tiktoken_cache_init.gateway import COUNTS_RIGHT, COUNTS_WRONG, DIES, foretell
from tiktoken_cache_init.volume import Volume, open_volume, targets_of

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
# A vocabulary that a gateway loads when it starts, with bytes of our own.
PIN = vocabulary(name="cl100k_base.tiktoken")
TARGET = Target(PIN, "key")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    opened = open_volume(settings(tmp_path), create=False)
    yield opened
    os.close(opened.fd)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# Names.


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("cache", [(PIN.cache_key, "")]),
        ("published", [("cl100k_base.tiktoken", "")]),
        ("both", [(PIN.cache_key, ""), ("cl100k_base.tiktoken", PIN.cache_key)]),
    ],
)
def test_the_layout_decides_which_names_are_wanted(layout: str, names: list[tuple[str, str]]) -> None:
    assert [(target.name, target.beside) for target in targets_of(settings("/x", PIN, layout=layout))] == names


# Opening.


def test_a_folder_that_is_there_is_opened_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.close(open_volume(settings(tmp_path), create=True).fd)
    assert mode_of(tmp_path) == 0o700


def test_a_folder_that_is_not_there_is_made_with_all_above_it_and_every_user_gets_in(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        os.close(open_volume(settings(tmp_path / "a/b/c"), create=True).fd)
    finally:
        os.umask(before)
    assert [mode_of(tmp_path / path) for path in ("a", "a/b", "a/b/c")] == [0o755] * 3


def test_a_folder_is_made_with_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    os.close(open_volume(settings(tmp_path / "a", dir_mode=0o2770), create=True).fd)
    assert mode_of(tmp_path / "a") == 0o2770


@ROOT_ONLY
def test_a_folder_that_is_made_gets_the_owner_that_was_asked_for(tmp_path: Path) -> None:
    os.close(open_volume(settings(tmp_path / "a", owner=User(7, 8)), create=True).fd)
    os.close(open_volume(settings(tmp_path / "b", owner=User(7)), create=True).fd)
    assert [(path.stat().st_uid, path.stat().st_gid) for path in (tmp_path / "a", tmp_path / "b")] == [
        (7, 8),
        (7, tmp_path.stat().st_gid),
    ]


@pytest.mark.parametrize("path", ["", "rel"])
def test_a_relative_folder_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.close(open_volume(settings(f"x/{path}"), create=True).fd)
    assert (tmp_path / "x" / path).is_dir()


def test_nothing_is_made_by_those_who_only_look(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"there is no folder .*/a: run fill, which makes it, or name the right one"):
        open_volume(settings(tmp_path / "a"), create=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("below", ["", "/cache"])
def test_a_file_is_no_folder(tmp_path: Path, create: bool, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VolumeError, match="is not a folder: mount a volume or a folder there, not a single file"):
        open_volume(settings(f"{tmp_path}/file{below}"), create=create)


def test_a_link_that_leads_nowhere_cannot_be_made_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to("nowhere")
    with pytest.raises(VolumeError, match="cache"):
        open_volume(settings(tmp_path / "cache"), create=True)


def test_who_may_not_make_the_folder_is_told_who_may() -> None:
    with folder_for_all() as folder, as_nobody():
        us, owner = f"{os.geteuid()}:{os.getegid()}", f"{folder.stat().st_uid}:{folder.stat().st_gid}"
        if us == owner:
            folder.chmod(0o555)
        with pytest.raises(VolumeError) as caught:
            open_volume(settings(folder / "a"), create=True)
    assert f"we are {us}, the folder belongs to {owner}" in str(caught.value)
    assert f'compose: user: "{owner}"' in str(caught.value)


@pytest.mark.parametrize(
    ("path", "advice"), [("a/b", "belongs to"), ("a/b/c", "a folder above it lets us in no further")]
)
def test_who_may_not_look_into_the_folder_is_told_so(path: str, advice: str) -> None:
    with folder_for_all() as folder:
        (folder / "a/b/c").mkdir(parents=True)
        (folder / "a").chmod(0o700 if os.geteuid() == 0 else 0)
        with as_nobody(), pytest.raises(VolumeError, match=advice):
            open_volume(settings(folder / path), create=False)
        (folder / "a").chmod(0o700)


def test_a_folder_that_cannot_be_given_to_its_owner_is_said_to_be_that() -> None:
    with folder_for_all() as folder:
        folder.chmod(0o777)
        with as_nobody(), pytest.raises(VolumeError, match="CHOWN"):
            open_volume(settings(folder / "a", owner=User(0, 0)), create=True)


# What a name holds.


def test_a_name_with_nothing_is_missing(volume: Volume) -> None:
    found = volume.inspect(TARGET)
    assert (found.state, found.text, found.ready) == (MISSING, "missing", False)
    assert foretell(found).outcome == DIES


def test_a_name_with_the_right_bytes_is_good(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(CONTENT)
    found = volume.inspect(TARGET)
    assert (found.state, found.text, found.ready) == (GOOD, "right", True)
    assert foretell(found).outcome == COUNTS_RIGHT


def test_a_name_with_wrong_bytes_is_wrong_and_says_what_they_are(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    found = volume.inspect(TARGET)
    assert (found.state, found.text, found.ready) == (WRONG, "empty (0 bytes)", False)
    assert foretell(found).outcome == COUNTS_WRONG


def test_a_name_with_a_folder_is_no_file(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    found = volume.inspect(TARGET)
    assert (found.state, found.text) == (DIRECTORY, "a directory")
    assert foretell(found).text.endswith("is a directory")


def test_a_pipe_or_a_socket_is_no_file_and_is_not_waited_for(volume: Volume, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key")
    found = volume.inspect(TARGET)
    assert (found.state, found.text) == (SPECIAL, "a FIFO, not a regular file")
    assert (foretell(found).outcome, "never starts" in foretell(found).text) == (DIES, True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        found = volume.inspect(Target(PIN, "socket"))
    assert (found.state, found.text) == (SPECIAL, "a socket, not a regular file")
    assert foretell(found).text.endswith("open .../socket: no such device or address")


def test_a_device_is_no_file(volume: Volume) -> None:
    null = os.open("/dev", os.O_RDONLY)
    found = Volume("/dev", null).inspect(Target(PIN, "null"))
    os.close(null)
    assert (found.state, found.text) == (SPECIAL, "a device, not a regular file")
    assert foretell(found).outcome == COUNTS_WRONG


@pytest.mark.parametrize("to", ["file", "sub/file", "way/file", "link"])
def test_a_link_to_a_file_in_the_volume_is_as_good_as_a_file(volume: Volume, tmp_path: Path, to: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "way").symlink_to("sub")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "sub/file").write_bytes(CONTENT)
    (tmp_path / "key").symlink_to(to)
    found = volume.inspect(TARGET)
    assert (found.state, found.text, found.ready) == (GOOD, f"right, a link to {to}", True)


@pytest.mark.parametrize(
    ("to", "problem", "fate"),
    [
        ("nothing", "which leads nowhere", "dies: "),
        ("key", "which loops", "dies: "),
        ("../outside", "which leads out of the volume", "dies unless it finds the file there, where it runs: "),
        ("sub/../file", "which leads out of the volume", "dies unless it finds the file there, where it runs: "),
        ("/etc/passwd", "which leads out of the volume", "dies unless it finds the file there, where it runs: "),
        (PIN.cache_key, "which is a name that is to be provided itself", "dies unless the right bytes are there: "),
        (
            f"./{PIN.cache_key}",
            "which is a name that is to be provided itself",
            "dies unless the right bytes are there: ",
        ),
        (
            f"here/{PIN.cache_key}",
            "which is a name that is to be provided itself",
            "dies unless the right bytes are there: ",
        ),
        ("closed/file", "which not every user can follow", "dies unless its user may read it, as root may: "),
    ],
)
def test_a_link_that_a_consumer_may_not_follow_is_not_good(tmp_path: Path, to: str, problem: str, fate: str) -> None:
    folder = tmp_path / "volume"
    for name in ("sub", "closed"):
        (folder / name).mkdir(parents=True)
    for name in ("file", "sub/file", "closed/file", PIN.cache_key, "../outside"):
        (folder / name).write_bytes(CONTENT)
    (folder / "closed").chmod(0o700)
    (folder / "link").symlink_to("file")
    (folder / "way").symlink_to("sub")
    (folder / "here").symlink_to("./.")
    (folder / "key").symlink_to(to)
    opened = open_volume(settings(folder, PIN), create=False)
    found = opened.inspect(TARGET)
    os.close(opened.fd)
    assert found.state == LINK
    assert found.text.startswith(f"a link to {to}, {problem}")
    assert f'{fate}failed to get gpt-3.5-turbo token encoder: Get "https://' in foretell(found).text


def test_a_second_name_may_lead_to_the_first(tmp_path: Path) -> None:
    (tmp_path / PIN.cache_key).write_bytes(CONTENT)
    (tmp_path / PIN.published_name).symlink_to(PIN.cache_key)
    opened = open_volume(settings(tmp_path, PIN, layout="both"), create=False)
    assert opened.inspect(Target(PIN, PIN.published_name, PIN.cache_key)).ready
    os.close(opened.fd)


def test_a_link_to_a_neighbour_whose_name_begins_as_the_volume_s_leads_out(tmp_path: Path) -> None:
    for name in ("cache", "cache2"):
        (tmp_path / name).mkdir()
    (tmp_path / "cache2/file").write_bytes(CONTENT)
    (tmp_path / "cache/key").symlink_to("../cache2/file")
    opened = open_volume(settings(tmp_path / "cache"), create=False)
    assert opened.inspect(TARGET).state == LINK
    os.close(opened.fd)


@pytest.mark.parametrize(("make", "state"), [(Path.mkdir, DIRECTORY), (os.mkfifo, SPECIAL)])
def test_a_link_to_what_is_no_file_says_so(volume: Volume, tmp_path: Path, make: object, state: str) -> None:
    assert callable(make)
    make(tmp_path / "there")
    (tmp_path / "key").symlink_to("there")
    found = volume.inspect(TARGET)
    assert found.state == state
    assert found.text.endswith(", a link to there")


def test_a_volume_that_is_itself_reached_through_a_link_holds_its_own_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_bytes(CONTENT)
    (tmp_path / "real/key").symlink_to("file")
    (tmp_path / "cache").symlink_to("real")
    opened = open_volume(settings(tmp_path / "cache"), create=False)
    assert opened.inspect(TARGET).ready
    os.close(opened.fd)


def test_a_file_that_we_cannot_read_is_not_called_wrong() -> None:
    with folder_for_all() as folder:
        (folder / "key").write_bytes(CONTENT)
        (folder / "key").chmod(0)
        opened = open_volume(settings(folder), create=False)
        with as_nobody():
            found = opened.inspect(TARGET)
        os.close(opened.fd)
    assert (found.state, found.text) == (UNREADABLE, "cannot be read: Permission denied")
    assert foretell(found).text.endswith("permission denied")
    assert "dies unless its user may read it, as root may: " in foretell(found).text


def test_a_name_that_keeps_changing_is_given_up(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It looks like a file, and is a link by the time it is opened; every time.
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "key").symlink_to("file")
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda _, dir_fd: lstat("file", dir_fd=dir_fd))
    with pytest.raises(VolumeError, match="keeps changing"):
        volume.inspect(TARGET)


def test_a_volume_that_fails_is_not_called_anything(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def lstat(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(VolumeError, match=r"cannot read .*/key: Input/output error"):
        volume.inspect(TARGET)


# What a right file must have besides.


def inspected(volume: Volume, tmp_path: Path, mode: int, demand: Demand) -> Finding:
    (tmp_path / "key").write_bytes(CONTENT)
    (tmp_path / "key").chmod(mode)
    return volume.inspect(TARGET, demand)


@pytest.mark.parametrize(
    ("mode", "wanted", "lacks", "unreadable"),
    [
        (0o644, 0o644, "", False),
        (0o777, 0o644, "", False),
        (0o600, 0o644, "not readable by every user (mode 0600)", True),
        (0o640, 0o644, "not readable by every user (mode 0640)", True),
        (0o444, 0o644, "lacks permissions (mode 0444)", False),
        (0o600, 0o600, "", False),
    ],
)
def test_a_right_file_must_have_the_mode(
    volume: Volume, tmp_path: Path, mode: int, wanted: int, lacks: str, unreadable: bool
) -> None:
    found = inspected(volume, tmp_path, mode, Demand(wanted))
    assert (found.state, found.lacks, found.unreadable, found.ready) == (GOOD, lacks, unreadable, not lacks)
    assert foretell(found).outcome == (DIES if unreadable else COUNTS_RIGHT)
    assert ("dies unless its user may read it, as root may: " in foretell(found).text) is unreadable


@pytest.mark.parametrize(("who", "lacks"), [((0, 0), False), ((0, 1), True), ((1, None), True), ((0, None), False)])
def test_a_right_file_must_have_the_owner(
    volume: Volume, tmp_path: Path, who: tuple[int, int | None], lacks: bool
) -> None:
    ours = (os.geteuid(), (tmp_path.stat().st_gid))
    owner = User(ours[0] + who[0], None if who[1] is None else ours[1] + who[1])
    found = inspected(volume, tmp_path, 0o644, Demand(0, owner))
    assert found.lacks == (f"owned by {ours[0]}:{ours[1]}" if lacks else "")


@ROOT_ONLY
@pytest.mark.parametrize(
    ("mode", "reader", "lacks"),
    [
        (0o400, User(7), False),
        (0o040, User(7, 8), True),
        (0o044, User(9, 8), False),
        (0o404, User(9, 8), True),
        (0o404, User(9, 9), False),
        (0o400, User(9), True),
        (0o000, User(0), False),
    ],
)
def test_a_right_file_must_be_readable_for_the_consumer(
    volume: Volume, tmp_path: Path, mode: int, reader: User, lacks: bool
) -> None:
    (tmp_path / "key").write_bytes(CONTENT)
    os.chown(tmp_path / "key", 7, 8)
    (tmp_path / "key").chmod(mode)
    found = volume.inspect(TARGET, Demand(0o644, User(0, 0), reader))
    assert bool(found.lacks) is found.unreadable is lacks
    if lacks:
        assert found.lacks == f"{reader} cannot read it (mode {mode:04o}, owner 7:8)"
        assert "the gateway dies: failed to get" in foretell(found).text


def test_wrong_bytes_are_told_of_rather_than_that_not_everybody_can_read_them(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "key").touch(0o600)
    assert foretell(volume.inspect(TARGET, Demand(0o644))).outcome == COUNTS_WRONG
    # But the one user who is asked about never gets to them.
    (tmp_path / "key").chmod(0)
    found = volume.inspect(TARGET, Demand(0o644, None, User(12345))) if os.geteuid() == 0 else None
    assert found is None or (found.state, foretell(found).outcome) == (WRONG, DIES)


def test_the_folder_s_own_mode_is_told(volume: Volume, tmp_path: Path) -> None:
    tmp_path.chmod(0o550)
    assert volume.mode() == 0o550
    # Its owner may have taken the right to write from himself, and means it.
    assert volume.missing_mode(0o755) == 0o005
    assert not volume.lets_in(User(os.geteuid() + 1))
    assert volume.lets_in(User(0))


# The bytes.


def test_no_more_of_a_huge_file_is_read_than_it_takes_to_say_what_it_is(volume: Volume, tmp_path: Path) -> None:
    with (tmp_path / "key").open("wb") as file:
        file.write(b"<html>")
        file.truncate(1 << 40)
    assert volume.inspect(TARGET).text.startswith("an HTML page")
