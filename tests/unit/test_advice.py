from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from tiktoken_cache_init import advice as module
from tiktoken_cache_init.advice import advised, fill_advice
from tiktoken_cache_init.errors import (
    LIMITS,
    InitError,
    ModesError,
    NotMountedError,
    OwnerError,
    ReadOnlyError,
    SettingError,
    StorageError,
)

HOST, CONTAINER, POD = PLACES = ("on a host", "in a container", "in a pod")
OTHERS_WORDS = {
    HOST: r"docker|compose|podman|Kubernetes|securityContext|Job|':ro'|init container",
    CONTAINER: r"sudo|Kubernetes|securityContext|Job",
    POD: r"docker|compose|podman|':ro'|:z|sudo|-v ",
}
"""Place -> words that must not be printed there."""


def at(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.in_container", lambda: place != HOST)
    monkeypatch.setattr("tiktoken_cache_init.place.in_pod", lambda: place == POD)


def error(number: int, path: Path | str = "/cache", needed: int = 0, action: str = "write in") -> StorageError:
    return StorageError(action, str(path), OSError(number, os.strerror(number)), needed)


def said(number: int, path: Path | str = "/cache", needed: int = 0, action: str = "write in") -> str:
    return str(advised(error(number, path, needed, action)))


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int = 0) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: gid)
    monkeypatch.setattr(module, "_host_id", lambda: None)


def owned(monkeypatch: pytest.MonkeyPatch, uid: int, mode: int = 0o755, existing: str = "/cache") -> str:
    """Make a directory appear with this owner and mode, and no other directory exist."""
    status = os.stat_result((0o40000 | mode, 1, 1, 1, uid, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "stat", lambda *_, **__: status)
    monkeypatch.setattr(os.path, "isdir", lambda path: path == existing)
    return existing


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "mount it read-write, or name another directory"),
        (errno.EBUSY, "something is mounted there: mount the directory instead"),
        (errno.ENOTDIR, "correct the path"),
        (errno.ENOTEMPTY, "move or remove it, then run again"),
        (errno.ENOSYS, "this storage does not support the call: name a directory on a local disk"),
        (errno.EIO, "check the volume's storage, then run again"),
        (errno.EFBIG, "raise the limit of the size of a file (ulimit -f unlimited)"),
    ],
)
def test_each_cause_comes_with_its_remedy(number: int, remedy: str) -> None:
    assert said(number) == f"cannot write in /cache: {os.strerror(number)}: {remedy}"


def test_a_full_disk_is_reported_with_the_bytes_that_are_needed_and_free(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        full = error(number, tmp_path / "file", 1234)
        full.free = os.statvfs_result((4096, 512, 9, 9, 3, 7, 7, 5, 0, 255))
        remedy = (
            "free at least 1,234 bytes (1,536 bytes and 5 inodes are free); every file that was right is still right"
        )
        assert str(advised(full)).endswith(f": {remedy}")
    full = StorageError("write in", f"{tmp_path}/no/such", OSError(errno.ENOSPC, "full"))
    assert str(advised(full)).endswith(": full: free some space; every file that was right is still right")


def test_a_cause_without_a_text_is_still_reported() -> None:
    assert str(advised(StorageError("read", "/cache", OSError("odd")))).startswith("cannot read /cache: odd: check ")


@pytest.mark.parametrize(
    ("place", "us", "owner", "mode", "remedy"),
    [
        (HOST, 1000, 0, 0o755, "run as its owner (sudo), or name another directory"),
        (HOST, 0, 33, 0o755, "run as its owner (sudo -u '#33'); with SELinux, look for 'denied' in the audit log"),
        (HOST, 1000, 1000, 0o555, "its owner may not write: run: chmod u+rwx '/cache'"),
        (HOST, 1000, 1000, 0o755, "the mode looks right, so SELinux or the storage blocks access: with SELinux, look for 'denied' in the "
         "audit log"),
        (CONTAINER, 1000, 0, 0o755, 'run as its owner (docker run --user 0:0; compose: user: "0:0"), or chown the directory to 1000:3'),
        (CONTAINER, 1000, 33, 0o755, 'run as its owner (docker run --user 33:0; compose: user: "33:0"), or as root with the capability '
         "DAC_OVERRIDE"),
        (CONTAINER, 1000, 1000, 0o655, "its owner may not write: on the host, run: chmod u+rwx DIRECTORY"),
        (POD, 1000, 0, 0o755, "set securityContext.fsGroup: 3; if the volume ignores it (ReadWriteMany claims, hostPath), run as its owner "
         "(securityContext.runAsUser: 0), or chown the directory to 1000:3 in a Job that runs as root"),
        (POD, 0, 33, 0o755, "run as its owner (securityContext.runAsUser: 33), or as root with the capability DAC_OVERRIDE; with SELinux, set "
         "securityContext.seLinuxOptions"),
    ],
)  # fmt: skip
def test_a_user_who_may_not_write_gets_the_remedy_that_fits(
    monkeypatch: pytest.MonkeyPatch, place: str, us: int, owner: int, mode: int, remedy: str
) -> None:
    at(monkeypatch, place)
    as_user(monkeypatch, us, 3)
    text = said(errno.EACCES, owned(monkeypatch, owner, mode))
    facts = f"this runs as {us}:3, the directory belongs to {owner}:0 with mode {mode:04o}"
    assert text == f"cannot write in /cache: Permission denied: {facts}: {remedy}"


def test_a_user_of_openshift_is_never_told_to_run_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, POD)
    as_user(monkeypatch, 1_000_000_000, 3)
    remedy = "OpenShift assigned this user: set securityContext.fsGroup: 1000000000 in the pod, or make the directory writable by the"
    text = said(errno.EACCES, owned(monkeypatch, 0))
    assert text.endswith(f", and {remedy} group of this user: chgrp 3 and chmod g+rwxs")


