"""On each host the command works, or it prints one line with advice that makes the next run succeed."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.containers.engine import LOCKED_DOWN, docker
from tests.drivers import TWO, Container
from tests.hosts import storage
from tests.machine import needs
from tests.orchestrators.engines import Podman, own_podman
from tests.samples import Ended
from tests.states import Place, place

PLACE = "/cache/tiktoken"
REFUSED = {
    "clone3": {"clone3": errno.EPERM},
    "chmod": dict.fromkeys(("chmod", "fchmod", "fchmodat", "fchmodat2"), errno.EPERM),
    "rename": dict.fromkeys(("rename", "renameat", "renameat2"), errno.ENOSYS),
    "locks": {"flock": errno.ENOLCK, "fsync": errno.EINVAL, "fdatasync": errno.EINVAL},
}
"""Name of a seccomp profile -> the system calls that it refuses, and the error that each one gets."""


@pytest.fixture
def at(vocabularies: Path) -> Iterator[Place]:
    """Make a place with an empty volume, and with each seccomp profile next to the volume."""
    with place(vocabularies) as at:
        at.volume.mkdir(mode=0o755)
        for name, calls in REFUSED.items():
            rules = [{"names": [c], "action": "SCMP_ACT_ERRNO", "errnoRet": number} for c, number in calls.items()]
            profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
            (at.directory / f"volume.{name}").write_text(json.dumps(profile))
        yield at


def contained(image: str, volume: str, options: str = "") -> Ended:
    """Fill a volume by the image, without any capability except those that the options add."""
    return Container(image, [], [*LOCKED_DOWN, "--volume", volume, *options.split()], TWO).run()


def advice(ended: Ended, pattern: str) -> str:
    """Return the part of the error line that the group of a pattern matches. There must be no other error line."""
    assert ended.code in (3, 4), ended.said
    [line] = [line for line in ended.said.splitlines() if "error:" in line]
    found = re.search(pattern, line)
    assert found, line
    return found[1]


def works(ended: Ended) -> None:
    """Check that a run succeeds."""
    assert ended.code == 0, ended.said


@contextlib.contextmanager
def stored(at: Place, kind: str) -> Iterator[Path]:
    """Mount a file system over the volume; yield the directory behind it."""
    needs("fuse")
    behind = at.directory / "behind"
    behind.mkdir(mode=0o755, exist_ok=True)
    with storage.mounted(kind, behind, at.volume):
        yield behind


@pytest.mark.parametrize(
    ("prepare", "profile"),
    [
        pytest.param("", "clone3", id="Docker before 20.10.10"),
        pytest.param("", "chmod", id="ZFS with NFSv4 ACLs, 0755"),
        pytest.param("chmod 0777 $V", "chmod", id="ZFS with NFSv4 ACLs, 0777"),
        pytest.param("mkdir $V/$A", "locks", id="storage that refuses flock and fsync"),
    ],
)
def test_the_first_run_works(prepare: str, profile: str, image: str, at: Place) -> None:
    at.shell(prepare)
    works(contained(image, f"{at.volume}:{PLACE}", f"--security-opt seccomp={at.volume}.{profile}"))
    assert not list(at.volume.glob(".tiktoken*"))


class Cure(NamedTuple):
    """Host on which the first run fails with advice. ``$V`` is the volume, and ``{}`` the advice."""

    host: str
    prepare: str
    """Script before the first run."""
    options: str
    """Options of ``docker run`` for the first run."""
    advice: str
    """Pattern of the error line, with one group: the part of the advice to follow."""
    follow: str = ""
    """Script that follows the advice."""
    again: str = ""
    """Options of ``docker run`` for the next run."""
    mount: str = ""
    """Options of the volume in the first run."""
    needs: str = "root"


THEIRS = "chown 1234:1234 $V"
USER = "--user 65532:65532"
POD = "--env KUBERNETES_SERVICE_HOST=10.96.0.1"
# OpenShift assigns a user from a range.
RANDOM = "--user 1000650000:1000650000"

CURES = (
    Cure("another user's directory, docker run", THEIRS, "", r"docker run (--user \d+:\d+)", again="{}"),
    Cure("another user's directory, capability", THEIRS, "", r"root with the capability (\w+)", again="--cap-add {}"),
    Cure("root's directory, chown", "", USER, r"chown the directory to (\d+:\d+)", "chown {} $V", USER),
    Cure("root's directory, fsGroup", "", f"{USER} {POD}", r"fsGroup: (\d+)", "chgrp {} $V; chmod 2775 $V", USER),
    Cure("OpenShift, own group", "", RANDOM, r"chgrp (\d+) and chmod g\+rwxs", "chgrp {} $V; chmod g+rwxs $V", RANDOM),
    Cure("OpenShift, fsGroup", "", RANDOM, r"fsGroup: (\d+) in the pod",
         "chgrp {} $V; chmod g+rwxs $V", RANDOM + " --group-add {}"),
    Cure("ZFS with NFSv4 ACLs, 0770", "chmod 0770 $V", "--security-opt seccomp=$V.chmod",
         r"ZFS with NFSv4 ACLs.* (TIKTOKEN_INIT_MODE=\d+)", again="--security-opt seccomp=$V.chmod --env {}"),
    Cure("storage without rename", "", "--security-opt seccomp=$V.rename",
         "(use another kind of volume, such as a local one)", "test -z \"$(ls -A $V)\"", needs="docker"),
    Cure("an immutable directory", "chattr +i $V", "", "on the host, run: (chattr -R -i) DIRECTORY", "{} $V", needs="chattr"),
    Cure("a single file is mounted", "echo wrong >$V.wrong", f"--volume $V.wrong:{PLACE}/$A",
         "(mount the directory instead)", needs="docker"),
    Cure("a read-only mount", "", "", "(mount it read-write in the init container)", mount=":ro", needs="docker"),
)  # fmt: skip


@pytest.mark.parametrize("case", CURES, ids=lambda case: case.host)
def test_the_advice_makes_the_next_run_work(case: Cure, image: str, at: Place) -> None:
    needs(case.needs)
    at.shell(case.prepare)
    try:
        refused = contained(image, f"{at.volume}:{PLACE}{case.mount}", at.text(case.options))
        followed = advice(refused, case.advice)
        assert "OpenShift" not in case.host or "runAsUser" not in refused.said
        at.shell(case.follow.format(followed))
    finally:
        if case.needs == "chattr":
            at.shell("chattr -R -i $V")
    works(contained(image, f"{at.volume}:{PLACE}", at.text(case.again.format(followed))))


@pytest.mark.parametrize(("way", "mount"), [("chown", "directory"), ("chmod", "named volume")])
def test_the_advice_for_storage_that_treats_root_as_nobody_works(way: str, mount: str, image: str, at: Place) -> None:
    with stored(at, storage.ROOT_SQUASH) as behind:
        volume = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}" if mount == "named volume" else str(at.volume)
        if mount == "named volume":
            docker("volume", "create", "--opt=type=none", "--opt=o=bind", f"--opt=device={at.volume}", volume)
        refused = contained(image, f"{volume}:{PLACE}")
        user = ""
        if way == "chown":
            option = advice(refused, r"chown the directory to a UID and run as that UID \(docker run (--user) UID")
            shutil.chown(behind, 1000, 1000)
            user = f"{option} 1000:1000"
        else:
            behind.chmod(int(advice(refused, r"or chmod (0777) the directory"), 8))
        works(contained(image, f"{volume}:{PLACE}", user))
        if mount == "named volume":
            docker("volume", "rm", volume)


def test_the_advice_for_storage_without_modes_works(image: str, at: Place) -> None:
    volume = f"{at.volume}:{PLACE}"
    with stored(at, "0700"):
        refused = contained(image, volume)
        works(contained(image, volume, f"--env {advice(refused, r'(TIKTOKEN_INIT_MODE=[0-7]+)')}"))
    umask = int(advice(refused, r"other FUSE: \S+umask=([0-7]+)\)"), 8)
    with stored(at, f"{0o777 & ~umask:o}") as behind:
        at.shell(f"rm {behind}/*")
        works(contained(image, volume))
    with stored(at, "0777") as behind:
        at.shell(f"rm {behind}/*")
        works(contained(image, volume))


# --- User namespaces --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def podman(image: str) -> Iterator[Podman]:
    with own_podman() as podman:
        podman.load(image, "localhost/tiktoken-cache-init")
        yield podman


def in_namespace(podman: Podman, volume: str) -> Ended:
    """Run the image in a user namespace whose root is user 100000 of this machine."""
    options = ("--rm", "--uidmap", "0:100000:65536", *LOCKED_DOWN, "--volume", volume)
    done = podman("run", *options, "localhost/tiktoken-cache-init", check=False)
    return Ended(done.returncode, done.stdout.encode(), "", 0)


@pytest.mark.parametrize("way", [":U", "chown"])
def test_the_advice_for_a_user_namespace_works(way: str, podman: Podman, at: Place) -> None:
    refused = in_namespace(podman, f"{at.volume}:{PLACE}")
    suffix = advice(refused, r"mount it with (:U) \(podman\)") if way == ":U" else ""
    if way == "chown":
        at.shell(advice(refused, r"on the host run: (chown \d+) DIRECTORY") + " $V")
    works(in_namespace(podman, f"{at.volume}:{PLACE}{suffix}"))


# --- No Docker --------------------------------------------------------------------------------------------------------


def on_host(at: Place, directory: Path, user: str = "65532:65532") -> Ended:
    """Run a fill on this machine."""
    return at.host().run("fill", "--cache-dir", str(directory), "--sources", "baked", user=user)


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("prepare", "directory", "pattern"),
    [
        ("mkdir -m 0700 $V/closed; mkdir $V/closed/in; chown 65532 $V/closed/in", "closed/in", r"(chmod o\+x \S+),"),
        ("", "new", r"\(sudo (install -d -o \d+ -g \d+ \S+)\)"),
    ],
    ids=["a closed parent directory", "a directory that only root can make"],
)
def test_the_advice_on_a_host_makes_the_next_run_work(prepare: str, directory: str, pattern: str, at: Place) -> None:
    at.shell(prepare)
    at.shell(advice(on_host(at, at.volume / directory), pattern))
    works(on_host(at, at.volume / directory))


@pytest.mark.needs("strace")
def test_no_thread_and_no_process_is_started_without_a_network(at: Place, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    driver = at.host("strace", "-f", "-qq", "-o", str(log), "-e", "trace=clone,clone3,fork,vfork")
    for command in ("fill", "verify"):
        works(driver.run(command, "--cache-dir", str(at.volume)))
        assert log.read_text() == ""
