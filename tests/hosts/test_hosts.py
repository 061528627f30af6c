"""On each host the command works, or it prints one line with advice that makes the next run succeed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN, docker
from tests.drivers import TWO, Container, Ended, Host
from tests.hosts import storage
from tests.hosts.conftest import Hosts, last
from tests.machine import needs
from tests.orchestrators.engines import Podman, own_podman
from tests.states import Place, place
from tests.vocabularies import CL100K

HERE = Path(__file__).parent
PLACE = "/cache/tiktoken"
OPENSHIFT = 1000650000
WITHOUT_CLONE3 = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}
"""Seccomp profile that refuses clone3, like that of Docker before 20.10.10."""
WITHOUT_CHMOD = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["chmod", "fchmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}
"""Seccomp profile that refuses chmod, as ZFS with NFSv4 ACLs does."""

IN_POD = ("--env", "KUBERNETES_SERVICE_HOST=10.96.0.1")

as_root = pytest.mark.needs("root")


@pytest.fixture
def at(vocabularies: Path) -> Iterator[Place]:
    with place(vocabularies) as at:
        at.volume.mkdir(mode=0o755)
        yield at


@contextlib.contextmanager
def mirror(at: Place) -> Iterator[int]:
    """Serve the vocabularies by HTTP; yield the port."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(at.vocabularies))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def contained(image: str, volume: object, *options: str, command: tuple[str, ...] = ()) -> Ended:
    """Run the image with a volume, without any capability except those that the options add."""
    mount = f"{volume}" if f":{PLACE}" in f"{volume}" else f"{volume}:{PLACE}"
    limits = [word for word in LOCKED_DOWN if "--network" not in options or word not in ("--network", "none")]
    return Container(image, [], [*limits, "--volume", mount, *options], TWO).run(*command)


def on_host(at: Place, *arguments: str, user: str = "", **environment: str) -> Ended:
    """Run a fill on this machine."""
    fill = ("fill", "--cache-dir", str(at.volume), "--sources", "baked", *arguments)
    return at.host().run(*fill, user=user, environment=environment)


def advice(ended: Ended, pattern: str) -> str:
    """Return the part of the last line that the group of a pattern matches."""
    found = re.search(pattern, last(ended))
    assert found, last(ended)
    return found[1]


@contextlib.contextmanager
def stored(at: Place, kind: str) -> Iterator[Path]:
    """Mount a file system over the volume; yield the directory behind it."""
    needs("fuse")
    behind = at.directory / "behind"
    behind.mkdir(mode=0o755)
    with storage.mounted(kind, behind, at.volume):
        yield behind


# --- Docker before 20.10.10 -------------------------------------------------------------------------------------------


def test_docker_without_clone3_runs_commands_that_need_no_network(
    image: str, at: Place, tmp_path: Path, hosts: Hosts
) -> None:
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps(WITHOUT_CLONE3))
    limited = ("--security-opt", f"seccomp={profile}")
    for command in (("fill",), ("verify",)):
        ended = contained(image, at.volume, *limited, command=command)
        hosts.works(f"Docker before 20.10.10, {command[0]}", "seccomp profile that refuses clone3", ended)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_docker_without_clone3_is_reported_if_a_name_must_be_looked_up(
    host: str, image: str, at: Place, tmp_path: Path, hosts: Hosts
) -> None:
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps(WITHOUT_CLONE3))
    made = "seccomp profile that refuses clone3"
    with mirror(at) as port:
        fetch = ("--sources", "fetch", "--origin", "off", "--mirror", f"http://{host}:{port}")
        limited = ("--network", "host", "--security-opt", f"seccomp={profile}")
        ended = contained(image, at.volume, *limited, command=fetch)
        if host == "127.0.0.1":
            hosts.works("Docker before 20.10.10, fetch from an address", made, ended)
            return
        followed = advice(ended, r"add (--security-opt seccomp=unconfined)")
        again = contained(image, at.volume, "--network", "host", *followed.split(), command=fetch)
        hosts.cured("Docker before 20.10.10, fetch from a name", made, ended, followed, again)


