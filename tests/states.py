"""Table of starting states: the content of the volume, the exit code, the output, and the effect on a gateway.

Four suites use it: `tests.test_states` (a fill on this host and in the image), `tests.consumers.test_verify` (`verify` and
the gateway stand-in), `tests.test_crowd` (a hundred fills at once) and `tests.faults` (every system call fails).
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.drivers import TWO, Host, install
from tests.machine import ROOT
from tests.vocabularies import DEFAULT, R50K, is_right
from tiktoken_cache_init.catalogue import Vocabulary
from tiktoken_cache_init.volume.staging import PREFIX

FAILS, COUNTS_WRONG, COUNTS_RIGHT = "fails", "counts-wrong", "counts-right"
READY = (
    "ready: the volume is right: a gateway that mounts it and sets TIKTOKEN_CACHE_DIR to the mount point starts and "
    "counts correctly"
)
"""Last line of `verify` for a volume with the files of a gateway."""


class State(NamedTuple):
    """Starting state of a volume, and the expected results."""

    name: str
    prepare: str = ""
    """Shell script that makes the state.

    $V is the volume, $H a directory next to it, and $S a directory with every vocabulary under its cache key. $A and $B
    are the cache keys of the two wanted vocabularies, and $PA and $PB their published names. $R is the cache key of
    r50k_base.
    """
    code: int = 0
    line: str = ""
    """Part of the output of the fill, with the same variables."""
    arguments: tuple[str, ...] = ()
    baked: bool = True
    """Whether vocabularies are baked in. If not, the volume itself is the only source."""
    gateway: str = ""
    """Effect on a gateway. Empty if `verify` is not tried."""
    told: str = ""
    """Part of the output of `verify`."""
    fixes: tuple[str, ...] = ("fill",)
    """Fixes that `verify` proposes. Each is tried."""
    inside: str = ""
    """Directory below the volume that the command gets as its cache directory."""
    user: str = ""
    """``UID:GID`` in place of root. Root has no capability either."""
    groups: str = ""
    capabilities: tuple[str, ...] = ()
    tmpfs: str = ""
    """Options of a tmpfs that is mounted as the volume."""
    read_only: bool = False
    mode: int = 0o644
    """Permission bits that the files must have at least."""
    after: str = "true"
    """Shell script that must succeed in the volume afterwards."""
    unchanged: bool | None = None
    """Whether the volume must stay the same. None means: only if the run fails."""
    repeated: bool = False
    """Whether the crowd and fault tests also start from this state."""

    @property
    def layout(self) -> str:
        """Layout that the arguments set."""
        return self.arguments[1] if "--layout" in self.arguments else "cache"

    @property
    def needs_root(self) -> bool:
        """Whether only root can make the state."""
        parts = (self.user, self.capabilities, self.tmpfs, self.read_only)
        return any(parts) or "chown" in self.prepare or "--owner" in self.arguments


_BOTH = "cp $S/$A $S/$B $V"
_SWAPPED = "cp $S/$A $V/$B; cp $S/$B $V/$A"
_OTHER = "cp $S/$B $V; "
"""Makes the second of the two files right."""
_PUBLISHED = "cp $S/$A $V/$PA; cp $S/$B $V/$PB"
_INSTALLED = "($A): installed from baked"
_FAILED = "error: could not obtain o200k_base.tiktoken: "
_PAGE = "<!DOCTYPE html><html><body>502</body></html>"


def _wrong(name: str, prepare: str, text: str, gateway: str, repeated: bool = False) -> State:
    """Return a state in which the first of the two files is wrong. The fill and `verify` name it with the text."""
    after = "cmp $A $S/$A && ! test -L $A"
    line = f"($A): was {text}: replaced from baked"
    return State(name, _OTHER + prepare, 0, line, gateway=gateway, told=text, after=after, repeated=repeated)


# One row for each effect on a gateway: tests/unit/volume/test_identify.py has every kind of wrong bytes.
_WRONG = (
    _wrong("empty file", ": >$V/$A", "empty (0 bytes)", COUNTS_WRONG),
    _wrong("cut at the end of a line", "head -n 50000 $S/$A >$V/$A",
           "cut at the end of a line (800,030 bytes of 1,681,126)", COUNTS_WRONG),
    _wrong("cut within a token", "(head -n 50000 $S/$A; sed -n 50001p $S/$A | head -c 6) >$V/$A",
           "truncated (800,036 bytes of 1,681,126)", FAILS),
    _wrong("HTML page", f"echo '{_PAGE}' >$V/$A",
           "an HTML page, such as an error page or a captive portal's login page (45 bytes)", FAILS),
    _wrong("another vocabulary", "cp $S/$R $V/$A", "the bytes of another vocabulary, r50k_base.tiktoken", COUNTS_WRONG),
    _wrong("wrong bytes of the right length", "sed 's/^IHdpdGg= /IHdpdHg= /' $S/$A >$V/$A",
           "wrong bytes (1,681,126 bytes, the right length)", COUNTS_WRONG),
    _wrong("FIFO", "mkfifo $V/$A", "not a regular file", ""),
    _wrong("directory in the way", "mkdir $V/$A", "an empty directory", FAILS, repeated=True),
    _wrong("link to a wrong file", "echo no >$V/x; ln -s x $V/$A",
           "cut at the end of a line (3 bytes of 1,681,126), a link to x", FAILS),
    _wrong("link out of the volume to the right bytes", "ln -s $S/$A $V/$A",
           "a link to $S/$A, which some consumers cannot follow", COUNTS_RIGHT),
)  # fmt: skip

_CONTENT = (
    State("nothing there", "", 0, _INSTALLED, gateway=FAILS, told="($A): missing", repeated=True),
    State("no directory", "rmdir $V", 0, "($B): installed from baked"),
    State("both right", _BOTH, 0, "($A): already right", gateway=COUNTS_RIGHT, told=READY, unchanged=True),
    State("poisoned: HTML page and empty file", f"echo '{_PAGE}' >$V/$A; : >$V/$B; echo keep >$V/note", 0,
          "($B): was empty (0 bytes): replaced from baked", gateway=FAILS, told="an HTML page", repeated=True),
    State("temporary files of killed runs",
          f"cp $S/$A $V; head -c 300000 $S/$B >$V/{PREFIX}0123; touch -d 1970-01-02 $V/{PREFIX}0123", 0,
          "($B): installed from baked", after=f"! test -e {PREFIX}0123", repeated=True),
    State("whole temporary file of a killed run", f"cp $S/$B $V; cp $S/$A $V/{PREFIX}0123", 0,
          f"($A): installed from {PREFIX}0123 in the volume", baked=False,
          gateway=FAILS, told=f"the right bytes are under another name, {PREFIX}0123: run fill"),
    State("link to a right file", _OTHER + "mkdir $V/kept; cp $S/$A $V/kept/x; ln -s kept/x $V/$A", 0,
          "($A): already right, a link to kept/x", gateway=COUNTS_RIGHT, unchanged=True),
)  # fmt: skip

_FOUND = (
    State("published names", _PUBLISHED, 0, "installed from cl100k_base.tiktoken in the volume", baked=False,
          gateway=FAILS, fixes=("fill", "copy"),
          told="the right bytes have the published name, which gateways do not look for: run fill, or copy $PA to $A"),
    State("a directory too deep", "mkdir $V/tiktoken; cp $S/$A $S/$B $V/tiktoken", 0,
          "installed from tiktoken/$A in the volume", baked=False, gateway=FAILS, fixes=("fill", "mount"),
          told="the right bytes are in a subdirectory, in tiktoken/$A: mount that directory, or run fill"),
    State("a directory too high", _BOTH + "; mkdir $V/tiktoken", 0, _INSTALLED, inside="tiktoken",
          gateway=FAILS, fixes=("mount", "copy"),
          told="the right bytes are one directory too high, in ../$A: mount that directory, or copy ../$A to $A"),
    State("names swapped, no source", _SWAPPED, 0,
          "the bytes of another vocabulary, o200k_base.tiktoken: replaced from $B in the volume", baked=False,
          gateway=COUNTS_WRONG, told="the right bytes are under another vocabulary's name, $B: run fill",
          repeated=True),
    State("under a directory in the way", _OTHER + "mkdir $V/$A; cp $S/$A $V/$A", 3,
          "$V/$A is a directory with content: move or remove it, then run again", baked=False),
    State("among files that must not be read",
          _OTHER + "mkfifo $V/a; truncate -s 10G $V/b; ln -s /dev/zero $V/c; mkdir $V/d; cp $S/$A $V/d/'x (1)'", 0,
          "installed from d/x (1) in the volume", baked=False),
    State("only one of the two, no source", "cp $S/$A $V/x; echo keep >$V/$B; ln -s $S/$B $V/y", 4, _FAILED, baked=False,
          after="test -f $A && grep -q keep $B", unchanged=False),
    State("in a directory that is a mirror",
          "mkdir $H $H/deeper; cp $S/$A $H/'cl100k_base.tiktoken (1)'; cp $S/$B $H/deeper/any", 0,
          "($B): installed from $H", ("--sources", "fetch", "--origin", "off", "--mirror", "$H")),
)  # fmt: skip

_THEIRS = "chown 1234:1234 $V; "
# The rest of the advice depends on the place: a host, a container or a pod.
_RUN_AS_OWNER = "this runs as {}, the directory belongs to {} with mode {}: run as its owner"
_GROUPS_ONLY = "chown 0:2000 $V; chmod 2770 $V"

_PERMISSIONS = (
    State("root's directory, another user", "", 3, _RUN_AS_OWNER.format("65532:65532", "0:0", "0755"),
          user="65532:65532"),
    State("root's directory, another user, ready", _BOTH, 0, "($A): already right", user="65532:65532",
          unchanged=True),
    State("another user's directory", _THEIRS, 3, _RUN_AS_OWNER.format("0:0", "1234:1234", "0755")),
    State("another user's directory, as its owner", _THEIRS, 0, _INSTALLED, user="1234:1234",
          after="test $(stat -c %u $A) = 1234"),
    State("set-gid directory, through fsGroup", "chown 0:2000 $V; chmod 2775 $V", 0, _INSTALLED,
          user="65532:65532", groups="2000", after="test $(stat -c %g $A) = 2000 && test $(stat -c %a .) = 2775"),
    State("set-gid directory closed to others", _GROUPS_ONLY, 3,
          "$V has mode 2770, so not every user can read its files, and its mode cannot be changed (Operation not "
          "permitted): run chmod 2775 on it, or, if the storage refuses that too (TrueNAS, ZFS with NFSv4 ACLs), let "
          "everyone@ read and traverse in its ACL, or set TIKTOKEN_INIT_MODE=0640 if the gateway's user can read it",
          user="65532:65532", groups="2000"),
    State("set-gid directory closed to others, MODE=0640", _GROUPS_ONLY, 0, _INSTALLED, ("--mode", "0640"),
          user="65532:65532", groups="2000", mode=0o640, after="test $(stat -c %a $A) = 640"),
    State("sticky directory, 1777", "chmod 1777 $V", 0, _INSTALLED, user="4321:4321"),
    State("sticky directory, another user's wrong file", _OTHER + "chmod 1777 $V; : >$V/$A", 3,
          "cannot install $V/$A: Operation not permitted: " + _RUN_AS_OWNER.format("4321:4321", "0:0", "1777"),
          user="4321:4321"),
    State("another user's unreadable file, which may be the only copy of the other",
          "cp $S/$B $V/$A; chmod 0600 $V/$A; chmod 0777 $V; mkdir $H; cp $S/$A $H", 4,
          "tried $A: it is not replaced, because it may be the only copy of o200k_base.tiktoken",
          ("--sources", "fetch", "--origin", "off", "--mirror", "$H"), user="65532:65532"),
    State("another user's unreadable file in our directory",
          _OTHER + "cp $S/$A $V; chmod 0600 $V/$A; chown 1234:1234 $V/$A", 0,
          "($A): was unreadable for user 0 (Permission denied): replaced from baked"),
    State("another user's file, 0640, readable for us",
          _BOTH + "; chown 1234:1234 $V; chown 0:1234 $V/$A; chmod 0640 $V/$A", 0,
          "($A): was right, but not readable by every user (mode 0640): replaced from", user="1234:1234"),
    State("our file, 0600", _BOTH + "; chmod 0600 $V/$A", 0,
          "($A): right, but not readable by every user (mode 0600): repaired",
          told="run fill, or chmod 0644 the file", gateway=FAILS, fixes=("fill", "chmod")),
    State("our file, 0000", _BOTH + "; chown 0:0 $V/$A; chmod 0000 $V/$A", 0,
          "($A): unreadable for user 0 (Permission denied): repaired", baked=False),
    State("our directory, 0000", _THEIRS + "chmod 0 $V", 0, _INSTALLED, user="1234:1234",
          after="test $(stat -c %a .) = 755"),
    State("our directory, 0700, ready", _BOTH + "; chmod 0700 $V", 0, "($A): already right",
          after="test $(stat -c %a .) = 755"),
    State("MODE=0664", _BOTH, 0, "right, but lacks permissions (mode 0644): repaired", ("--mode", "0664"), mode=0o664),
    State("OWNER=1234:1234, no capability", "", 3,
          "cannot give the files to 1234:1234: Operation not permitted: run as root with the capability CHOWN (",
          ("--owner", "1234:1234"), capabilities=("DAC_OVERRIDE",)),
    State("OWNER=1234:1234 and MODE=0600 in root's directory, 0700", "chmod 0700 $V", 0, _INSTALLED,
          ("--owner", "1234:1234", "--mode", "0600"), capabilities=("CHOWN",), mode=0o600,
          after="test $(stat -c %u:%g $A) = 1234:1234 && test $(stat -c %a .) = 705"),
    State("OWNER=1234, CHOWN, ready", _BOTH, 0, "($A): right, but owned by 0:0: repaired", ("--owner", "1234"),
          capabilities=("CHOWN", "FOWNER"), after="test $(stat -c %u:%g $A) = 1234:0"),
)  # fmt: skip

_NO_SPACE = "cannot write in $V: No space left on device: free at least 5,295,048 bytes"
_MOUNTS = (
    State("read-only, ready", _BOTH, 0, "($A): already right", read_only=True, unchanged=True),
    State("read-only, ready, with a ConfigMap's links",
          "mkdir $V/..1; cp $S/$A $S/$B $V/..1; ln -s ..1 $V/..data; ln -s ..data/$A $V/$A; ln -s ..data/$B $V/$B",
          0, "($A): already right, a link to ..data/$A", read_only=True, unchanged=True),
    State("read-only, nothing there", "", 3, "is mounted read-only and is not ready: cl100k_base.tiktoken (missing); "
          "o200k_base.tiktoken (missing): mount it read-write", read_only=True),
    State("2 MB, poisoned", "echo old >$V/$A; echo older >$V/$B", 3, _NO_SPACE, tmpfs="size=2m", unchanged=False,
          after="cmp $S/$A $A"),
    State("full to the last byte", "cat /dev/zero >$V/theirs 2>&- || true", 3, f"{_NO_SPACE} (0 bytes and ",
          tmpfs="size=2m"),
    State("7 MB, names swapped, no room for two copies", _SWAPPED, 3, _NO_SPACE, tmpfs="size=7m", baked=False),
    State("6 MB, nothing there: just enough", "", 0, _INSTALLED, tmpfs="size=6m"),
    State("no inodes", ": >$V/theirs", 3, "and 0 inodes are free); every file that was right is still right",
          tmpfs="size=20m,nr_inodes=2"),
)  # fmt: skip

_LAYOUTS = (
    State("layout published, nothing there", "", 0, "cl100k_base.tiktoken: installed from baked",
          ("--layout", "published")),
    State("layout both, all there", f"{_BOTH}; {_PUBLISHED}", 0, "$PA: already right", ("--layout", "both"),
          gateway=COUNTS_RIGHT, told=READY, unchanged=True),
    State("layout both, cache keys there", _BOTH, 0, "cl100k_base.tiktoken: installed from $A in the volume",
          ("--layout", "both"), gateway=COUNTS_RIGHT, fixes=("fill", "copy"), after="! test -L $PA",
          told="not ready: 2 of 4 files in $V, but a gateway (New-API, one-api) starts and counts correctly without "
          "them: "),
    State("layout both, names swapped, published names there", f"{_SWAPPED}; {_PUBLISHED}", 0,
          "($A): was the bytes of another vocabulary, o200k_base.tiktoken: replaced from cl100k_base.tiktoken in the "
          "volume", ("--layout", "both"), gateway=COUNTS_WRONG),
    State("layout both, a directory too high", f"{_BOTH}; {_PUBLISHED}; mkdir $V/tiktoken", 0,
          "cl100k_base.tiktoken: installed from baked", ("--layout", "both"),
          inside="tiktoken", gateway=FAILS, fixes=("mount", "copy"),
          told="the right bytes are one directory too high, in ../$A: mount that directory, or copy ../$A to $PA"),
)  # fmt: skip

STATES: tuple[State, ...] = (*_CONTENT, *_WRONG, *_FOUND, *_PERMISSIONS, *_MOUNTS, *_LAYOUTS)
REPEATED = tuple(state for state in STATES if state.repeated)
"""Starting states of the crowd and fault tests."""


def slug(state: State) -> str:
    """Return the state's name for a test's id."""
    return state.name.replace(" ", "-").replace("/", "-")


class Place(NamedTuple):
    """Directory that every user can reach, with a volume in it."""

    directory: Path
    vocabularies: Path
    """Every vocabulary under its cache key, readable by every user."""
    program: Path
    """Entry point with these vocabularies baked in."""
    pair: tuple[Vocabulary, Vocabulary] = DEFAULT

    @property
    def volume(self) -> Path:
        """The volume."""
        return self.directory / "volume"

    def host(self, *wrapper: str, baked: bool = True, unprivileged: bool = False) -> Host:
        """Return a driver for this machine, with the vocabularies of this place baked in or without any."""
        program = self.program if baked else ROOT / "entrypoint.py"
        return Host(wrapper, unprivileged, program, TWO)

    def text(self, text: str) -> str:
        """Replace the variables of the table in a text by their values."""
        for name, value in sorted(self._variables().items(), reverse=True):
            text = text.replace(f"${name}", value)
        return text

    def shell(self, script: str) -> None:
        """Run a script of the table, in the volume if it exists."""
        given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in self._variables().items())
        where = self.volume if self.volume.is_dir() else self.directory
        whole = f"set -e\numask 022\n{given}{script}\n"
        done = subprocess.run(["sh"], input=whole, cwd=where, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"

    def _variables(self) -> dict[str, str]:
        first, second = self.pair
        return {
            "V": str(self.volume),
            "H": str(self.directory / "handed-in"),
            "S": str(self.vocabularies),
            "A": first.cache_key,
            "B": second.cache_key,
            "PA": first.published_name,
            "PB": second.published_name,
            "R": R50K.cache_key,
        }

    def make(self, state: State) -> None:
        """Make the volume in a starting state."""
        self.volume.mkdir(mode=0o755)
        if state.tmpfs:
            mount("-t", "tmpfs", "-o", state.tmpfs, "tmpfs", str(self.volume))
        self.shell(state.prepare)

    def names(self, layout: str) -> dict[str, Vocabulary]:
        """Return each wanted name and the vocabulary that belongs there."""
        keys = {vocabulary.cache_key: vocabulary for vocabulary in self.pair}
        published = {vocabulary.published_name: vocabulary for vocabulary in self.pair}
        return {"cache": keys, "published": published, "both": keys | published}[layout]


def mount(*arguments: str) -> None:
    """Run mount."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def place(vocabularies: Path, pair: tuple[Vocabulary, Vocabulary] = DEFAULT) -> Iterator[Place]:
    """Make a place, and remove it at the end with everything that is mounted there.

    Args:
        vocabularies: a directory with every vocabulary under its cache key. The place gets copies for every user.
        pair: the two vocabularies that the scripts of the table use.
    """
    directory = Path(tempfile.mkdtemp(prefix="tiktoken-state-")).resolve()
    try:
        directory.chmod(0o755)
        readable = directory / "vocabularies"
        readable.mkdir(mode=0o755)
        for vocabulary in (*pair, R50K):
            shutil.copy(vocabularies / vocabulary.cache_key, readable)
        yield Place(directory, readable, install(directory / "program", readable), pair)
    finally:
        # os.path.ismount does not recognise a bind mount of a directory on itself, so umount is tried.
        while not subprocess.run(["umount", str(directory / "volume")], check=False, capture_output=True).returncode:
            pass
        shutil.rmtree(directory)


