"""Users, in numbers, and what they may do."""

from __future__ import annotations

from .light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os


class User(NamedTuple):
    """A user and, where it matters, a group."""

    uid: int
    gid: int | None = None

    def __str__(self) -> str:
        """Write it as docker and chown(1) take it."""
        return f"{self.uid}" if self.gid is None else f"{self.uid}:{self.gid}"

    @property
    def for_chown(self) -> tuple[int, int]:
        """The two numbers as chown(2) takes them, -1 for a group that is to stay."""
        return self.uid, -1 if self.gid is None else self.gid

    def owns(self, status: os.stat_result) -> bool:
        """Whether a file belongs to them."""
        return status.st_uid == self.uid and self.gid in (None, status.st_gid)


def may(status: os.stat_result, user: User, bit: int) -> bool:
    """Say whether a user has a permission (4 read, 1 search), as the kernel decides it; root has every one."""
    if user.uid == 0:
        return True
    if status.st_uid == user.uid:
        bit <<= 6
    elif user.gid == status.st_gid:
        bit <<= 3
    return bool(status.st_mode & bit)