@pytest.mark.needs("strace")
@pytest.mark.parametrize("command", ["fill", "verify"])
def test_no_thread_and_no_process_is_started_without_a_network(command: str, at: Place, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    on_host(at) if command == "verify" else None
    calls = "trace=clone,clone3,fork,vfork"
    driver = at.host("strace", "-f", "-qq", "-o", str(log), "-e", calls)
    assert driver.run(command, "--cache-dir", str(at.volume)).code == 0
    assert log.read_text() == ""


# --- Users ------------------------------------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize(("mode", "user"), [(0o775, f"{OPENSHIFT}:0"), (0o777, f"{OPENSHIFT}:0"), (0o777, "4321:4321")])
def test_a_random_user_fills_a_directory_that_it_may_write_to(
    mode: int, user: str, image: str, at: Place, hosts: Hosts
) -> None:
    at.volume.chmod(mode)
    ended = contained(image, at.volume, "--user", user)
    hosts.works(f"random user {user}", f"directory of root, {mode:04o}", ended)


@as_root
@pytest.mark.parametrize("user", [f"{OPENSHIFT}:0", f"{OPENSHIFT}:{OPENSHIFT}"])
@pytest.mark.parametrize("way", ["chgrp", "fsGroup"])
def test_the_advice_for_an_openshift_user_works(way: str, user: str, image: str, at: Place, hosts: Hosts) -> None:
    refused = contained(image, at.volume, "--user", user)
    assert "runAsUser" not in last(refused)
    more: list[str] = []
    if way == "chgrp":
        group = advice(refused, r"chgrp (\d+) and chmod g\+rwxs")
        followed = f"chgrp {group} and chmod g+rwxs"
    else:
        group = advice(refused, r"fsGroup: (\d+) in the pod")
        followed = f"fsGroup: {group}, done as in Kubernetes: chgrp, chmod g+rwxs and a supplementary group"
        more = ["--group-add", group]
    os.chown(at.volume, -1, int(group))
    at.volume.chmod(stat.S_IMODE(at.volume.stat().st_mode) | 0o2070)
    hosts.cured(
        f"OpenShift, user {user}",
        "directory of root, 0755",
        refused,
        followed,
        contained(image, at.volume, "--user", user, *more),
    )


@as_root
@pytest.mark.parametrize("way", ["docker run", "compose", "Kubernetes", "DAC_OVERRIDE"])
def test_the_advice_for_a_directory_of_another_user_works(way: str, image: str, at: Place, hosts: Hosts) -> None:
    os.chown(at.volume, 1234, 1234)
    refused = contained(image, at.volume, *(IN_POD if way == "Kubernetes" else ()))
    pattern = {
        "docker run": r"(--user \d+:\d+)",
        "compose": r'compose: user: "(\d+:\d+)"',
        "Kubernetes": r"runAsUser: (\d+)",
        "DAC_OVERRIDE": r"root with the capability (\w+)",
    }[way]
    found = advice(refused, pattern)
    options = {"docker run": found.split(), "DAC_OVERRIDE": ["--cap-add", found]}.get(way, ["--user", found])
    ended = contained(image, at.volume, *options)
    hosts.cured("another user's directory", "chown 1234:1234", refused, f"{way}: {' '.join(options)}", ended)


@as_root
@pytest.mark.parametrize("way", ["owner", "fsGroup", "chown"])
def test_the_advice_for_a_directory_of_root_works(way: str, image: str, at: Place, hosts: Hosts) -> None:
    refused = contained(image, at.volume, "--user", "65532:65532", *(IN_POD if way == "fsGroup" else ()))
    options = ["--user", "65532:65532"]
    if way == "owner":
        followed = advice(refused, r"docker run (--user \d+:\d+)")
        options = followed.split()
    elif way == "fsGroup":
        followed = advice(refused, r"(fsGroup: \d+)")
        os.chown(at.volume, -1, int(followed.split()[1]))
        at.volume.chmod(0o2775)
    else:
        followed = advice(refused, r"(chown the directory to \d+:\d+)")
        os.chown(at.volume, *map(int, followed.split()[-1].split(":")))
    hosts.cured("user 65532 and a directory of root", "docker run --user 65532:65532", refused, followed,
                contained(image, at.volume, *options))  # fmt: skip


@as_root
def test_the_advice_for_a_closed_parent_directory_works(at: Place, hosts: Hosts) -> None:
    closed = at.directory / "closed"
    closed.mkdir(mode=0o700)
    os.chown(at.volume, 65532, 65532)
    at.volume.rename(closed / "volume")
    inside = at._replace(directory=closed)
    refused = on_host(inside, user="65532:65532")
    followed = advice(refused, r"(chmod o\+x \S+),")
    subprocess.run(followed.split(), check=True)
    hosts.cured("a closed parent directory", "chmod 0700", refused, followed, on_host(inside, user="65532:65532"))


@as_root
def test_the_advice_for_a_directory_that_only_root_can_make_works(at: Place, hosts: Hosts) -> None:
    at.volume.rmdir()
    refused = on_host(at, user="65532:65532")
    followed = advice(refused, r"\(sudo (install -d -o \d+ -g \d+ \S+)\)")
    subprocess.run(followed.split(), check=True)
    hosts.cured("a directory that only root can make", "rmdir", refused, followed, on_host(at, user="65532:65532"))


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
def test_the_advice_for_a_user_namespace_works(way: str, podman: Podman, at: Place, hosts: Hosts) -> None:
    refused = in_namespace(podman, f"{at.volume}:{PLACE}")
    suffix = ""
    if way == ":U":
        suffix = followed = advice(refused, r"mount it with (:U) \(podman\)")
    else:
        followed = advice(refused, r"on the host run: (chown \d+ DIRECTORY)")
        os.chown(at.volume, int(followed.split()[1]), -1)
    ended = in_namespace(podman, f"{at.volume}:{PLACE}{suffix}")
    hosts.cured("user namespace", "podman --uidmap 0:100000:65536", refused, followed, ended)


# --- Storage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["directory", "named volume"])
def squashed(request: pytest.FixtureRequest, image: str, at: Place) -> Iterator[tuple[str, Path]]:
    """Mount storage that treats root as nobody; yield the directory or named volume and the directory behind it."""
    with stored(at, "root-squash") as behind:
        if request.param == "directory":
            yield str(at.volume), behind
            return
        name = f"tiktoken-cache-init-test-{uuid.uuid4().hex[:12]}"
        options = [word for each in ("type=none", "o=bind", f"device={at.volume}") for word in ("--opt", each)]
        docker("volume", "create", *options, name)
        yield name, behind
        docker("volume", "rm", "--force", name)


@pytest.mark.parametrize("way", ["chown", "chmod"])
def test_the_advice_for_storage_that_treats_root_as_nobody_works(
    way: str, image: str, squashed: tuple[str, Path], hosts: Hosts
) -> None:
    volume, behind = squashed
    refused = contained(image, volume)
    options: list[str] = []
    if way == "chown":
        followed = (
            advice(refused, r"(chown the directory to a UID and run as that UID \(docker run --user) UID")
            + " 1000:1000)"
        )
        os.chown(behind, 1000, 1000)
        options = ["--user", "1000:1000"]
    else:
        followed = advice(refused, r"or (chmod 0777 the directory)")
        behind.chmod(0o777)
    kind = "a directory" if volume.startswith("/") else "a named volume"
    hosts.cured(f"root_squash, {kind}", "FUSE: root is nobody", refused, followed, contained(image, volume, *options))


@pytest.mark.parametrize("way", ["mount options", "MODE"])
def test_the_advice_for_storage_without_modes_works(way: str, image: str, at: Place, hosts: Hosts) -> None:
    with stored(at, "modes-0700"):
        refused = contained(image, at.volume)
        if way == "MODE":
            followed = advice(refused, r"(TIKTOKEN_INIT_MODE=\d+)")
            ended = contained(image, at.volume, "--env", followed)
    if way == "mount options":
        followed = advice(refused, r"other FUSE: (\S+)\)")
        umask = followed.partition("umask=")[2]
        with storage.mounted(f"modes-{0o777 & ~int(umask, 8):04o}", at.directory / "behind", at.volume):
            ended = contained(image, at.volume)
    hosts.cured(f"storage: {storage.KINDS['modes-0700']}", "FUSE", refused, followed, ended)


@pytest.mark.parametrize("kind", ["no-chmod", "modes-0777", "no-locks"])
def test_storage_with_fixed_modes_or_without_locks_is_enough(kind: str, image: str, at: Place, hosts: Hosts) -> None:
    with stored(at, kind) as behind:
        (behind / CL100K.cache_key).mkdir()
        ended = contained(image, at.volume)
        assert not list(behind.glob(".tiktoken*"))
        hosts.works(f"storage: {storage.KINDS[kind]}", "FUSE", ended)


@as_root
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_storage_that_refuses_chmod_to_root_is_enough_or_one_advice_works(
    mode: int, image: str, at: Place, tmp_path: Path, hosts: Hosts
) -> None:
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps(WITHOUT_CHMOD))
    limited = ("--security-opt", f"seccomp={profile}")
    at.volume.chmod(mode)
    ended = contained(image, at.volume, *limited)
    host, made = "ZFS with NFSv4 ACLs (TrueNAS)", f"seccomp profile that refuses chmod, directory {mode:04o}"
    if mode != 0o770:
        hosts.works(host, made, ended)
        return
    assert "ZFS with NFSv4 ACLs" in last(ended)
    followed = advice(ended, r"(TIKTOKEN_INIT_MODE=\d+)")
    hosts.cured(host, made, ended, followed, contained(image, at.volume, *limited, "--env", followed))