@pytest.mark.parametrize(
    ("place", "us", "owner", "remedy"),
    [
        (HOST, 1000, 0, "make it as root (sudo install -d -o 1000 -g 3 '/opt/a b'), or name a directory that this user can make"),
        (HOST, 0, 33, "run as its owner (sudo -u '#33'); with SELinux, look for 'denied' in the audit log"),
        (CONTAINER, 1000, 0, 'mount a volume at /opt/a b itself, or run as its owner (docker run --user 0:0; compose: user: "0:0")'),
    ],
)  # fmt: skip
def test_a_directory_that_cannot_be_made_has_advice_that_leaves_its_parent_alone(
    monkeypatch: pytest.MonkeyPatch, place: str, us: int, owner: int, remedy: str
) -> None:
    at(monkeypatch, place)
    as_user(monkeypatch, us, 3)
    owned(monkeypatch, owner, existing="/opt")
    monkeypatch.setattr(os, "access", lambda *_: True)
    text = said(errno.EACCES, "/opt/a b", action="make")
    assert text.endswith(f": this runs as {us}:3, /opt belongs to {owner}:0 with mode 0755: {remedy}")


@pytest.mark.parametrize("place", PLACES)
def test_no_advice_names_the_means_of_another_place(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, place)
    as_user(monkeypatch, 0)
    owned(monkeypatch, 0)
    # The remedy for a limit of the process names the ways of every place.
    numbers = errno.errorcode.keys() - LIMITS.keys()
    errors: list[InitError] = [error(number, action=action) for number in numbers for action in ("make", "write in")]
    errors += [ReadOnlyError("cause"), OwnerError((7, 8), PermissionError(1, "no")), ModesError("/cache", 0o700, 0o644)]
    errors += [NotMountedError("/cache", [])] if place != HOST else []
    texts = [*(str(advised(each)) for each in errors), fill_advice(read_only=True), fill_advice(read_only=False)]
    assert [text for text in texts if re.search(OTHERS_WORDS[place], text)] == []


def test_the_directory_is_reported_if_the_path_is_a_file_in_it(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, volume.stat().st_uid)
    volume.chmod(0o500)
    for path in (volume / "file", volume / "missing/missing/file"):
        assert f"the directory belongs to {volume.stat().st_uid}:" in said(errno.EACCES, path)
        assert f"run: chmod u+rwx '{volume}'" in said(errno.EACCES, path)


def test_a_squashed_root_is_reported_with_the_remedy_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, CONTAINER)
    as_user(monkeypatch, 0)
    path = owned(monkeypatch, 0)
    user = '(docker run --user UID; compose: user: "UID")'
    chown = f"chown the directory to a UID and run as that UID {user}, or chmod 0777 the directory"
    assert said(errno.EACCES, path).endswith(f": with SELinux, mount with :z; with NFS and root_squash, {chown}")
    monkeypatch.setattr(module, "file_system", lambda _: "nfs4")
    monkeypatch.setattr(os, "access", lambda *_: True)
    on_server = ": the NFS server maps root to nobody (root_squash): on the server, "
    assert said(errno.EACCES, path).endswith(on_server + chown)
    assert said(errno.EACCES, f"{path}/x", action="make").endswith(f"{on_server}make /cache/x, {chown}")
    # A capability does not help with another user's directory either.
    owned(monkeypatch, 2000)
    assert said(errno.EACCES, path).endswith('run as its owner (docker run --user 2000:0; compose: user: "2000:0")')


