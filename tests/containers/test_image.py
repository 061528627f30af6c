"""Contents and configuration of the image."""

from __future__ import annotations

import json
import posixpath
import stat
import tarfile

import pytest

from tests.containers import layers
from tests.containers.engine import docker
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import VOCABULARIES


@pytest.fixture(scope="module")
def entries(image: str) -> list[tarfile.TarInfo]:
    """Return every entry of the image's layers."""
    return layers.entries(image)


@pytest.fixture(scope="module")
def settings(image: str) -> dict[str, object]:
    """Return the image's configuration."""
    configuration: dict[str, object] = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    return configuration


def test_the_interpreter_is_the_only_program(entries: list[tarfile.TarInfo]) -> None:
    programs = {entry.name for entry in entries if entry.isfile() and entry.mode & 0o111 and ".so" not in entry.name}
    assert programs == {"usr/bin/python3.13"}


def test_the_image_has_no_shell_and_no_package_manager(entries: list[tarfile.TarInfo]) -> None:
    names = {entry.name.rpartition("/")[2].partition(".")[0] for entry in entries}
    assert not names & {"sh", "bash", "dash", "busybox", "apt", "apt-get", "pip", "ensurepip", "perl"}


def test_no_file_is_setuid_or_setgid(entries: list[tarfile.TarInfo]) -> None:
    assert [entry.name for entry in entries if entry.mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_only_root_can_change_the_image(entries: list[tarfile.TarInfo]) -> None:
    writable = [entry.name for entry in entries if not entry.issym() and entry.mode & 0o022]
    foreign = [entry.name for entry in entries if (entry.uid, entry.gid) != (0, 0)]
    assert (writable, foreign) == ([], [])


def test_every_user_can_read_the_image(entries: list[tarfile.TarInfo]) -> None:
    wanted = {True: 0o555, False: 0o444}
    closed = [e.name for e in entries if not e.issym() and e.mode & wanted[e.isdir()] != wanted[e.isdir()]]
    assert closed == []


def test_the_image_has_byte_code_and_no_source(entries: list[tarfile.TarInfo]) -> None:
    names = [entry.name for entry in entries]
    assert not [name for name in names if name.endswith(".py")]
    assert [name for name in names if name.endswith("tiktoken_cache_init/fill.pyc")]


def test_the_vocabularies_have_their_cache_keys_as_names(entries: list[tarfile.TarInfo]) -> None:
    baked = {entry.name: entry.size for entry in entries if entry.name.startswith("vocabularies/") and entry.isfile()}
    assert baked == {f"vocabularies/{v.cache_key}": v.size for v in VOCABULARIES}


def test_the_image_does_not_contain_the_mount_point(entries: list[tarfile.TarInfo]) -> None:
    # The engine would copy its owner and mode to a named volume, which NFS with root_squash refuses.
    assert [entry.name for entry in entries if entry.name.startswith("cache")] == []


def test_each_link_points_to_an_entry_of_the_image(entries: list[tarfile.TarInfo]) -> None:
    present = {entry.name.rstrip("/") for entry in entries}
    targets = {e.name: posixpath.normpath(posixpath.join("/", posixpath.dirname(e.name), e.linkname)) for e in entries}
    assert [e.name for e in entries if e.issym() and targets[e.name].lstrip("/") not in present] == []


def test_every_file_has_the_same_fixed_time_stamp(entries: list[tarfile.TarInfo]) -> None:
    assert {entry.mtime for entry in entries} == {315532800}


def test_the_default_user_is_root(settings: dict[str, object]) -> None:
    assert settings["User"] == "0:0"


def test_the_labels_describe_the_image(settings: dict[str, object]) -> None:
    labels = settings["Labels"]
    assert isinstance(labels, dict)
    prefix = "org.opencontainers.image."
    named = {"title", "description", "source", "licenses", "version", "revision", "documentation"}
    assert {prefix + name for name in named} <= set(labels)
    assert labels[prefix + "version"] == __version__
    assert "BSD-3-Clause" in labels[prefix + "licenses"], "the image contains httpx"
    assert labels[prefix + "documentation"] == "", (
        "the URL of the documentation is set although the build has no SOURCE"
    )