def test_storage_without_rename_is_reported(image: str, at: Place, hosts: Hosts) -> None:
    with stored(at, "no-rename") as behind:
        refused = contained(image, at.volume)
        assert list(behind.iterdir()) == []
    followed = advice(refused, r"(use another kind of volume, such as a local one)")
    hosts.cured("storage: there is no rename", "FUSE", refused, followed, contained(image, at.volume))


@pytest.mark.needs("chattr")
def test_the_advice_for_an_immutable_directory_works(image: str, at: Place, hosts: Hosts) -> None:
    subprocess.run(["chattr", "+i", str(at.volume)], check=True)
    try:
        refused = contained(image, at.volume)
        followed = advice(refused, r"on the host, run: (chattr -R -i) DIRECTORY")
        subprocess.run([*followed.split(), str(at.volume)], check=True)
    finally:
        subprocess.run(["chattr", "-R", "-i", str(at.volume)], check=True)
    hosts.cured("an immutable directory", "chattr +i", refused, followed, contained(image, at.volume))


def test_the_advice_for_a_mount_of_a_single_file_works(image: str, at: Place, hosts: Hosts) -> None:
    wrong = at.directory / "wrong"
    wrong.write_text("wrong")
    refused = contained(image, at.volume, "--volume", f"{wrong}:{PLACE}/{CL100K.cache_key}")
    followed = advice(refused, r"(mount the directory instead)")
    hosts.cured(
        "a single file is mounted",
        "docker run -v FILE:/cache/tiktoken/KEY",
        refused,
        followed,
        contained(image, at.volume),
    )


