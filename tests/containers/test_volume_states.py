"""Every starting state of a volume, with the image on a real engine and real mounts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.containers import engine
from tests.containers.engine import docker
from tests.volume_states import (
    CL100K,
    DIGESTS,
    O200K,
    PUBLISHED,
    ROWS,
    Ended,
    Row,
    Table,
    after,
    before,
    script,
    table,
    title,
)

PLACE = "/cache/tiktoken"
AT_ONCE = 10


class Mounted(NamedTuple):
    """A row's volume."""

    source: str
    """What is mounted: a folder of this machine, or a volume's name."""
    inside: str
    """Where the container with the tools sees it."""
    beside: str
    """A folder beside it, as this machine sees it."""


class Bench:
    """A container with the tools that ours has not, which sees every row's volume for as long as it lives.

    It also keeps each tmpfs mounted: the engine would take it away with the last container that uses it.
    """

    def __init__(self, folder: Path, vocabularies: Path, busybox: str) -> None:
        self._folder = folder
        self._busybox = busybox
        self._name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
        self._volumes: dict[Row, str] = {}
        mounts = [f"{folder}:/bench", f"{vocabularies}:/vocabularies:ro"]
        for number, row in enumerate(ROWS):
            if row.tmpfs:
                self._volumes[row] = name = f"{self._name}-{number}"
                options = ["type=tmpfs", "device=tmpfs", f"o={row.tmpfs}"]
                docker("volume", "create", *(word for option in options for word in ("--opt", option)), name)
                mounts.append(f"{name}:/tmpfs/{name}")
        volumes = [word for mount in mounts for word in ("--volume", mount)]
        docker("run", "--detach", "--init", "--name", self._name, *volumes, busybox, "sleep", "3600")

    def close(self) -> None:
        """Remove all of it, also what other users made."""
        docker("exec", self._name, "sh", "-c", "rm -rf /bench/*", check=False)
        docker("rm", "--force", "--volumes", self._name)
        for name in self._volumes.values():
            docker("volume", "rm", "--force", name)

    def mount(self, row: Row) -> Mounted:
        """Make the row's volume, still empty."""
        place = f"row-{ROWS.index(row)}"
        beside = str(self._folder / place / "handed-in")
        if row.named:
            name = self._volumes[row] = f"{self._name}-{place}"
            docker("volume", "create", name)
            return Mounted(name, "", beside)
        (self._folder / place).mkdir()
        if row.tmpfs:
            return Mounted(self._volumes[row], f"/tmpfs/{self._volumes[row]}", beside)
        (self._folder / place / "volume").mkdir()
        return Mounted(str(self._folder / place / "volume"), f"/bench/{place}/volume", beside)

    def shell(self, row: Row, volume: Mounted, text: str) -> str:
        """Run a row's script as root with every capability, and return what it prints."""
        if row.named:
            # Not before ours: an engine gives a volume its owner and mode when it is first used.
            command = ["docker", "run", "--rm", "--interactive", "--volume", f"{volume.source}:/v", self._busybox, "sh"]
            inside = "/v"
        else:
            command, inside = ["docker", "exec", "--interactive", self._name, "sh"], volume.inside
        whole = script(row, inside, inside.replace("/volume", "/handed-in"), "/vocabularies", text)
        done = subprocess.run(command, input=whole, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, vocabularies: Path, busybox: str) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    folder.chmod(0o755)
    bench = Bench(folder, vocabularies, busybox)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def seen(pytestconfig: pytest.Config) -> Table:
    return table(pytestconfig, "starting states of a volume, on an engine")


def options(row: Row, tmp_path: Path) -> list[str]:
    """Return the options of a container that may do nothing but what the row says."""
    given = [*engine.LOCKED_DOWN, "--security-opt", "no-new-privileges"]
    given += ["--user", row.user] if row.user else []
    given += [word for group in row.groups for word in ("--group-add", str(group))]
    given += [word for name in row.capabilities for word in ("--cap-add", name)]
    if row.refused:
        rules = [{"names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": number} for call, number in row.refused]
        profile = tmp_path / "seccomp.json"
        profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
        given += ["--security-opt", f"seccomp={profile}"]
    return given


