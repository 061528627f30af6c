"""Users, in numbers, and what the kernel lets them do: by mode, and by a POSIX access control list where a file has one."""

from __future__ import annotations

import os
import stat

from .light import NamedTuple

READ = 0o4
SEARCH = 0o1

ACL = "system.posix_acl_access"
"""The extended attribute that holds a list (linux/posix_acl_xattr.h): a version of 4 bytes, then entries of 8."""
_NAMED_USER, _GROUP, _NAMED_GROUP, _MASK = 0x02, 0x04, 0x08, 0x10


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


class Entry(NamedTuple):
    """One entry of an access control list."""

    tag: int
    rights: int
    id: int


def acl_of(file: int | str) -> tuple[Entry, ...]:
    """Return the access control list of an open file or a path; empty where there is none, and its mode says all."""
    try:
        data = os.getxattr(file, ACL)
    except OSError:
        return ()
    words = (data[place : place + 8] for place in range(4, len(data), 8))
    return tuple(Entry(*(int.from_bytes(word[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8)))) for word in words)


def may(status: os.stat_result, user: User | None, right: int, acl: tuple[Entry, ...] = ()) -> bool:
    """Say whether a user has a right, `READ` or `SEARCH`; with None for the user, whether everybody has it.

    Root has every one. A user whose group is not known has only what it gives them in any.
    """
    mode = status.st_mode
    # With a list, the group's bits in the mode are the mask, which bounds what the list gives to all but owner and others.
    mask = next((entry.rights for entry in acl if entry.tag == _MASK), 0o7)
    named = {entry.id: entry.rights & mask for entry in acl if entry.tag == _NAMED_USER}
    groups = [(entry.id, entry.rights & mask) for entry in acl if entry.tag == _NAMED_GROUP]
    groups += [(status.st_gid, next((e.rights & mask for e in acl if e.tag == _GROUP), mode >> 3))]
    if user is None:
        everyone = [mode >> 6, mode, *named.values(), *(rights for _, rights in groups)]
        return all(rights & right for rights in everyone)
    if user.uid == 0:
        return True
    if user.uid == status.st_uid:
        return bool(mode >> 6 & right)
    if user.uid in named:
        return bool(named[user.uid] & right)
    if user.gid is None:
        return all(rights & right for rights in (mode, *(rights for _, rights in groups)))
    theirs = [rights for group, rights in groups if group == user.gid]
    return any(rights & right for rights in theirs or [mode])


def lift_acl(fd: int, mode: int) -> None:
    """Take a file's list away if the mode means everybody to read it and the list keeps somebody from that.

    A new file has one where its folder has a default list.

    Raises:
        OSError: the file is not ours.
    """
    acl = acl_of(fd)
    everybody = mode & (0o111 * READ) == 0o111 * READ
    if acl and everybody and not may(os.fstat(fd), None, READ, acl):
        os.removexattr(fd, ACL)
        # Its mask was the mode's group bits.
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | mode)