class Entry(NamedTuple):
    """File, directory or link in a volume."""

    kind: int
    mode: int
    owner: tuple[int, int]
    content: str
    """SHA-256 of a file, text of a link. A file of over 100 MB is not read."""


def snapshot(directory: Path) -> dict[str, Entry]:
    """Return everything in a directory and the directory itself, by its path there."""
    found = {}
    for path in (directory, *directory.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(status.st_mode) and status.st_size < 100 << 20:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
            found[str(path.relative_to(directory))] = Entry(stat.S_IFMT(status.st_mode), mode, owner, content)
    return found


def temporary(entries: dict[str, Entry]) -> set[str]:
    """Return the temporary files among the entries."""
    return {name for name in entries if name.startswith(PREFIX)}


def changed(names: dict[str, Vocabulary], before: dict[str, Entry], after: dict[str, Entry]) -> list[str]:
    """Return the changes to entries that a fill must not change. It may replace what has a wanted name."""
    lost = []
    for path, entry in before.items():
        top = path.partition("/")[0]
        if path == "." or top.startswith(PREFIX) or path in names:
            continue
        if entry != after.get(path):
            lost.append(f"{path} was {entry}, is {after.get(path)}")
    return lost


def check_filled(state: State, place: Place, code: int, said: str, before: dict[str, Entry]) -> None:
    """Compare the result of a fill with the row of the state, and with the rules for every fill."""
    assert (code, "Traceback" in said) == (state.code, False), said
    assert place.text(state.line) in said, f"{place.text(state.line)!r} is not in:\n{said}"
    assert len([line for line in said.splitlines() if "error:" in line]) == (code != 0), said
    directory = place.volume / state.inside
    after, names = snapshot(directory), place.names(state.layout)
    assert temporary(after) <= (temporary(before) if code else set())
    assert changed(names, before, after) == []
    if state.unchanged if state.unchanged is not None else code != 0:
        assert after == before
    if code == 0:
        for name, vocabulary in names.items():
            assert is_right(directory / name, vocabulary), f"{name} is {after.get(name)}"
            assert (directory / name).stat().st_mode & state.mode == state.mode
            assert (directory / name).resolve().is_relative_to(place.volume)
    place.shell(f"cd {shlex.quote(str(directory))}; {state.after}")