def test_the_advice_for_a_read_only_mount_works(image: str, at: Place, hosts: Hosts) -> None:
    refused = contained(image, f"{at.volume}:{PLACE}:ro")
    followed = advice(refused, r"(mount it read-write in the init container)")
    hosts.cured(
        "a read-only mount", "docker run -v DIR:/cache/tiktoken:ro", refused, followed, contained(image, at.volume)
    )


# --- No Docker --------------------------------------------------------------------------------------------------------


def test_macos_fills_and_verifies(at: Place, hosts: Hosts) -> None:
    ended = on_host(at, PYTHONPATH=str(HERE / "macos"))
    assert ended.said.startswith("(macOS)")
    hosts.works("macOS, without Docker", "Python without Linux-only functions, and no /proc", ended)
    arguments = ("verify", "--cache-dir", str(at.volume))
    assert Host().run(*arguments, environment={"PYTHONPATH": str(HERE / "macos")}).code == 0


@as_root
def test_macos_reports_a_directory_of_another_user(at: Place) -> None:
    refused = on_host(at, user="65532:65532", PYTHONPATH=str(HERE / "macos"))
    assert (refused.code, "run as its owner" in last(refused)) == (3, True), refused.said


@pytest.mark.parametrize("command", [(), ("fill",), ("verify",), ("--help",)])
def test_windows_gets_one_line_that_names_wsl_and_docker(command: tuple[str, ...], hosts: Hosts) -> None:
    ended = Host().run(*command, environment={"PYTHONPATH": str(HERE / "windows")})
    assert (ended.code != 0, ended.said.count("\n")) == (True, 1), ended.said
    assert "WSL" in ended.said
    assert "Docker" in ended.said
    if not command:
        hosts.told(
            "Windows, without Docker", "Python without fcntl and other parts that Windows lacks", ended.said.strip()
        )
