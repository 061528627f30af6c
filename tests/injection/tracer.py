"""Runs a command, lists the system calls that it makes on one folder, and can kill it or refuse it at any one of them.

This is what ``strace -f -P FOLDER -e inject=CALL:...:when=N`` does, with one difference that the tests need. strace counts
calls anew in each thread, and a run has several, so "the third openat" is a different call in each of them, and the first
thread that comes so far is hit, or all are. Here a call is addressed by what it is done to: "the third write to the second
temporary file". Both stand on ptrace(2), and `tests.injection.test_order` holds what is seen here against what strace sees.

Only x86-64 Linux: elsewhere calls have other numbers.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tiktoken_cache_init.leftovers import PREFIX

_FD, _PATH, _AT = "fd", "path", "at"
"""Kinds of argument: a descriptor; a path; a descriptor and a path below it. `_AT` takes two of the six arguments."""

# Number -> name and kinds of arguments in order; None stands for an argument that names no file.
_ON_FILES: dict[int, tuple[str, tuple[str | None, ...]]] = {
    0: ("read", (_FD,)),
    1: ("write", (_FD,)),
    2: ("open", (_PATH,)),
    3: ("close", (_FD,)),
    4: ("stat", (_PATH,)),
    5: ("fstat", (_FD,)),
    6: ("lstat", (_PATH,)),
    8: ("lseek", (_FD,)),
    9: ("mmap", (None, None, None, None, _FD)),
    16: ("ioctl", (_FD,)),
    17: ("pread64", (_FD,)),
    18: ("pwrite64", (_FD,)),
    19: ("readv", (_FD,)),
    20: ("writev", (_FD,)),
    21: ("access", (_PATH,)),
    32: ("dup", (_FD,)),
    33: ("dup2", (_FD,)),
    40: ("sendfile", (_FD, _FD)),
    59: ("execve", (_PATH,)),
    72: ("fcntl", (_FD,)),
    73: ("flock", (_FD,)),
    74: ("fsync", (_FD,)),
    75: ("fdatasync", (_FD,)),
    76: ("truncate", (_PATH,)),
    77: ("ftruncate", (_FD,)),
    78: ("getdents", (_FD,)),
    80: ("chdir", (_PATH,)),
    81: ("fchdir", (_FD,)),
    82: ("rename", (_PATH, _PATH)),
    83: ("mkdir", (_PATH,)),
    84: ("rmdir", (_PATH,)),
    85: ("creat", (_PATH,)),
    86: ("link", (_PATH, _PATH)),
    87: ("unlink", (_PATH,)),
    88: ("symlink", (None, _PATH)),
    89: ("readlink", (_PATH,)),
    90: ("chmod", (_PATH,)),
    91: ("fchmod", (_FD,)),
    92: ("chown", (_PATH,)),
    93: ("fchown", (_FD,)),
    94: ("lchown", (_PATH,)),
    133: ("mknod", (_PATH,)),
    137: ("statfs", (_PATH,)),
    138: ("fstatfs", (_FD,)),
    188: ("setxattr", (_PATH,)),
    190: ("fsetxattr", (_FD,)),
    191: ("getxattr", (_PATH,)),
    193: ("fgetxattr", (_FD,)),
    194: ("listxattr", (_PATH,)),
    196: ("flistxattr", (_FD,)),
    217: ("getdents64", (_FD,)),
    221: ("fadvise64", (_FD,)),
    235: ("utimes", (_PATH,)),
    257: ("openat", (_AT,)),
    258: ("mkdirat", (_AT,)),
    259: ("mknodat", (_AT,)),
    260: ("fchownat", (_AT,)),
    262: ("newfstatat", (_AT,)),
    263: ("unlinkat", (_AT,)),
    264: ("renameat", (_AT, _AT)),
    265: ("linkat", (_AT, _AT)),
    266: ("symlinkat", (None, _AT)),
    267: ("readlinkat", (_AT,)),
    268: ("fchmodat", (_AT,)),
    269: ("faccessat", (_AT,)),
    275: ("splice", (_FD, None, _FD)),
    277: ("sync_file_range", (_FD,)),
    280: ("utimensat", (_AT,)),
    285: ("fallocate", (_FD,)),
    292: ("dup3", (_FD,)),
    295: ("preadv", (_FD,)),
    296: ("pwritev", (_FD,)),
    306: ("syncfs", (_FD,)),
    316: ("renameat2", (_AT, _AT)),
    326: ("copy_file_range", (_FD, None, _FD)),
    327: ("preadv2", (_FD,)),
    328: ("pwritev2", (_FD,)),
    332: ("statx", (_AT,)),
    437: ("openat2", (_AT,)),
    439: ("faccessat2", (_AT,)),
    452: ("fchmodat2", (_AT,)),
}

# mprotect, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, sched_yield, mremap, madvise, nanosleep, getpid, clone, exit,
# kill, uname, getcwd, getrlimit, sysinfo, getuid, getgid, geteuid, getegid, getppid, sigaltstack, arch_prctl, gettid, futex,
# sched_getaffinity, epoll_create, set_tid_address, clock_gettime, clock_nanosleep, exit_group, tgkill, set_robust_list,
# epoll_create1, pipe2, prlimit64, getrandom, membarrier, rseq, clone3, poll, select.
_NOT_ON_FILES = frozenset(
    {7, 10, 11, 12, 13, 14, 15, 23, 24, 25, 28, 35, 39, 56, 60, 62, 63, 79, 97, 99, 102, 104, 107, 108, 110, 131, 158}
    | {186, 202, 204, 213, 218, 228, 230, 231, 234, 273, 291, 293, 302, 318, 324, 334, 435}
)

_PTRACE_TRACEME, _PTRACE_CONT, _PTRACE_SYSCALL, _PTRACE_SETOPTIONS = 0, 7, 24, 0x4200
_PTRACE_POKEUSER, _PTRACE_GET_SYSCALL_INFO = 6, 0x420E
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000  # TRACESYSGOOD, FORK, VFORK, CLONE, EXEC, EXITKILL
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_ORIG_RAX, _RAX = 15 * 8, 10 * 8
_WALL = 0x40000000
_ENTRY = 1
_AT_FDCWD = -100
_O_CREAT = os.O_CREAT
_LONGEST = 60.0


class Point(NamedTuple):
    """One call that a run makes on the volume."""

    call: str
    on: str
    """What it is done to: ``folder``, ``temp N`` in the order in which they are first seen, or a name in the folder."""
    ordinal: int
    """How many calls of this name on this thing there have been, with this one."""

    def __str__(self) -> str:
        return f"{self.call}({self.on}) #{self.ordinal}"


class Fault(NamedTuple):
    """What happens at a point: the process is killed, or the call fails."""

    point: Point
    error: int | None
    """The errno, or None to kill."""

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error] if self.error else 'KILL'} at {self.point}"


class Traced(NamedTuple):
    """A run that is over."""

    points: tuple[Point, ...]
    """The calls on the folder in the order in which they began; those after a fault are not recorded."""
    hit: bool
    """Whether the run came to the fault's point."""
    exit_code: int
    """As a shell gives it: 128 + n after signal n."""
    stderr: str
    stdout: str
    timed_out: bool


