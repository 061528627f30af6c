"""The table of starting states: what is in the volume and how it is mounted, how a run on it ends, and the line it prints.

`tests.test_volume_states` holds this machine against it, and `tests.containers.test_volume_states` the image on a real
engine, with real mounts. Besides what a row says, `check` holds each of them to what must be true of all.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pytest

from tiktoken_cache_init.catalogue import VOCABULARIES
from tiktoken_cache_init.leftovers import PREFIX

CL100K, O200K = (vocabulary.cache_key for vocabulary in VOCABULARIES[:2])
DIGESTS = {vocabulary.cache_key: vocabulary.sha256 for vocabulary in VOCABULARIES[:2]}
PUBLISHED = {vocabulary.published_name: vocabulary.sha256 for vocabulary in VOCABULARIES[:2]}
NAMES = {"cache": DIGESTS, "published": PUBLISHED, "both": DIGESTS | PUBLISHED}
[R50K] = (vocabulary.cache_key for vocabulary in VOCABULARIES if vocabulary.published_name == "r50k_base.tiktoken")

EPERM, ENOLCK, EDQUOT = 1, 37, 122

NOWHERE = ("--sources", "baked", "--baked-dir", "/nowhere")
"""No source beside the volume itself."""


class Row(NamedTuple):
    """One starting state, and what must come of it."""

    group: str
    name: str
    prepare: str
    """A shell script, run as root, that makes the volume: $V is the volume, $H a folder beside it, $S holds every vocabulary
    under its cache key, $C and $O are the keys of cl100k_base and o200k_base, $R that of r50k_base."""
    code: int
    line: str
    """What one of the printed lines has in it; $V, $H, $C and $O stand for the same."""
    arguments: tuple[str, ...] = ()
    user: str = ""
    """``UID:GID`` instead of root; neither has any capability."""
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    tmpfs: str = ""
    """The options of the tmpfs that the volume is; otherwise it is a folder that is mounted."""
    named: bool = False
    """Whether the volume is a new named one, which takes its owner and mode from the image."""
    read_only: bool = False
    refused: tuple[tuple[str, int], ...] = ()
    """(system call, errno) of calls that this volume does not offer."""
    umask: int = 0o022
    mode: int = 0o644
    """What the wanted files must have at least, where the run ends in 0."""
    layout: str = "cache"
    after: str = "true"
    """A shell script that must end in 0 in the volume afterwards."""
    unchanged: bool | None = None
    """Whether the volume must be as it was; None: where the run does not end in 0."""

    @property
    def needs_root(self) -> bool:
        """Whether only root can make the state."""
        return bool(self.user or self.tmpfs or self.read_only or "chown" in self.prepare or self.capabilities)


class Entry(NamedTuple):
    """One thing in a volume."""

    permissions: str
    """As ``ls -l`` shows them, with the kind."""
    owner: str
    target: str
    """Where a link leads."""
    digest: str
    """The SHA-256 of a file's content."""


class Ended(NamedTuple):
    """A run that is over."""

    code: int
    output: str
    """Standard error and standard output."""


_AS_IT_SHOULD_BE = "as it should be"
# Nothing huge is read, as nothing huge is made but to see that it is not read.
_SNAPSHOT = """
if cd "$V"; then
    find . -exec stat -c 'entry %A %u:%g %N' {} +
    find . -type f -size -100000 -exec sha256sum {} +
fi
"""


def script(row: Row, volume: str, beside: str, vocabularies: str, text: str) -> str:
    """Return a shell script with the variables that a row's scripts use."""
    values = {"V": volume, "H": beside, "S": vocabularies, "C": CL100K, "O": O200K, "R": R50K}
    given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f"set -e\numask 022\n{given}{text}\n"


