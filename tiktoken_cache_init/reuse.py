"""Using right bytes that the volume has already: mended where they are, given a second name, or the name they belong under."""

from __future__ import annotations

import errno
import os
import stat

from .access import lift_acl
from .content import holds, holds_under
from .errors import VolumeError
from .explanations import explain
from .findings import Finding, Target
from .staging import Stage, TooLong
from .volume import Volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .access import User
    from .catalogue import Vocabulary

# Never through a link: what it leads to may be somebody else's. Non-blocking, because the name may be a FIFO's by now.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

# Where the volume has no hard links, or something has the name already.
_NOT_LINKED = (errno.EEXIST, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def mend(volume: Volume, target: Target, mode: int, owner: User | None) -> bool:
    """Give a right file the mode or the owner it lacks, and say whether the kernel let us; else it is replaced by a copy."""
    try:
        fd = os.open(target.name, _READ, dir_fd=volume.fd)
        try:
            if not holds(fd, os.fstat(fd), target.vocabulary):
                return False
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | mode)
            lift_acl(fd, mode)
            if owner:
                os.fchown(fd, *owner.for_chown)
            # Some file systems take such a change and do nothing.
            return not mode & ~stat.S_IMODE(os.fstat(fd).st_mode)
        finally:
            os.close(fd)
    except OSError:
        return False


def put_beside(stage: Stage, target: Target) -> str:
    """Provide a second name for bytes that are in place, and say how: by a link where the volume can hold one, else a copy.

    Raises:
        VolumeError: the volume takes neither, or the bytes are not right any more.
    """
    if stage.link(target):
        return f"a link to {target.beside}"
    _copy(stage, target)
    return f"a copy of {target.beside}"


def _copy(stage: Stage, target: Target) -> None:
    volume = stage.volume
    stage.needed = target.vocabulary.size or 0
    staged = stage.new(target.vocabulary)
    path = os.path.join(volume.path, target.beside)
    changed = VolumeError(f"{path} changed while it was read: is another program writing to it?")
    try:
        fd = os.open(target.beside, _READ, dir_fd=volume.fd)
        try:
            staged.copy(fd)
        finally:
            os.close(fd)
        if not staged.is_right():
            raise changed
        staged.install(target)
    except TooLong:
        raise changed from None
    except OSError as error:
        raise VolumeError(explain(error, "read", path)) from error
    finally:
        staged.discard()


def keep_what_is_anothers(volume: Volume, finding: Finding, wanted: Collection[Vocabulary]) -> None:
    """Give bytes that are about to be overwritten the name they belong under, if this run does not provide that anyway.

    Where that cannot be, they are wrong bytes like any others.

    Raises:
        OSError: the volume fails.
    """
    other = finding.diagnosis.other if finding.diagnosis else None
    if not other or other in wanted:
        return
    try:
        # What was diagnosed may have been written to since.
        if not holds_under(finding.target.name, other, folder=volume.fd, follow=True):
            return
        os.link(finding.target.name, other.cache_key, src_dir_fd=volume.fd, dst_dir_fd=volume.fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_LINKED:
            raise