class _SyscallInfo(ctypes.Structure):
    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64),
        ("stack_pointer", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
        ("rest", ctypes.c_uint64 * 2),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def _ptrace(request: int, task: int, address: int = 0, data: int = 0) -> bool:
    """Do a ptrace call, and say whether the task was still there to take it."""
    if _libc.ptrace(request, task, address, data) >= 0:
        return True
    number = ctypes.get_errno()
    if number == errno.ESRCH:
        return False
    raise OSError(number, f"ptrace: {os.strerror(number)}")


def trace(command: Sequence[str], folder: Path, environment: Mapping[str, str], fault: Fault | None = None) -> Traced:
    """Run the command and list its calls on the folder and on what is in it; let the fault happen when it comes there.

    The folder's path must be absolute and without links, and need not exist yet.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(command, environment, out.fileno(), err.fileno())
        with contextlib.suppress(PermissionError):  # it has done so itself, and has gone on
            os.setpgid(child, child)
        tracing = _Tracing(child, str(folder), fault)
        watchdog = threading.Timer(_LONGEST, tracing.give_up)
        watchdog.start()
        try:
            exit_code = tracing.run()
        finally:
            watchdog.cancel()
        out.seek(0)
        err.seek(0)
        texts = err.read().decode(errors="replace"), out.read().decode(errors="replace")
    return Traced(tuple(tracing.points), tracing.hit, exit_code, *texts, tracing.timed_out)


def _become(command: Sequence[str], environment: Mapping[str, str], out: int, err: int) -> None:
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir("/")
        _ptrace(_PTRACE_TRACEME, 0)
        os.execve(command[0], list(command), dict(environment))
    finally:
        os._exit(127)


class _Tracing:
    """The state of one traced run."""

    def __init__(self, child: int, folder: str, fault: Fault | None) -> None:
        self.points: list[Point] = []
        self.hit = False
        self.timed_out = False
        self._child = child
        self._folder = folder
        self._fault = fault
        self._counts: Counter[tuple[str, str]] = Counter()
        self._temps: dict[str, int] = {}
        self._info = _SyscallInfo()
        self._memory = -1
        # Thread -> the errno that its call is to return.
        self._pending: dict[int, int] = {}

    def give_up(self) -> None:
        """End a run that takes far too long."""
        self.timed_out = True
        os.kill(self._child, signal.SIGKILL)

    def run(self) -> int:
        """Follow the run to its end and return its exit code."""
        exit_code = 127
        started = False
        try:
            while True:
                try:
                    # Its own process group, so that no other child of the test run is waited for here.
                    task, status = os.waitpid(-self._child, _WALL)
                except ChildProcessError:
                    return exit_code
                if not os.WIFSTOPPED(status):
                    if task == self._child:
                        exit_code = os.waitstatus_to_exitcode(status)
                        exit_code = exit_code if exit_code >= 0 else 128 - exit_code
                    continue
                if not started:
                    started = True
                    _ptrace(_PTRACE_SETOPTIONS, task, 0, _OPTIONS)
                    self._memory = os.open(f"/proc/{self._child}/mem", os.O_RDONLY)
                self._resume(task, status)
        finally:
            if self._memory >= 0:
                os.close(self._memory)

    def _resume(self, task: int, status: int) -> None:
        number = os.WSTOPSIG(status)
        deliver = 0
        if number == _SYSCALL_STOP:
            self._at_call(task)
        elif not status >> 16 and number not in (signal.SIGTRAP, signal.SIGSTOP):
            deliver = number
        # Once the fault has happened nothing is left to look for, and the run goes on at its own speed.
        over = self.hit and not self._pending
        _ptrace(_PTRACE_CONT if over else _PTRACE_SYSCALL, task, 0, deliver)

    def _at_call(self, task: int) -> None:
        info = self._info
        if not _ptrace(_PTRACE_GET_SYSCALL_INFO, task, ctypes.sizeof(info), ctypes.addressof(info)):
            return
        if info.op != _ENTRY:
            if task in self._pending:
                _ptrace(_PTRACE_POKEUSER, task, _RAX, (-self._pending.pop(task)) & 0xFFFFFFFFFFFFFFFF)
            return
        if self.hit:
            return
        point = self._point_of(info.number, info.arguments)
        if point is None:
            return
        self.points.append(point)
        if self._fault is not None and point == self._fault.point:
            self._strike(task, self._fault)

    def _strike(self, task: int, fault: Fault) -> None:
        self.hit = True
        if fault.error is None:
            # At the entry to a call: the kernel does not carry it out any more.
            os.kill(self._child, signal.SIGKILL)
            return
        self._pending[task] = fault.error
        if fault.point.call != "close":  # Linux releases the descriptor even where close fails
            _ptrace(_PTRACE_POKEUSER, task, _ORIG_RAX, 0xFFFFFFFFFFFFFFFF)

    def _point_of(self, number: int, arguments: Sequence[int]) -> Point | None:
        known = _ON_FILES.get(number)
        if known is None:
            if number not in _NOT_ON_FILES:
                raise NotImplementedError(f"system call {number} is in no table here, so what it does is not known")
            return None
        name, kinds = known
        paths = self._paths(kinds, arguments)
        inside = [path for path in paths if path == self._folder or path.startswith(self._folder + "/")]
        if not inside:
            return None
        on = " -> ".join(self._label(path) for path in inside)
        self._counts[name, on] += 1
        return Point(name, on, self._counts[name, on])

    def _paths(self, kinds: Sequence[str | None], arguments: Sequence[int]) -> list[str]:
        paths = []
        position = 0
        for kind in kinds:
            if kind == _FD:
                paths.append(self._open_path(arguments[position]))
            elif kind == _PATH:
                paths.append(self._below("", arguments[position]))
            elif kind == _AT:
                descriptor = ctypes.c_int32(arguments[position] & 0xFFFFFFFF).value
                base = "" if descriptor == _AT_FDCWD else self._open_path(descriptor)
                position += 1
                paths.append(self._below(base, arguments[position]))
            position += 1
        return paths

    def _open_path(self, descriptor: int) -> str:
        try:
            path = str(Path(f"/proc/{self._child}/fd/{ctypes.c_int32(descriptor & 0xFFFFFFFF).value}").readlink())
        except OSError:
            return ""
        return path.removesuffix(" (deleted)")

    def _below(self, base: str, address: int) -> str:
        text = b""
        if address:
            with contextlib.suppress(OSError):
                text = os.pread(self._memory, 4096, address).partition(b"\0")[0]
        path = os.fsdecode(text)
        # The run works in /, so that is where relative paths begin.
        return os.path.normpath(Path(base or "/", path)) if path or base else ""

    def _label(self, path: str) -> str:
        inner = path[len(self._folder) + 1 :]
        if not inner:
            return "folder"
        if inner.startswith(PREFIX):
            return f"temp {self._temps.setdefault(inner, len(self._temps) + 1)}"
        return inner