def _entries(printed: str) -> dict[str, Entry]:
    """Read what `_SNAPSHOT` printed: path -> entry; ``.`` is the volume itself."""
    digests = {}
    found = {}
    for line in printed.splitlines():
        if match := re.fullmatch(r"(?P<digest>[0-9a-f]{64})  \./(?P<name>.*)", line):
            digests[match["name"]] = match["digest"]
        elif match := re.fullmatch(r"entry (\S+) (\S+) '?\./?([^']*?)'?(?: -> '?([^']*)'?)?", line):
            found[match[3] or "."] = Entry(match[1], match[2], match[4] or "", "")
    return {name: entry._replace(digest=digests.get(name, "")) for name, entry in found.items()}


def before(row: Row) -> str:
    """Return the script that makes the row's volume, and prints what `check` wants to know of it."""
    return f"{row.prepare}\n{_SNAPSHOT}"


def after(row: Row) -> str:
    """Return the script that prints what `check` wants to know when the run is over."""
    return f"{_SNAPSHOT}\nif ({row.after}); then echo '{_AS_IT_SHOULD_BE}'; fi"


def check(row: Row, ended: Ended, was: str, is_now: str, place: str) -> str:
    """Hold a run against its row, and against what must be true of every run; return the line that it was asked for.

    ``was`` and ``is_now`` are what `before` and `after` printed; ``was`` is empty where nobody could look. ``place`` is
    what the run calls the volume.
    """
    new = _entries(is_now)
    old = _entries(was) if was or not row.named else {".": new["."]}
    assert ended.code == row.code, ended.output
    lines = ended.output.splitlines()
    assert "Traceback" not in ended.output
    assert len([line for line in lines if "error:" in line]) == (0 if row.code in (0, 1) else 1), ended.output
    wanted_line = row.line
    for name, value in {"$C": CL100K, "$O": O200K, "$V": place}.items():
        wanted_line = wanted_line.replace(name, value)
    said = [line for line in lines if wanted_line in line]
    assert said, f"{wanted_line!r} is not in:\n{ended.output}"

    assert [name for name in new if name.rpartition("/")[2].startswith(PREFIX) and name not in old] == []
    if row.code == 0:
        assert [name for name in new if name.startswith(PREFIX)] == []
        _check_ready(row, new)
    if row.unchanged if row.unchanged is not None else row.code != 0:
        assert new == old
    _check_what_is_not_ours(row, old, new)
    assert _AS_IT_SHOULD_BE in is_now.splitlines(), row.after
    return (
        said[0].replace(CL100K, CL100K[:4] + "...").replace(O200K, O200K[:4] + "...").replace(place, "/cache/tiktoken")
    )


def _check_ready(row: Row, after: Mapping[str, Entry]) -> None:
    for name, digest in NAMES[row.layout].items():
        entry = after[_resolved(name, after)]
        assert entry.digest == digest, f"{name} is {entry}"
        assert _mode(entry) & row.mode == row.mode, f"{name} is {entry}"


def _resolved(name: str, after: Mapping[str, Entry]) -> str:
    """Follow links inside the volume, as far as the rows have them."""
    top, slash, rest = name.partition("/")
    target = after[top].target
    return _resolved(target + slash + rest, after) if target else name