def test_an_unsearchable_parent_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000)
    owned(monkeypatch, 33, 0o700, "/closed")
    monkeypatch.setattr(os, "access", lambda *_: False)
    remedy = "a parent directory is not searchable by it: chmod o+x '/closed', or run as its owner (sudo -u '#33')"
    assert said(errno.EACCES, "/closed/no/such").endswith(f": this runs as 1000:0, and {remedy}")


def test_a_user_namespace_is_reported_with_the_uid_on_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "uid_map"
    real = open
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    monkeypatch.setattr(module, "file_system", lambda _: "ext4")
    monkeypatch.setattr("builtins.open", lambda _: real(table))
    path = owned(monkeypatch, 65534)
    table.write_text("         0       1000          1\n         1     100000      65536\n")
    for place, remedy in (
        (HOST, "outside it, run: "),
        (CONTAINER, "mount it with :U (podman), or on the host run: "),
        (POD, "on the node run: "),
    ):
        at(monkeypatch, place)
        assert said(errno.EACCES, path).endswith(
            f", a user from outside this user namespace: {remedy}chown 100000 DIRECTORY"
        )
    owned(monkeypatch, 65533)
    assert "runAsUser: 65533" in said(errno.EACCES, path)
    owned(monkeypatch, 65534)
    for text in ("         0          0 4294967295\n", "         0       1000          1\n"):
        table.write_text(text)
        assert "runAsUser: 65534" in said(errno.EACCES, path)
    table.unlink()
    assert "runAsUser: 65534" in said(errno.EACCES, path)


def test_a_volume_without_permissions_is_reported_with_the_mount_options_and_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_user(monkeypatch, 7, 8)
    assert str(advised(ModesError("/cache", 0o700, 0o644))) == (
        "/cache does not keep permissions: everything has mode 0700, but 0644 is needed: mount it with these options (SMB, azureFile: "
        "uid=7,gid=8,file_mode=0644,dir_mode=0755; vfat, blobfuse, other FUSE: uid=7,gid=8,allow_other,umask=0022), or, if the gateway "
        "runs as 7:8 too, set TIKTOKEN_INIT_MODE=0600"
    )


UNSET = PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("failed", "place", "remedy"),
    [
        (error(errno.EPERM), HOST, "the directory or a file in it is immutable: run: chattr -R -i '/cache'"),
        (error(errno.EROFS), CONTAINER, "mount it read-write in the init container; only the consumer's mount may have ':ro'"),
        (error(errno.ENOSYS), CONTAINER, "this storage does not support the call: use another kind of volume, such as a local one"),
        (OwnerError((7, 8), UNSET), HOST, "run as root with the capability CHOWN (sudo), or as that user (sudo -u '#7')"),
        (OwnerError((7, -1), UNSET), CONTAINER, "run as root with the capability CHOWN (compose: cap_add: [CHOWN]), or as that user (docker "
         'run --user 7; compose: user: "7")'),
        (OwnerError((7, 8), UNSET), POD, "run as root with the capability CHOWN (capabilities: add: [CHOWN]), or as that user "
         "(securityContext.runAsUser: 7)"),
        (ReadOnlyError("x"), POD, "mount it read-write in the init container or the Job; only the gateway's mount may have readOnly"),
        (NotMountedError("/cache", []), POD, "mount a volume of the pod there (volumeMounts)"),
        (NotMountedError("/cache", ["/a", "/b"]), CONTAINER,
         "add -v tiktoken:/cache, or set TIKTOKEN_CACHE_DIR to a mounted directory (/a, /b), here and in the gateway"),
    ],
)  # fmt: skip
def test_each_cause_has_the_remedy_of_its_place(
    failed: InitError, place: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, place)
    as_user(monkeypatch, 7)
    owned(monkeypatch, 7)
    cause = str(failed)
    assert advised(failed) is failed
    assert failed.remedy.endswith(remedy)
    assert str(advised(failed)) == f"{cause}: {failed.remedy}"


def test_the_way_to_a_fill_fits_the_place_and_the_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    again = "to run fill, repeat this command without 'verify'"
    assert [fill_advice(False), fill_advice(True)] == [again, f"{again} on a writable mount"]
    at(monkeypatch, CONTAINER)
    assert [fill_advice(False), fill_advice(True)] == [again, f"{again} on a writable mount (no ':ro')"]
    at(monkeypatch, POD)
    assert fill_advice(True).startswith("run the Job that fills the volume, or an init container that runs fill")


def test_an_error_that_has_its_remedy_is_unchanged() -> None:
    assert str(advised(SettingError("cause: remedy"))) == "cause: remedy"
