from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tiktoken_cache_init import mounts as module
from tiktoken_cache_init.mounts import unmounted

DOCKER = """\
98 69 0:47 / / rw,relatime master:6 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A
99 98 0:50 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
73 99 0:50 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
100 98 0:51 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
114 100 0:55 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
102 98 0:53 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
77 102 0:57 / /sys/firmware ro,relatime - tmpfs tmpfs ro
115 98 254:0 /var/lib/docker/containers/f/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw
116 98 254:0 /var/lib/docker/containers/f/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw
117 98 254:0 /var/lib/docker/containers/f/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
120 98 254:0 /usr/bin/docker-init /sbin/docker-init ro,relatime - ext4 /dev/vda rw
"""
"""/proc/self/mountinfo as Docker makes it (with --init) where no volume is given."""

PODMAN = """\
201 200 0:60 / /run rw,nosuid,nodev,relatime - tmpfs tmpfs rw
202 201 0:24 /containers/c/userdata/.containerenv /run/.containerenv rw,nosuid,nodev - tmpfs tmpfs rw
203 201 0:24 /containers/c/userdata/run/secrets /run/secrets rw,nosuid,nodev,relatime - tmpfs tmpfs rw
204 200 0:61 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw
205 200 0:62 / /var/tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw
206 200 254:0 /passwd /etc/passwd rw,relatime - ext4 /dev/vda rw
"""
"""What podman adds (with --read-only and --user)."""

KUBERNETES = """\
301 100 254:0 /var/lib/kubelet/pods/p/containers/c/5a /dev/termination-log rw,relatime - ext4 /dev/vda rw
302 98 0:99 / /var/run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
303 98 0:99 / /run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
"""
"""What a kubelet adds; which of the two last depends on whether the image's /var/run is a link."""

Mounts = Callable[..., None]


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounts:
    """In the image: has an engine's own mounts, and volumes at points as the kernel writes them."""
    monkeypatch.setattr(module, "in_image", lambda: True)
    real = open

    def mount(*points: str, of: str = DOCKER) -> None:
        table = tmp_path / "mountinfo"
        table.write_text(of + "".join(f"400 98 254:0 /_data {point} rw - ext4 /dev/vda rw\n" for point in points))
        monkeypatch.setattr("builtins.open", lambda path, mode: real({"/proc/self/mountinfo": table}[path], mode))

    return mount


@pytest.mark.parametrize("of", [DOCKER, DOCKER + PODMAN, DOCKER + KUBERNETES], ids=["docker", "podman", "kubernetes"])
def test_what_an_engine_mounts_by_itself_is_no_volume(mounts: Mounts, of: str) -> None:
    mounts(of=of)
    assert unmounted("/cache/tiktoken") == (
        "nothing is mounted at /cache/tiktoken, so files there are lost with this container: "
        "mount the volume there, as in -v tiktoken:/cache/tiktoken"
    )


@pytest.mark.parametrize("place", ["/dev/shm/tiktoken", "/dev/tiktoken", "/sys/x"])
def test_an_engine_s_file_system_keeps_nothing(mounts: Mounts, place: str) -> None:
    mounts()
    assert unmounted(place).startswith(f"nothing is mounted at {place}")
    mounts(place)
    assert unmounted(place) == ""


@pytest.mark.parametrize("point", ["/cache/tiktoken", "/cache"])
def test_a_mount_at_the_folder_or_above_it_will_do(mounts: Mounts, point: str) -> None:
    mounts("/data", point)
    assert unmounted("/cache/tiktoken") == ""
    assert unmounted("/cache/../cache/tiktoken/") == ""


@pytest.mark.parametrize(
    ("points", "places"),
    [
        (["/data"], "/data"),
        (["/b", "/a"], "/a, /b"),
        (["/cache/tiktoken/sub"], "/cache/tiktoken/sub"),
        (["/cache/tiktoken2"], "/cache/tiktoken2"),
        (["/etc/tiktoken", "/run/tiktoken", "/tmp/tiktoken"], "/etc/tiktoken, /run/tiktoken, /tmp/tiktoken"),
        (["/f", "/e", "/d", "/c", "/b", "/a"], "/a, /b, /c, /d, /e, ..."),
    ],
)
def test_a_mount_elsewhere_is_named(mounts: Mounts, points: list[str], places: str) -> None:
    mounts(*points)
    assert unmounted("/cache/tiktoken") == (
        f"nothing is mounted at /cache/tiktoken (only at {places}), so files there are lost with this container: "
        "mount the volume there, as in -v tiktoken:/cache/tiktoken, or set TIKTOKEN_CACHE_DIR to where it is mounted, "
        "in the consumer too"
    )


@pytest.mark.parametrize(
    ("written", "point"),
    [
        ("/a\\040b", "/a b"),
        ("/a\\011b", "/a\tb"),
        ("/a\\012b", "/a\nb"),
        ("/a\\134040b", "/a\\040b"),
        ("/a\u2003b", "/a\u2003b"),
    ],
)
def test_a_mount_point_is_read_as_the_kernel_writes_it(mounts: Mounts, written: str, point: str) -> None:
    mounts(written)
    assert unmounted(f"{point}/c") == ""
    assert f"(only at {point})" in unmounted("/c")


def test_the_folder_is_looked_for_where_links_lead(mounts: Mounts, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    mounts(f"{tmp_path}/real")
    assert unmounted(f"{tmp_path}/link/tiktoken") == ""


def test_a_folder_of_a_host_need_not_be_a_mount(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts()
    monkeypatch.setattr(module, "in_image", lambda: False)
    assert unmounted("/cache/tiktoken") == ""


def test_where_the_kernel_does_not_tell_it_is_taken_for_mounted(
    mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError

    mounts()
    monkeypatch.setattr("builtins.open", refuse)
    assert unmounted("/anywhere") == ""
