"""Simulation of Windows: removes modules and functions from Python if this directory is on PYTHONPATH."""

import os
import sys

sys.platform = "win32"
for name in ("fcntl", "pwd", "grp", "resource", "termios"):
    sys.modules[name] = None  # type: ignore[assignment]
for name in ("geteuid", "getegid", "fchmod", "fchown", "chown", "statvfs", "O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW"):
    delattr(os, name)
