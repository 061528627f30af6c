"""FUSE file system on which permissions are unusual: ``python -m tests.hosts.storage KIND DIRECTORY MOUNT_POINT``.

It passes each call on to a directory, and checks the permissions of the calling user, as a server does. ``KIND`` is
``root-squash``, where root is treated as nobody, or an octal number, which is the mode of every file and directory.
"""

# ruff: noqa: ARG002, PTH101, PTH104, PTH108, PTH120, PTH208  the interface defines the arguments, and passes paths as strings
from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOBODY = 65534
ROOT_SQUASH = "root-squash"
STATUS = ("st_mode", "st_size", "st_uid", "st_gid", "st_nlink", "st_blocks")
SPACE = ("f_bsize", "f_frsize", "f_blocks", "f_bavail", "f_bfree", "f_favail")


def serve(kind: str, root: str, mount_point: str) -> None:
    """Serve the file system until it is unmounted."""
    import mfusepy  # type: ignore[import-untyped]

    class Storage(mfusepy.Operations):  # type: ignore[misc]
        """File system that passes calls on to ``root``. The base class documents each call."""

        use_ns = True

        def _caller(self) -> tuple[int, int]:
            uid, gid, _ = mfusepy.fuse_get_context()
            return (NOBODY, NOBODY) if kind == ROOT_SQUASH and uid == 0 else (uid, gid)

        def _need(self, path: str, wanted: int) -> None:
            """Refuse a caller who lacks a permission: 4 to read, 2 to write, 1 to search."""
            uid, gid = self._caller()
            found = self.getattr(path)
            place = 6 if uid == found["st_uid"] else 3 if gid == found["st_gid"] else 0
            if uid and wanted & ~(found["st_mode"] >> place):
                raise mfusepy.FuseOSError(errno.EACCES)

        def _change(self, path: str) -> str:
            self._need(os.path.dirname(path), 3)
            return root + path

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            try:
                status = os.lstat(root + path)
            except OSError as error:
                raise mfusepy.FuseOSError(error.errno) from error
            found = {name: getattr(status, name) for name in STATUS}
            if kind != ROOT_SQUASH:
                found["st_mode"] = stat.S_IFMT(status.st_mode) | int(kind, 8)
            return found

        def chmod(self, path: str, mode: int) -> int:
            if kind != ROOT_SQUASH or self._caller()[0] not in (0, self.getattr(path)["st_uid"]):
                raise mfusepy.FuseOSError(errno.EPERM)
            os.chmod(root + path, mode)
            return 0

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            fd = os.open(self._change(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            os.fchown(fd, *self._caller())
            return fd

        def open(self, path: str, flags: int) -> int:
            self._need(path, {os.O_RDONLY: 4, os.O_WRONLY: 2, os.O_RDWR: 6}[flags & os.O_ACCMODE])
            return os.open(root + path, flags & os.O_ACCMODE)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> int:
            os.truncate(root + path, length)
            return 0

        def release(self, path: str, fh: int) -> int:
            os.close(fh)
            return 0

        def flock(self, path: str, fh: int, op: int) -> int:
            return 0

        def readdir(self, path: str, fh: int) -> list[str]:
            self._need(path, 4)
            return [".", "..", *os.listdir(root + path)]

        def unlink(self, path: str) -> int:
            os.unlink(self._change(path))
            return 0

        def rename(self, old: str, new: str) -> int:
            os.rename(self._change(old), self._change(new))
            return 0

        def statfs(self, path: str) -> dict[str, int]:
            found = os.statvfs(root + path)
            return {name: getattr(found, name) for name in SPACE}

    options = {"foreground": True, "nothreads": True, "allow_other": True, "attr_timeout": 0, "entry_timeout": 0}
    mfusepy.FUSE(Storage(), mount_point, **options)


@contextlib.contextmanager
def mounted(kind: str, root: Path, mount_point: Path) -> Iterator[None]:
    """Mount a file system of this kind, and unmount it at the end."""
    command = [sys.executable, "-m", "tests.hosts.storage", kind, str(root), str(mount_point)]
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2]) as server:
        end = time.monotonic() + 30
        while not mount_point.is_mount():
            assert server.poll() is None, "the file system ended"
            assert time.monotonic() < end, "the file system was not mounted"
            time.sleep(0.02)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(mount_point)], check=True, timeout=30)
            # A container that started meanwhile may still hold the mount, so the server may not end by itself.
            server.terminate()


if __name__ == "__main__":
    serve(*sys.argv[1:])
