"""Every starting state of a volume, with the image on a real engine and real mounts."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.containers import engine
from tests.containers.engine import docker
from tests.volume_states import ROWS, Ended, Row, Table, after, before, check, script, table, title

PLACE = "/cache/tiktoken"


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
    line = check(row, ended, was, bench.shell(row, volume, after(row)), PLACE)
    seen.add(row, ended.code, line)
