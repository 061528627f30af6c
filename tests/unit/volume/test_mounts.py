from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tiktoken_cache_init.errors import NotMountedError
from tiktoken_cache_init.volume.mounts import file_system, require_mount, short_lived

ENGINES = """\
98 69 0:47 / / rw,relatime master:6 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A
99 98 0:50 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
100 98 0:51 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
114 100 0:55 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
102 98 0:53 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
117 98 254:0 /var/lib/docker/containers/f/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
120 98 254:0 /usr/bin/docker-init /sbin/docker-init ro,relatime - ext4 /dev/vda rw
202 201 0:24 /containers/c/userdata/.containerenv /run/.containerenv rw,nosuid,nodev - tmpfs tmpfs rw
204 200 0:61 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw
205 200 0:62 / /var/tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw
301 100 254:0 /var/lib/kubelet/pods/p/containers/c/5a /dev/termination-log rw,relatime - ext4 /dev/vda rw
302 98 0:99 / /var/run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
303 98 0:99 / /run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
"""
"""Rows of /proc/self/mountinfo that Docker, podman and a kubelet add by themselves."""

Mount = Callable[..., None]


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mount:
    """Return a function that sets the mount table: mounts of an engine, and volumes at mount points (kernel syntax)."""
    real = open

    def write(*points: str, kind: str = "ext4", root: str = "/_data") -> None:
        table = tmp_path / "mountinfo"
        table.write_text(
            ENGINES + "".join(f"400 98 254:0 {root} {point} rw - {kind} /dev/vda rw\n" for point in points)
        )
        monkeypatch.setattr("builtins.open", lambda _, mode: real(table, mode))

    return write


@pytest.mark.parametrize(
    ("points", "named"),
    [
        ([], []),
        (["/b", "/a"], ["/a", "/b"]),
        (["/cache/tiktoken/sub"], ["/cache/tiktoken/sub"]),
        (["/cache/tiktoken2"], ["/cache/tiktoken2"]),
        (["/data", "/etc/tiktoken"], ["/data"]),
    ],
)
def test_a_directory_without_a_volume_is_an_error_that_names_mounts_elsewhere(
    mount: Mount, points: list[str], named: list[str]
) -> None:
    mount(*points)
    with pytest.raises(NotMountedError, match="nothing is mounted at /cache/tiktoken") as raised:
        require_mount("/cache/tiktoken")
    assert raised.value.mounted == named


@pytest.mark.parametrize(
    ("written", "point"),
    [
        ("/cache/tiktoken", "/cache/tiktoken"),
        ("/cache", "/cache"),
        ("/dev/shm", "/dev/shm"),
        ("/a\\040b", "/a b"),
        ("/a\\011b", "/a\tb"),
        ("/a\\012b", "/a\nb"),
        ("/a\\134040b", "/a\\040b"),
        ("/a\u2003b", "/a\u2003b"),
    ],
)
def test_a_mount_at_the_directory_or_above_it_is_enough(mount: Mount, written: str, point: str) -> None:
    mount("/data", written)
    require_mount(point)
    require_mount(f"{point}/tiktoken")
    require_mount(f"/x/..{point}/tiktoken/")


def test_links_are_followed_to_the_mount(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    mount(f"{tmp_path}/real")
    require_mount(f"{tmp_path}/link/tiktoken")


def test_a_directory_counts_as_mounted_on_a_system_without_a_mount_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", refuse)
    require_mount("/anywhere")
    assert (file_system("/anywhere"), short_lived("/anywhere")) == ("", "")


def test_the_file_system_is_that_of_the_nearest_mount(mount: Mount) -> None:
    mount("/data", kind="nfs4")
    assert file_system("/data/a/b") == "nfs4"
    assert file_system("/database") == "overlay"


@pytest.mark.parametrize(
    ("kind", "root", "expected"),
    [
        ("tmpfs", "/", "a tmpfs"),
        ("tmpfs", "/tiktoken", ""),
        ("ext4", "/", ""),
        ("ext4", "/_data", ""),
        ("ext4", f"/var/lib/docker/volumes/{'0a' * 32}/_data", "an anonymous volume"),
        ("ext4", f"/var/lib/docker/volumes/{'0a' * 31}/_data", ""),
        ("ext4", f"/var/lib/docker/volumes/{'xy' * 32}/_data", ""),
        ("ext4", f"/home/{'0a' * 32}/_data", ""),
        ("ext4", f"/home/volumes/{'0a' * 32}/sub", ""),
    ],
)
def test_a_volume_that_is_empty_for_the_next_container_is_told(
    mount: Mount, kind: str, root: str, expected: str
) -> None:
    mount("/cache", kind=kind, root=root)
    assert short_lived("/cache/tiktoken") == expected
    assert short_lived("/elsewhere") == ""
