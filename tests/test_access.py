from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.samples import put_acl
from tiktoken_cache_init.access import ACL, READ, Entry, User, acl_of, lift_acl, may


def test_a_user_is_written_as_docker_takes_it() -> None:
    assert (str(User(7)), str(User(7, 0))) == ("7", "7:0")


def test_a_group_that_is_to_stay_is_minus_one_to_the_kernel() -> None:
    assert (User(7).for_chown, User(7, 8).for_chown) == ((7, -1), (7, 8))


def test_what_belongs_to_a_user_belongs_to_them_in_any_group_unless_one_is_named(tmp_path: Path) -> None:
    status = tmp_path.stat()
    assert User(status.st_uid).owns(status)
    assert User(status.st_uid, status.st_gid).owns(status)
    assert not User(status.st_uid, status.st_gid + 1).owns(status)
    assert not User(status.st_uid + 1).owns(status)


@pytest.mark.parametrize(
    ("mode", "user", "allowed"),
    [
        (0o400, User(7, 9), True),
        (0o044, User(7, 8), False),
        (0o040, User(6, 8), True),
        (0o404, User(6, 8), False),
        (0o004, User(6, 9), True),
        (0o440, User(6), False),
        (0o404, User(6), False),
        (0o044, User(6), True),
        (0o444, None, True),
        (0o440, None, False),
        (0o404, None, False),
        (0o044, None, False),
        (0o000, User(0), True),
    ],
)
def test_the_first_class_that_a_user_is_in_decides(mode: int, user: User | None, allowed: bool) -> None:
    status = os.stat_result((mode, 0, 0, 1, 7, 8, 0, 0, 0, 0))
    assert may(status, user, READ) is allowed


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        (User(7, 9), True),  # the owner
        (User(20, 8), False),  # named, and so in no other class
        (User(21, 9), True),
        (User(22, 9), False),  # beyond the mask
        (User(6, 8), True),
        (User(6, 30), False),  # a group that is named
        (User(6, 9), True),  # all others
        (User(6), False),  # in whichever group
        (User(0), True),
        (None, False),
    ],
)
def test_an_access_control_list_decides_as_the_kernel_does(user: User | None, allowed: bool) -> None:
    status = os.stat_result((0o464, 0, 0, 1, 7, 8, 0, 0, 0, 0))
    acl = (Entry(2, 0, 20), Entry(2, 4, 21), Entry(2, 3, 22), Entry(4, 4, -1), Entry(8, 0, 30), Entry(16, 4, -1))
    assert may(status, user, READ, acl) is allowed


@pytest.mark.parametrize("rights", [0, 4])
def test_a_list_is_taken_away_only_if_it_keeps_somebody_out(tmp_path: Path, rights: int) -> None:
    (tmp_path / "file").touch(0o644)
    put_acl(tmp_path / "file", user=12345, rights=rights)
    assert acl_of(str(tmp_path / "file"))
    with (tmp_path / "file").open() as file:
        lift_acl(file.fileno(), 0o640)
        assert ACL in os.listxattr(tmp_path / "file"), "not everybody is meant to read it"
        lift_acl(file.fileno(), 0o644)
    assert (ACL in os.listxattr(tmp_path / "file")) is bool(rights)
    assert (tmp_path / "file").stat().st_mode & 0o777 in (0o644, 0o674)