def _check_what_is_not_ours(row: Row, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
    for name, was in before.items():
        top, slash, rest = name.partition("/")
        if name == "." or (name in NAMES[row.layout] and not was.permissions.startswith("d")) or top.startswith(PREFIX):
            continue
        aside = after.get(f"{top}.moved-aside-1{slash}{rest}") if top in NAMES[row.layout] else None
        assert was in (after.get(name), aside), f"{name} was {was}, is {after.get(name)}"


def _mode(entry: Entry) -> int:
    return sum(1 << (8 - place) for place, letter in enumerate(entry.permissions[1:10]) if letter not in "-ST")


INSPECT, RECOGNISE, PERMISSIONS = "Inspect", "Recognise", "Permissions"
READ_ONLY, FULL, LOCKS, LAYOUTS = "Read-only", "Full disk", "Many at once", "Layouts"

_BOTH = "cp $S/$C $S/$O $V"
_SWAPPED = "cp $S/$C $V/$O; cp $S/$O $V/$C"
_OTHER = "cp $S/$O $V; "
"""The one of the two that is right."""
_PUBLISHED = "cp $S/$C $V/cl100k_base.tiktoken; cp $S/$O $V/o200k_base.tiktoken"
_REPLACED = ": replaced from baked"
_WAYS_OUT = "or as root with DAC_OVERRIDE (compose: cap_add; Kubernetes: capabilities.add)"
_COUNTS_WRONG = "the gateway starts and COUNTS WRONG"


def _run_as(us: str, owner: str, mode: str) -> str:
    number = owner.partition(":")[0]
    return (
        f"we are {us}, the folder belongs to {owner} with mode {mode}: run the init container as its owner "
        f'(compose: user: "{owner}"; Kubernetes: securityContext.runAsUser: {number}), {_WAYS_OUT}'
    )


def _inspect() -> Iterable[Row]:
    def wrong(name: str, prepare: str, text: str, after: str = "test -f $C && ! test -L $C") -> Row:
        return Row(INSPECT, name, _OTHER + prepare, 0, f"($C): was {text}", after=after)

    yield Row(INSPECT, "nothing there", "", 0, "cl100k_base.tiktoken ($C): installed from baked")
    yield Row(INSPECT, "no folder", "rmdir $V", 0, "o200k_base.tiktoken ($O): installed from baked")
    yield Row(INSPECT, "both right", _BOTH, 0, "($C): already right", unchanged=True)
    yield Row(INSPECT, "one missing", _OTHER, 0, "($C): installed from baked")
    yield wrong("empty file", ": > $V/$C", f"empty (0 bytes){_REPLACED}")
    yield wrong("cut in a line", "head -c 100000 $S/$C > $V/$C", f"truncated (100,000 bytes of 1,681,126){_REPLACED}")
    yield wrong(
        "cut at a line's end", "head -n 50000 $S/$C > $V/$C", "cut at a line's end (800,030 bytes of 1,681,126)"
    )
    page = "<!DOCTYPE html><html><body>502</body></html>"
    yield wrong(
        "HTML page", f"echo '{page}' > $V/$C", "an HTML page, as an error page or a captive portal sends (45 bytes)"
    )
    yield wrong(
        "XML error",
        "echo '<?xml version=\"1.0\"?><Error/>' > $V/$C",
        "an XML document, as a storage service's error is",
    )
    yield wrong("JSON error", """echo '{"error": "no"}' > $V/$C""", "a JSON error message")
    yield wrong("still compressed", "gzip -c $S/$C > $V/$C", "a compressed file: it must be unpacked first")
    yield wrong("Git LFS pointer", "echo 'version https://git-lfs.github.com/spec/v1' > $V/$C", "a Git LFS pointer")
    yield wrong("zero bytes", "head -c 1681126 /dev/zero > $V/$C", "nothing but zero bytes (1,681,126 bytes)")
    yield wrong(
        "another vocabulary",
        "cp $S/$R $V/$C",
        "the bytes of another vocabulary, r50k_base.tiktoken",
        "cmp $C $S/$C && cmp $R $S/$R",
    )
    yield wrong("CRLF line ends", "awk '{printf \"%s\\r\\n\", $0}' $S/$C > $V/$C", "the right text with CRLF line ends")
    yield wrong(
        "byte order mark", "(printf '\\357\\273\\277'; cat $S/$C) > $V/$C", "the right text behind a byte order mark"
    )
    yield wrong(
        "wrong bytes, right length",
        "(printf x; tail -c 1681125 $S/$C) > $V/$C",
        "wrong bytes (1,681,126 bytes, the right length)",
    )
    yield wrong("too long", "(cat $S/$C; echo 'more 100256') > $V/$C", "too long (1,681,138 bytes of 1,681,126)")
    yield wrong("a FIFO", "mkfifo $V/$C", f"a FIFO, not a regular file{_REPLACED}")
    yield wrong(
        "a directory",
        "mkdir $V/$C; echo keep > $V/$C/precious",
        f"a directory{_REPLACED}",
        "test -f $C && grep -q keep $C.moved-aside-1/precious",
    )
    yield Row(
        INSPECT,
        "link to a good file",
        _OTHER + "mkdir $V/kept; cp $S/$C $V/kept/x; ln -s kept/x $V/$C",
        0,
        "($C): right, a link to kept/x",
        unchanged=True,
    )
    yield wrong(
        "link to a wrong file",
        "echo no > $V/x; ln -s x $V/$C",
        "cut at a line's end (3 bytes of 1,681,126), a link to x",
    )
    yield wrong("link to nothing", "ln -s nothing $V/$C", f"a link to nothing, which leads nowhere{_REPLACED}")
    yield wrong("link that loops", "ln -s $C $V/$C", "a link to $C, which loops")
    yield wrong("links that loop", "ln -s y $V/x; ln -s x $V/y; ln -s y $V/$C", "a link to y, which loops")
    yield Row(
        INSPECT,
        "link to a link to a good file",
        _OTHER + "cp $S/$C $V/x; ln -s x $V/y; ln -s y $V/$C",
        0,
        "($C): right, a link to y",
    )
    yield wrong("link out of the volume", "ln -s /etc/passwd $V/$C", "a link to /etc/passwd, which leads ")
    yield wrong("link to a directory", "mkdir $V/kept; ln -s kept $V/$C", f"a directory, a link to kept{_REPLACED}")
    yield Row(
        INSPECT,
        "unreadable, and ours to replace",
        _OTHER + "cp $S/$C $V; chmod 0600 $V/$C; chown 1234:1234 $V/$C",
        0,
        "($C): cannot be read: Permission denied: replaced from baked",
    )

    def doctor(name: str, prepare: str, code: int, line: str) -> Row:
        return Row(INSPECT, f"verify: {name}", prepare, code, line, arguments=("verify",), unchanged=True)

    yield doctor("nothing there", "", 1, "($C): missing; the gateway dies: failed to get gpt-3.5-turbo token encoder:")
    yield doctor("both right", _BOTH, 0, "a gateway with $V starts and counts right")
    yield doctor("empty file", _OTHER + ": > $V/$C", 1, f"($C): empty (0 bytes); {_COUNTS_WRONG}; cure: run fill")
    yield doctor(
        "cut at a line's end", _OTHER + "head -n 50000 $S/$C > $V/$C", 1, f"bytes of 1,681,126); {_COUNTS_WRONG}"
    )
    yield doctor("names swapped", _SWAPPED, 1, f"the bytes of another vocabulary, o200k_base.tiktoken; {_COUNTS_WRONG}")
    yield doctor(
        "HTML page",
        _OTHER + f"echo '{page}' > $V/$C",
        1,
        "the gateway dies: failed to get gpt-3.5-turbo token encoder: illegal base64",
    )
    yield doctor("one missing", _OTHER, 1, "o200k_base.tiktoken alone is not enough")


def _recognise() -> Iterable[Row]:
    def found(name: str, prepare: str, place: str, **more: object) -> Row:
        row = Row(RECOGNISE, name, prepare, 0, f"from {place} in the volume", NOWHERE)
        return row._replace(**more)  # type: ignore[arg-type]

    yield found("published names", _PUBLISHED, "cl100k_base.tiktoken")
    yield found("a browser's .txt", _OTHER + "cp $S/$C $V/cl100k_base.tiktoken.txt", "cl100k_base.tiktoken.txt")
    yield found("a second download", _OTHER + "cp $S/$C $V/'cl100k_base.tiktoken (1)'", "cl100k_base.tiktoken (1)")
    yield found("a folder too deep", "mkdir $V/tiktoken; cp $S/$C $S/$O $V/tiktoken", "tiktoken/$C")
    yield found("three folders too deep", _OTHER + "mkdir -p $V/a/b/c; cp $S/$C $V/a/b/c/x", "a/b/c/x")
    yield found("the two names swapped", _SWAPPED, "$O")
    yield found("under a directory in the way", _OTHER + "mkdir $V/$C; cp $S/$C $V/$C", "$C/$C")
    yield found(
        "among what must not be read",
        _OTHER + "mkfifo $V/a; truncate -s 10G $V/b; ln -s /dev/zero $V/c; mkdir $V/d; cp $S/$C $V/d/x",
        "d/x",
    )
    yield Row(RECOGNISE, "one here, one baked", "cp $S/$C $V/x", 0, "($O): installed from baked")
    yield Row(
        RECOGNISE,
        "a link out of the volume",
        _OTHER + "ln -s $S/$C $V/cl100k_base.tiktoken",
        4,
        "error: could not obtain cl100k_base.tiktoken: ",
        NOWHERE,
    )
    yield Row(
        RECOGNISE,
        "only one of the two",
        "cp $S/$C $V/x; echo keep > $V/$O",
        4,
        "error: could not obtain o200k_base.tiktoken: ",
        NOWHERE,
        after="test -f $C && grep -q keep $O",
        unchanged=False,
    )
    yield Row(
        RECOGNISE,
        "in a folder handed in",
        "mkdir $H $H/deeper; cp $S/$C $H/'cl100k_base.tiktoken (1)'; cp $S/$O $H/deeper/any",
        0,
        "($O): installed from /handed-in",
        ("--sources", "fetch", "--origin", "off", "--mirror", "/handed-in"),
    )
    yield Row(
        RECOGNISE,
        "verify: published names",
        _PUBLISHED,
        1,
        "its bytes are there under the published name, which the gateways do not look for: run fill, or rename it to $C",
        ("verify",),
        unchanged=True,
    )
    yield Row(
        RECOGNISE,
        "swapped, one of them unreadable",
        f"{_SWAPPED}; chown 1234:1234 $V $V/$C $V/$O; chmod 0 $V/$C",
        4,
        "error: could not obtain ",
        NOWHERE,
        user="1234:1234",
        after="sha256sum $C $O | grep -q 446a9538cb6c && sha256sum $C $O | grep -q 223921b76ee9",
        unchanged=False,
    )


def _permissions() -> Iterable[Row]:
    def row(name: str, prepare: str, code: int, line: str, **more: object) -> Row:
        return Row(PERMISSIONS, name, prepare, code, line)._replace(**more)  # type: ignore[arg-type]

    installed = "($C): installed from baked"
    theirs = "chown 1234:1234 $V; "
    yield row("new named volume", "", 0, installed, named=True)
    yield row(
        "new named volume, another user", "", 3, _run_as("65532:65532", "0:0", "0755"), named=True, user="65532:65532"
    )
    yield row("root:root 0755, another user", "", 3, _run_as("65532:65532", "0:0", "0755"), user="65532:65532")
    yield row(
        "root:root 0755 and ready, another user", _BOTH, 0, "($C): already right", user="65532:65532", unchanged=True
    )
    yield row(
        "root:root 0755 and poisoned, another user",
        _OTHER + ": > $V/$C",
        3,
        _run_as("65532:65532", "0:0", "0755"),
        user="65532:65532",
    )
    yield row("somebody else's folder", theirs, 3, _run_as("0:0", "1234:1234", "0755"))
    yield row("somebody else's folder, with DAC_OVERRIDE", theirs, 0, installed, capabilities=("DAC_OVERRIDE",))
    yield row(
        "somebody else's folder, as its owner",
        theirs,
        0,
        installed,
        user="1234:1234",
        after="test $(stat -c %u $C) = 1234",
    )
    yield row("somebody else's folder, 0777", theirs + "chmod 0777 $V", 0, installed)
    yield row(
        "somebody else's folder, 0700", theirs + "chmod 0700 $V", 3, "cannot open $V: Permission denied: we are 0:0"
    )
    yield row(
        "set-gid folder, through its group",
        "chown 0:2000 $V; chmod 2775 $V",
        0,
        installed,
        user="1000:2000",
        after="test $(stat -c %g $C) = 2000 && test $(stat -c %a .) = 2775",
    )
    yield row(
        "set-gid folder, through fsGroup",
        "chown 0:2000 $V; chmod 2775 $V",
        0,
        installed,
        user="65532:65532",
        groups=(2000,),
        after="test $(stat -c %g $C) = 2000",
    )
    yield row(
        "set-gid folder closed to others",
        "chown 0:2000 $V; chmod 2770 $V",
        3,
        "$V has mode 2770, so that not every user can read in it, and we cannot change that (Operation not permitted): chmod 2775 it, or set TIKTOKEN_INIT_DIR_MODE=2770",
        user="65532:65532",
        groups=(2000,),
    )
    yield row(
        "set-gid folder closed to others, DIR_MODE=0770",
        "chown 0:2000 $V; chmod 2770 $V",
        0,
        installed,
        user="65532:65532",
        groups=(2000,),
        arguments=("--dir-mode", "0770"),
    )
    yield row("sticky 1777", "chmod 1777 $V", 0, installed, user="4321:4321")
    yield row(
        "sticky 1777, somebody else's wrong file",
        _OTHER + "chmod 1777 $V; : > $V/$C",
        3,
        "cannot install $V/$C: Operation not permitted: we are 4321:4321",
        user="4321:4321",
    )
    yield row(
        "sticky 1777, somebody else's swapped files",
        _SWAPPED + "; chmod 1777 $V",
        3,
        "Operation not permitted: we are 4321:4321",
        user="4321:4321",
        arguments=NOWHERE,
    )
    yield row(
        "our files, 0600",
        _BOTH + "; chmod 0600 $V/$C",
        0,
        "($C): right, but not readable by every user (mode 0600): mended",
    )
    yield row(
        "somebody else's file, 0640, readable for us",
        _BOTH + "; chown 1234:1234 $V; chown 0:1234 $V/$C; chmod 0640 $V/$C",
        0,
        "($C): right, but not readable by every user (mode 0640): replaced from",
        user="1234:1234",
    )
    yield row("our folder, 0700", "chmod 0700 $V", 0, installed, after="test $(stat -c %a .) = 755")
    yield row(
        "our folder, 0700, ready",
        _BOTH + "; chmod 0700 $V",
        0,
        "($C): already right",
        after="test $(stat -c %a .) = 755",
    )
    yield row(
        "our folder, 0700, DIR_MODE=0700",
        "chmod 0700 $V",
        0,
        installed,
        arguments=("--dir-mode", "0700"),
        after="test $(stat -c %a .) = 700",
    )
    yield row(
        "MODE=0640", "", 0, installed, arguments=("--mode", "0640"), mode=0o640, after="test $(stat -c %a $C) = 640"
    )
    yield row(
        "MODE=0664",
        _BOTH,
        0,
        "right, but lacks permissions (mode 0644): mended",
        arguments=("--mode", "0664"),
        mode=0o664,
    )
    yield row("a restrictive umask", "rmdir $V", 0, installed, umask=0o077, after="test $(stat -c %a .) = 755")
    yield row("OWNER=0:0", "", 0, installed, arguments=("--owner", "0:0"))
    yield row(
        "OWNER=1234:1234, no capability",
        "",
        3,
        "cannot give the files to 1234:1234: Operation not permitted: that takes root with the capability CHOWN",
        arguments=("--owner", "1234:1234"),
    )
    yield row(
        "OWNER=1234:1234, CHOWN",
        "",
        0,
        installed,
        arguments=("--owner", "1234:1234"),
        capabilities=("CHOWN",),
        after="test $(stat -c %u:%g $C) = 1234:1234",
    )
    yield row(
        "OWNER=1234, CHOWN, ready",
        _BOTH,
        0,
        "($C): right, but owned by 0:0: mended",
        arguments=("--owner", "1234"),
        capabilities=("CHOWN", "FOWNER"),
        after="test $(stat -c %u:%g $C) = 1234:0",
    )


def _mounts() -> Iterable[Row]:
    def read_only(name: str, prepare: str, code: int, line: str, **more: object) -> Row:
        row = Row(READ_ONLY, name, prepare, code, line, read_only=True, unchanged=True)
        return row._replace(**more)  # type: ignore[arg-type]

    refused = "is mounted read-only and is not ready: "
    yield read_only("ready", _BOTH, 0, "($C): already right")
    yield read_only("ready, another user", _BOTH, 0, "($C): already right", user="65532:65532")
    yield read_only(
        "ready, with a ConfigMap's links",
        "mkdir $V/..1; cp $S/$C $S/$O $V/..1; ln -s ..1 $V/..data; ln -s ..data/$C $V/$C; ln -s ..data/$O $V/$O",
        0,
        "($C): right, a link to ..data/$C",
    )
    yield read_only(
        "empty", "", 3, f"{refused}cl100k_base.tiktoken (missing); o200k_base.tiktoken (missing): mount it read-write"
    )
    yield read_only(
        "one missing", _OTHER, 3, f"{refused}cl100k_base.tiktoken (missing): mount it read-write in the init container"
    )
    yield read_only("wrong file", _OTHER + ": > $V/$C", 3, f"{refused}cl100k_base.tiktoken (empty (0 bytes))")
    yield read_only("swapped", _SWAPPED, 3, f"{refused}cl100k_base.tiktoken (the bytes of another vocabulary")
    yield read_only(
        "right, but 0600",
        _BOTH + "; chmod 0600 $V/$C",
        3,
        f"{refused}cl100k_base.tiktoken (not readable by every user (mode 0600))",
    )
    yield read_only("verify: ready", _BOTH, 0, "starts and counts right", arguments=("verify",))
    yield read_only("verify: one missing", _OTHER, 1, "not ready: 1 of 2 files in $V", arguments=("verify",))

    def full(name: str, tmpfs: str, prepare: str, code: int, line: str, **more: object) -> Row:
        return Row(FULL, name, prepare, code, line, tmpfs=tmpfs)._replace(**more)  # type: ignore[arg-type]

    needed = "cannot write in $V: No space left on device: 5,295,048 bytes are needed, "
    yield full("2 MB, empty", "size=2m", "", 3, needed, unchanged=False, after="! test -e $O")
    yield full(
        "2 MB, poisoned",
        "size=2m",
        "echo old > $V/$C; echo older > $V/$O",
        3,
        needed,
        unchanged=False,
        after="grep -q older $O",
    )
    yield full(
        "4 MB, one right",
        "size=4m",
        "cp $S/$C $V",
        3,
        "cannot write in $V: No space left on device: 3,613,922 bytes are needed, ",
    )
    yield full(
        "full to the last byte", "size=2m", "cat /dev/zero > $V/theirs 2>&- || true", 3, "bytes are needed, 0 are free"
    )
    yield full(
        "4 MB, full, the old content wrong",
        "size=4m",
        "head -c 3000000 $S/$O > $V/$O; head -c 1000000 $S/$C > $V/$C",
        3,
        needed,
    )
    yield full(
        "7 MB, swapped, no room for a copy of both",
        "size=7m",
        _SWAPPED,
        3,
        "cannot write in $V: No space left on device",
        arguments=NOWHERE,
    )
    yield full("6 MB, empty: just enough", "size=6m", "", 0, "($C): installed from baked")
    yield full(
        "no inodes", "size=20m,nr_inodes=2", ": > $V/theirs", 3, "(0 inodes); what was there before is untouched"
    )
    yield full(
        "no inodes, both wrong",
        "size=20m,nr_inodes=3",
        ": > $V/$C; : > $V/$O",
        3,
        "(0 inodes); what was there before is untouched",
    )
    yield full(
        "links that need an inode each",
        "size=6m,nr_inodes=3",
        "",
        3,
        "cannot install $V/cl100k_base.tiktoken: No space left on device",
        layout="both",
        arguments=("--layout", "both"),
        unchanged=False,
        after="test -f $C && test -f $O",
    )
    yield Row(
        FULL,
        "over quota",
        ": > $V/$C",
        3,
        "Disk quota exceeded: 5,295,048 bytes are needed",
        refused=(("fsync", EDQUOT),),
    )

    yield Row(LOCKS, "no working locks", "", 0, "($C): installed from baked", refused=(("flock", ENOLCK),))

    def layout(name: str, layout: str, prepare: str, line: str, after: str, **more: object) -> Row:
        row = Row(LAYOUTS, name, prepare, 0, line, ("--layout", layout), layout=layout, after=after)
        return row._replace(**more)  # type: ignore[arg-type]

    links = "test -L cl100k_base.tiktoken && test $(readlink cl100k_base.tiktoken) = $C"
    copies = "test -f cl100k_base.tiktoken && ! test -L cl100k_base.tiktoken"
    without = (("symlink", EPERM), ("symlinkat", EPERM))
    yield layout(
        "published", "published", "", "cl100k_base.tiktoken: installed from baked", f"{copies} && ! test -e $C"
    )
    yield layout(
        "published, from the cache names",
        "published",
        _BOTH,
        f"cl100k_base.tiktoken: installed from {CL100K} in the volume",
        copies,
    )
    yield layout("both", "both", "", f"cl100k_base.tiktoken: installed as a link to {CL100K}", links)
    yield layout("both, cache names ready", "both", _BOTH, "cl100k_base.tiktoken: installed as a link to $C", links)
    yield layout(
        "both, wrong published names",
        "both",
        _BOTH + "; echo no > $V/cl100k_base.tiktoken",
        f"3 bytes of 1,681,126): replaced as a link to {CL100K}",
        links,
    )
    yield layout(
        "both, links in a circle",
        "both",
        "ln -s $C $V/$C; ln -s $C $V/cl100k_base.tiktoken",
        "a link to $C, which leads nowhere: replaced as a link to $C",
        f"{links} && ! test -L $C",
    )
    yield layout(
        "both, where links are not offered",
        "both",
        "",
        f"cl100k_base.tiktoken: installed as a copy of {CL100K}",
        copies,
        refused=without,
    )


ROWS: tuple[Row, ...] = (*_inspect(), *_recognise(), *_permissions(), *_mounts())


def title(row: Row) -> str:
    """Return what a test of the row is called."""
    return re.sub(r"[^\w=]+", "-", f"{row.group}: {row.name}").strip("-")


class Table:
    """A pytest plugin that prints what was seen when all is over."""

    def __init__(self, heading: str) -> None:
        self._heading = heading
        self.lines: list[str] = []

    def check(self, row: Row, ended: Ended, was: str, is_now: str, place: str) -> None:
        """Do what `check` does, and add what was seen in any case."""
        line = ended.output.strip().rpartition("\n")[2] + "  <- NOT AS IT SHOULD BE"
        try:
            line = check(row, ended, was, is_now, place)
        finally:
            self.lines.append(f"{row.group:12} {row.name:46} {ended.code}  {line}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it."""
        if self.lines:
            terminalreporter.section(self._heading)
            for line in self.lines:
                terminalreporter.write_line(line)


def table(config: pytest.Config, heading: str) -> Table:
    """Return a new table that this test run will print."""
    plugin = Table(heading)
    config.pluginmanager.register(plugin)
    return plugin
