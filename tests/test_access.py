from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiktoken_cache_init.access import User, may


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
        (0o000, User(0), True),
    ],
)
def test_the_first_class_that_a_user_is_in_decides(mode: int, user: User, allowed: bool) -> None:
    status = os.stat_result((mode, 0, 0, 1, 7, 8, 0, 0, 0, 0))
    assert may(status, user, 0o4) is allowed
