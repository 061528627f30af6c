from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tiktoken_cache_init import advice as module
from tiktoken_cache_init.advice import advised
from tiktoken_cache_init.errors import (
    ModesError,
    NotMountedError,
    OwnerError,
    SettingError,
    StorageError,
    storage_errors,
)


def said(number: int, path: Path | str = "/cache", needed: int = 0) -> str:
    return str(advised(StorageError("write in", str(path), OSError(number, os.strerror(number)), needed)))


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int = 0) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: gid)
    monkeypatch.setattr(module, "_host_id", lambda _: None)
    monkeypatch.setattr(module, "_has_dac_override", lambda: False)


def owned(monkeypatch: pytest.MonkeyPatch, uid: int, mode: int = 0o755) -> str:
    """Make every path a directory with this owner and mode."""
    status = os.stat_result((0o40000 | mode, 1, 1, 1, uid, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "stat", lambda *_, **__: status)
    return "/cache"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "mount it read-write in the init container"),
        (errno.EBUSY, "mount the directory instead"),
        (errno.ENOTDIR, "correct the path"),
        (errno.ENOSYS, "use another kind of volume"),
        (errno.EIO, "check the volume's storage, then run again"),
    ],
)
def test_each_cause_comes_with_its_remedy_on_one_line(number: int, remedy: str) -> None:
    text = said(number)
    assert text.startswith(f"cannot write in /cache: {os.strerror(number)}: ")
    assert remedy in text
    assert "\n" not in text


def test_a_full_disk_is_reported_with_the_bytes_that_are_needed_and_free(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        text = said(number, tmp_path / "file", 1234)
        assert "free at least 1,234 bytes (" in text
        assert "inodes are free); every file that was right is still right" in text
    assert "free some space; " in said(errno.ENOSPC, tmp_path / "no/such")


def test_a_cause_without_a_text_is_still_reported() -> None:
    text = str(advised(StorageError("read", "/cache", OSError("odd"))))
    assert text.startswith("cannot read /cache: odd: check ")


def test_a_system_error_on_the_volume_becomes_a_storage_error() -> None:
    with pytest.raises(StorageError, match="cannot read /x: Input/output error"), storage_errors("read", "/x"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize(
    ("us", "owner", "mode", "remedy"),
    [
        (1000, 0, 0o755, "run as its owner (docker run --user 0:0; compose: user: "),
        (1000, 0, 0o755, "securityContext.fsGroup: 3"),
        (1000, 2000, 0o755, "securityContext.runAsUser: 2000), or as root with the capability DAC_OVERRIDE"),
        (0, 2000, 0o755, "or as root with the capability DAC_OVERRIDE"),
        (1000, 1000, 0o555, "its owner may not write: run chmod u+rwx /cache"),
        (1000, 1000, 0o755, "with SELinux, mount with :z"),
        (1_000_660_000, 0, 0o755, "OpenShift assigned this user: set securityContext.fsGroup"),
    ],
)
def test_a_user_who_may_not_write_gets_the_remedy_that_fits(
    monkeypatch: pytest.MonkeyPatch, us: int, owner: int, mode: int, remedy: str
) -> None:
    as_user(monkeypatch, us, 3)
    path = owned(monkeypatch, owner, mode)
    text = said(errno.EACCES, path)
    assert f"this runs as {us}:3, the directory belongs to {owner}:0 with mode {mode:04o}" in text
    assert remedy in text


def test_the_directory_is_reported_if_the_path_is_a_file_in_it(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = volume.stat()
    as_user(monkeypatch, status.st_uid)
    volume.chmod(0o500)
    for path in (volume / "file", volume / "missing/missing/file"):
        assert f"run chmod u+rwx {volume}" in said(errno.EACCES, path)
    volume.chmod(0o700)
    as_user(monkeypatch, status.st_uid + 1)
    owner = f"{status.st_uid}:{status.st_gid}"
    assert f"the directory belongs to {owner} with mode 0700: run as its owner" in said(errno.EACCES, volume / "a/b")


def test_an_immutable_file_is_reported_with_the_command_that_frees_it(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, volume.stat().st_uid)
    assert "on the host, run: chattr -R -i DIRECTORY" in said(errno.EPERM, volume)


def test_a_squashed_root_is_reported_with_the_remedy_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    monkeypatch.setattr(module, "file_system", lambda _: "nfs4")
    assert "on the server, chown the directory to a UID" in said(errno.EACCES, owned(monkeypatch, 0))


def test_root_that_may_write_anywhere_is_not_advised_to_add_a_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    monkeypatch.setattr(module, "_has_dac_override", lambda: True)
    assert said(errno.EACCES, owned(monkeypatch, 2000)).endswith("runAsUser: 2000)")


def test_an_unsearchable_parent_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "a parent directory is not searchable by it: chmod o+x the parents" in said(errno.EACCES, "/no/such")


def test_a_user_namespace_is_reported_with_the_uid_on_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "uid_map"
    real = open
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(module, "file_system", lambda _: "ext4")
    monkeypatch.setattr("builtins.open", lambda _: real(table))
    path = owned(monkeypatch, 65534)
    table.write_text("         0       1000          1\n         1     100000      65536\n")
    assert "mount it with :U (podman), or on the host run: chown 100999 DIRECTORY" in said(errno.EACCES, path)
    table.write_text("         0          0 4294967295\n")
    assert "runAsUser: 65534" in said(errno.EACCES, path)
    table.write_text("         0       1000          1\n")
    assert "runAsUser: 65534" in said(errno.EACCES, path)
    table.unlink()
    assert "runAsUser: 65534" in said(errno.EACCES, path)


def test_a_volume_without_permissions_is_reported_with_the_mount_options_and_the_setting() -> None:
    text = str(advised(ModesError("/cache", 0o700, 0o644)))
    assert "everything has mode 0700, but 0644 is needed" in text
    options = f"uid={os.geteuid()},gid={os.getegid()}"
    assert f"SMB, azureFile: {options},file_mode=0644,dir_mode=0755; vfat" in text
    assert f"other FUSE: {options},allow_other,umask=0022)" in text
    assert text.endswith("set TIKTOKEN_INIT_MODE=0600")


def test_an_owner_that_cannot_be_set_is_reported_with_every_remedy() -> None:
    text = str(advised(OwnerError((7, 8), PermissionError(errno.EPERM, "Operation not permitted"))))
    for remedy in ("cap_add: [CHOWN]", "docker run --user 7:8", 'user: "7:8"', "runAsUser: 7"):
        assert remedy in text
    assert "cannot give the files to 7: " in str(OwnerError((7, -1), PermissionError(1, "no")))


@pytest.mark.parametrize(
    ("mounted", "hint"),
    [
        ([], ""),
        (["/a", "/b"], ", or set TIKTOKEN_CACHE_DIR to a mounted directory (/a, /b), here and in the gateway"),
    ],
)
def test_a_missing_mount_is_reported_with_the_option_and_with_other_mounts(mounted: list[str], hint: str) -> None:
    text = str(advised(NotMountedError("/cache/tiktoken", mounted)))
    assert text.endswith(f"would be lost with this container: add -v tiktoken:/cache/tiktoken{hint}")


def test_an_error_that_has_its_remedy_is_unchanged() -> None:
    error = SettingError("cause: remedy")
    assert advised(error) is error
