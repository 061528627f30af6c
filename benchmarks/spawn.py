"""Runs one command and measures it: ``python -I -S spawn.py ROOT COMMAND...``, as root.

A program of its own, with nothing imported, because the kernel counts what a process was before it became another program
towards its peak memory: a child of the benchmark itself would never seem smaller than the benchmark. So no figure is
below what this program takes, about 9 MB. It prints wall-clock seconds, CPU seconds, and the peak memory in KiB.
"""

import os
import sys
import time


def main(root: str, command: list[str]) -> int:
    """Run the command in the root directory given, and return its exit code."""
    # The kernel closes the writing end when the new program takes over: from then on it is the program that is measured,
    # and not this one's fork.
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.chroot(root)
            os.chdir("/")
            os.execve(command[0], command, os.environ)  # noqa: S606
        finally:
            os._exit(127)
    os.close(writing)
    os.read(reading, 1)
    started = time.perf_counter()
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
