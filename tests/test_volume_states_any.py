"""No arrangement of files, links, folders, FIFOs, sockets and devices makes a run crash, hang, or harm what is not its own."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.injection.campaign import Entry, snapshot
from tests.injection.states import BOOT_ID, MERGES, RANKS, Content, key
from tiktoken_cache_init import job  # noqa: F401  loaded before any run becomes a user that may not read it
from tiktoken_cache_init.catalogue import VOCABULARIES, cache_key
from tiktoken_cache_init.cli import main
from tiktoken_cache_init.leftovers import PREFIX
from tiktoken_cache_init.sources import baked, fetch  # noqa: F401

EXAMPLES = int(os.environ.get("VOLUME_STATES_EXAMPLES", "200"))
LONGEST = 30.0
"""Seconds after which a run counts as one that hangs."""
NOBODY = 65532

PRIVATE = b"".join(b"%s %d\n" % (token, rank) for rank, token in enumerate([b"YQ==", b"Yg==", b"Yw=="]))
PRIVATE_URL = "https://vocabularies.test/private/house.tiktoken"
PRIVATE_DIGEST = hashlib.sha256(PRIVATE).hexdigest()

FINAL = {
    "cache": [key(MERGES), key(RANKS), cache_key(PRIVATE_URL)],
    "published": [MERGES, RANKS, "house.tiktoken"],
}
DIGESTS = [known.sha256 for name in (MERGES, RANKS) for known in VOCABULARIES if known.published_name == name]
DIGESTS += [PRIVATE_DIGEST]


class File(NamedTuple):
    content: str
    mode: int = 0o644


class Folder(NamedTuple):
    inside: dict[str, Node]
    mode: int = 0o755


class Link(NamedTuple):
    text: str


class Special(NamedTuple):
    kind: str


Node = File | Folder | Link | Special


class Arrangement(NamedTuple):
    volume: Folder
    layout: str = "cache"
    user: int = 0
    """Who runs it, and owns the volume."""
    sources: bool = True
    """Whether there is a source beside the volume itself."""

    @property
    def final(self) -> list[str]:
        if self.layout == "both":
            return FINAL["cache"] + FINAL["published"]
        return FINAL[self.layout]


NAMES = [
    *[name for names in FINAL.values() for name in names],
    *[
        f"{key(MERGES)}.moved-aside-1",
        "encoder (1).json",
        "vocab.bpe.txt",
        "deeper",
        "-rf",
        "a\nb",
        "\udcff\udcfe",
        "\u202e",
    ],
    *[f"{PREFIX}00000000-0123456789abcdef", f"{PREFIX}{BOOT_ID.read_text()[:8]}-0123456789abcdef", PREFIX],
]
FILES = ["merges", "ranks", "private", "empty", "html", "cut", "crlf", "zeros", "long", "noise"]
# OUT is a folder beside the volume, IN is the volume itself.
LINKS = [
    *[key(MERGES), key(RANKS), MERGES, "deeper", "deeper/x", "nowhere", ".", "..", "/", "/dev/zero", "/proc/self/mem"],
    *[
        "OUT/merges",
        "OUT/ranks",
        "OUT",
        "OUT/fifo",
        "IN/vocab.bpe",
        "IN/deeper",
        f"IN/{key(RANKS)}",
        "../outside/merges",
    ],
    *[f"../volume/{key(MERGES)}", "x" * 300, "./././vocab.bpe"],
]
MODES = st.sampled_from([0o644, 0o600, 0o444, 0o000, 0o200, 0o777, 0o4755])
FOLDER_MODES = st.sampled_from([0o755, 0o700, 0o000, 0o555, 0o777, 0o1777, 0o2775])

# The names that a run must deal with are as frequent as all the others.
names = st.one_of(st.sampled_from([name for final in FINAL.values() for name in final]), st.sampled_from(NAMES))
leaves = st.one_of(
    st.builds(File, st.sampled_from(FILES), MODES),
    st.builds(Link, st.sampled_from(LINKS)),
    st.builds(Special, st.sampled_from(["fifo", "socket", "null", "zero"])),
)
nodes = st.recursive(
    leaves,
    lambda inner: st.builds(Folder, st.dictionaries(names, inner, max_size=3), FOLDER_MODES),
    max_leaves=6,
)
arrangements = st.builds(
    Arrangement,
    st.builds(Folder, st.dictionaries(names, nodes, max_size=8), FOLDER_MODES),
    st.sampled_from(["cache", "published", "both"]),
    st.sampled_from([0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]),
    st.booleans(),
)


class Place:
    """A volume that is arranged anew each time, what is around it, and runs on it."""

    def __init__(self, content: Content) -> None:
        self.around = Path(tempfile.mkdtemp(prefix="tiktoken-arranged-")).resolve()
        self.around.chmod(0o755)
        self.volume = self.around / "volume"
        self.bytes = {
            "merges": content[MERGES],
            "ranks": content[RANKS],
            "private": PRIVATE,
            "empty": b"",
            "html": b"<html><body>502</body></html>",
            "cut": content[MERGES][:200_000],
            "crlf": content[MERGES].replace(b"\n", b"\r\n"),
            "zeros": bytes(len(content[RANKS])),
            "long": content[MERGES] + b"more",
            "noise": b"\xff\xfe\x00" * 100,
        }
        self.outside, self.mirror, self.baked = (self.around / name for name in ("outside", "mirror", "baked"))
        for folder in (self.outside, self.mirror, self.baked):
            folder.mkdir(mode=0o755)
        for name, text in (("merges", MERGES), ("ranks", RANKS)):
            (self.outside / name).write_bytes(self.bytes[name])
            (self.baked / key(text)).write_bytes(self.bytes[name])
        os.mkfifo(self.outside / "fifo")
        # Loaded here, because a run that becomes another user may not be allowed to read the interpreter's own files.
        codecs.lookup("unicode_escape")
        (self.mirror / "house.tiktoken").write_bytes(PRIVATE)
        self.elsewhere = self._outside()

    def _outside(self) -> list[dict[str, Entry]]:
        return [snapshot(folder) for folder in (self.outside, self.mirror, self.baked)]

    def check_outside(self) -> None:
        """Nothing but the volume may have changed."""
        assert self._outside() == self.elsewhere
        assert {path.name for path in self.around.iterdir()} == {"outside", "mirror", "baked", "volume"}

    def arrange(self, arrangement: Arrangement) -> None:
        """Make the volume."""
        self._make(self.volume, arrangement.volume, arrangement.user)

    def _make(self, path: Path, node: Node, user: int) -> None:
        match node:
            case File(content, mode):
                path.write_bytes(self.bytes[content])
                os.chown(path, user, user)
                path.chmod(mode)
            case Folder(inside, mode):
                path.mkdir()
                for name, inner in inside.items():
                    self._make(path / name, inner, user)
                os.chown(path, user, user)
                path.chmod(mode)
            case Link(text):
                path.symlink_to(text.replace("OUT", str(self.outside)).replace("IN/", f"{self.volume}/"))
            case Special("fifo"):
                os.mkfifo(path)
            case Special("socket"):
                # The address of a socket has room for 108 bytes only.
                short = self.around / "s"
                with socket.socket(socket.AF_UNIX) as bound:
                    bound.bind(str(short))
                short.rename(path)
            case Special(kind):
                if os.geteuid() == 0:
                    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3 if kind == "null" else 5))

    def fill(self, arrangement: Arrangement) -> tuple[int, str]:
        """Run in a process of its own, in which nothing needs to be loaded again; return exit code and log."""
        arguments = ["fill", "--cache-dir", str(self.volume), "--encodings", "gpt2", "--layout", arrangement.layout]
        arguments += [
            "--extra",
            f"{PRIVATE_URL}#sha256={PRIVATE_DIGEST}",
            "--origin",
            "off",
            "--sources",
            "baked,fetch",
        ]
        arguments += ["--baked-dir", str(self.baked if arrangement.sources else self.around / "none")]
        arguments += ["--mirror", str(self.mirror)]
        with tempfile.TemporaryFile() as log:
            child = os.fork()
            if child == 0:
                try:
                    self._run(arguments, log.fileno(), arrangement.user)
                finally:
                    os._exit(99)
            exit_code = _wait(child)
            log.seek(0)
            return exit_code, log.read().decode()

    def _run(self, arguments: Sequence[str], log: int, user: int) -> None:
        os.umask(0o022)
        if user != os.geteuid():
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        with io.TextIOWrapper(os.fdopen(os.dup(log), "wb"), encoding="utf-8", write_through=True) as err:
            os._exit(main(arguments, {"PATH": os.defpath}, io.StringIO(), err))

    def clear(self) -> None:
        """Remove the volume."""
        for place, folders, _ in os.walk(self.volume):
            for name in folders:
                if not Path(place, name).is_symlink():
                    Path(place, name).chmod(0o700)
        shutil.rmtree(self.volume)


def _wait(child: int) -> int:
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


@pytest.fixture(scope="module")
def place(vocabularies: Path) -> Iterator[Place]:
    place = Place(Content(vocabularies))
    yield place
    shutil.rmtree(place.around)


def _is_right(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _check_what_is_not_ours(arrangement: Arrangement, before: dict[str, Entry], after: dict[str, Entry]) -> None:
    for path, was in before.items():
        top, slash, rest = path.partition("/")
        if not slash and (path in arrangement.final or path.startswith(PREFIX)) and was.kind != "folder":
            continue
        now = after.get(path)
        if top in arrangement.final and before[top].kind == "folder":
            asides = [name for name in after if name.startswith(f"{top}.moved-aside-") and "/" not in name]
            assert was in (now, *(after.get(aside + slash + rest) for aside in asides)), f"{path!r} is gone"
            continue
        assert now is not None, f"{path!r} is gone"
        assert now[:2] == was[:2], f"{path!r} was {was}, is {now}"
        # A file that a final name links to may be made readable.
        mended = was.content in DIGESTS and now.mode == was.mode | 0o644
        assert now.mode == was.mode or mended, f"{path!r} was {was}, is {now}"


def _check_nothing_is_lost(before: dict[str, Entry], after: dict[str, Entry]) -> None:
    was, now = (
        {e.content for path, e in entries.items() if not path.startswith(PREFIX)} for entries in (before, after)
    )
    assert not (was & set(DIGESTS)) - now, "good bytes are gone"


def check(place: Place, arrangement: Arrangement) -> None:
    """Run twice on the arrangement; whatever it is, this much must hold."""
    place.arrange(arrangement)
    try:
        before = snapshot(place.volume)
        exit_code, log = place.fill(arrangement)
        after = snapshot(place.volume)
        place.check_outside()
        assert exit_code in (0, 3, 4), (exit_code, log)
        last = log.splitlines()[-1]
        assert last.startswith("ready: " if exit_code == 0 else "tiktoken-cache-init: error: "), log
        assert "Traceback" not in log
        assert "standard output" not in log
        _check_what_is_not_ours(arrangement, before, after)
        _check_nothing_is_lost(before, after)
        new = [name for name in after if name.startswith(PREFIX) and name not in before]
        assert not new
        for name, digest in zip(arrangement.final, DIGESTS * 2, strict=False):
            if (old := before.get(name)) and old.content == digest:
                assert _is_right(place.volume / name, digest), f"{name} was right"
            if exit_code == 0:
                assert _is_right(place.volume / name, digest), f"{name} is not right"
                # In another container nothing but the volume is there.
                assert (place.volume / name).resolve().is_relative_to(place.volume), f"{name} leads out"
                assert (place.volume / name).stat().st_mode & 0o644 == 0o644
        can_write = arrangement.user == 0 or arrangement.volume.mode & 0o300 == 0o300
        if arrangement.sources and can_write:
            assert exit_code == 0, log
        if exit_code == 0:
            assert place.fill(arrangement)[0] == 0
            assert snapshot(place.volume) == after, "the second run changed something"
    finally:
        place.clear()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrangement=arrangements)
@example(Arrangement(Folder({key(MERGES): File("ranks"), key(RANKS): File("merges")}), sources=False))
@example(Arrangement(Folder({key(MERGES): File("ranks"), key(RANKS): File("merges", 0)}), user=NOBODY, sources=False))
@example(Arrangement(Folder({MERGES: File("ranks"), RANKS: File("merges")}), layout="both", sources=False))
@example(Arrangement(Folder({key(MERGES): Link(key(RANKS)), key(RANKS): Link(key(MERGES))})))
@example(Arrangement(Folder({key(MERGES): Folder({"x": Folder({}, 0o000)}, 0o000)}), user=NOBODY))
@example(Arrangement(Folder({key(MERGES): Link("OUT/merges"), key(RANKS): File("html", 0)}), user=NOBODY))
@example(Arrangement(Folder({key(MERGES): Special("zero"), key(RANKS): Special("fifo"), MERGES: Link("/dev/zero")})))
def test_any_arrangement_ends_right_or_untouched(place: Place, arrangement: Arrangement) -> None:
    check(place, arrangement)