def fill(image: str, row: Row, volume: Mounted, tmp_path: Path) -> Ended:
    mounts = [f"{volume.source}:{PLACE}{':ro' if row.read_only else ''}"]
    if "$H" in row.prepare:
        mounts.append(f"{volume.beside}:/handed-in:ro")
    done = engine.run(image, mounts, *row.arguments, options=options(row, tmp_path))
    return Ended(done.returncode, done.stderr + done.stdout)


# An engine has no option for the umask.
@pytest.mark.parametrize("row", [row for row in ROWS if row.umask == 0o022], ids=title)
def test_a_volume_is_never_left_worse(row: Row, image: str, bench: Bench, seen: Table, tmp_path: Path) -> None:
    volume = bench.mount(row)
    was = "" if row.named else bench.shell(row, volume, before(row))
    ended = fill(image, row, volume, tmp_path)
    seen.check(row, ended, was, bench.shell(row, volume, after(row)), PLACE)


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that has no links, no owners, and one mode for all its files."""
    missing = [tool for tool in ("losetup", "mkfs.exfat", "mount.exfat-fuse") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"exFAT cannot be mounted here: {', '.join(missing) or 'that takes root'}")
    image, place = tmp_path / "exfat", tmp_path / "mounted"
    image.write_bytes(b"")
    os.truncate(image, 64 << 20)
    place.mkdir()
    subprocess.run(["mkfs.exfat", str(image)], check=True, capture_output=True, timeout=60)
    losetup = subprocess.run(["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True)
    device = losetup.stdout.strip()
    mount = ["mount.exfat-fuse", "-o", "fmask=022,dmask=022", device, str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True, timeout=60)
        yield place
        subprocess.run(["umount", str(place)], check=True, capture_output=True, timeout=60)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True, capture_output=True, timeout=60)


def test_a_file_system_without_links_owners_and_modes_is_good_enough(image: str, exfat: Path, seen: Table) -> None:
    mounts = [f"{exfat}:{PLACE}"]
    lines = []
    (exfat / CL100K).mkdir()
    (exfat / CL100K / "precious").write_text("keep")
    for arguments in ([], ["--layout", "both"], ["--layout", "both"]):
        done = engine.run(image, mounts, *arguments)
        assert done.returncode == 0, done.stderr
        lines.append(done.stderr.splitlines()[2 if arguments else 1])
        seen.lines.append(f"{'exFAT':12} {' '.join(arguments) or 'a directory in the way':46} 0  {lines[-1]}")
    assert [line.partition(": ")[2] for line in lines] == [
        "was a directory: replaced from baked",
        f"installed as a copy of {CL100K}",
        "already right",
    ]
    names = {CL100K, O200K, *PUBLISHED, f"{CL100K}.moved-aside-1"}
    assert {path.name for path in exfat.iterdir()} == names
    assert {hashlib.sha256((exfat / name).read_bytes()).hexdigest() for name in PUBLISHED} == set(PUBLISHED.values())


def test_containers_that_start_at_once_on_one_volume_all_end_well(image: str, folder: Path, seen: Table) -> None:
    (folder / CL100K).write_bytes(b"")
    command = ["docker", "run", "--rm", *engine.LOCKED_DOWN, "--volume", f"{folder}:{PLACE}", image]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(AT_ONCE)]  # type: ignore[call-overload]
    ended = [(container.communicate(timeout=120)[1], container.returncode) for container in started]
    assert {code for _, code in ended} == {0}, ended
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == DIGESTS
    replaced = sum("replaced from baked" in log for log, _ in ended)
    seen.lines.append(f"{'Many at once':12} {f'{AT_ONCE} containers':46} 0  {replaced} of them: replaced from baked")
