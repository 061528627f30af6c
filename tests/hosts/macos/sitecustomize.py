"""Simulation of macOS: removes Linux-only functions from Python if this directory is on PYTHONPATH."""

import builtins
import errno
import os
import sys
from typing import Any

for name in (
    *("getxattr", "setxattr", "listxattr", "removexattr", "fdatasync", "posix_fadvise", "posix_fallocate"),
    *("copy_file_range", "splice", "memfd_create", "eventfd", "pidfd_open", "getrandom", "unshare", "setns"),
    *("sched_getaffinity", "sched_setaffinity", "setresuid", "setresgid", "getresuid", "getresgid", "pipe2", "dup3"),
    *("O_TMPFILE", "O_PATH", "O_DIRECT", "O_NOATIME", "O_LARGEFILE", "O_RSYNC", "ST_NOATIME", "ST_NODEV", "ST_NOEXEC"),
):
    if hasattr(os, name):
        delattr(os, name)

_open = builtins.open


def _open_without_proc(file: Any, *arguments: Any, **options: Any) -> Any:
    if str(file).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
    return _open(file, *arguments, **options)


builtins.open = _open_without_proc
sys.stderr.write("(macOS)\n")
