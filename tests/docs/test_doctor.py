"""The doctor against each mistake that people are known to make: what it foretells is what the gateway stand-in then does,
and the cure that it names, applied as it says, makes `verify` content and the gateway count right.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.known import RIGHT
from tests.docs.clinic import MOUNT_POINT, Fate, Said, foretold, gateway, quotes, tool
from tests.docs.mistakes import MISTAKES, Clinic, opened
from tests.samples import put_acl
from tiktoken_cache_init.catalogue import VOCABULARIES

CL100K = VOCABULARIES[0]

READER = (65534, 65534)


@pytest.fixture(params=["host", "image"])
def clinic(request: pytest.FixtureRequest, vocabularies: Path, gateway_program: Path) -> Iterator[Clinic]:
    """A place that every user can reach, with an empty volume; the doctor is this host's, and the image's."""
    image = request.getfixturevalue("image") if request.param == "image" else ""
    with opened(vocabularies, gateway_program, image) as clinic:
        yield clinic


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.mark.parametrize(
    ("mistake", "cure"), [(name, cure) for name, known in MISTAKES.items() for cure in known.cures]
)
def test_the_doctor_foretells_what_the_gateway_does_and_its_cure_helps(
    mistake: str, cure: str, clinic: Clinic, record_property: Callable[[str, object], None]
) -> None:
    known = MISTAKES[mistake]
    folder = known.make(clinic)
    said, fate = examined(clinic, folder)
    assert said.code == 1
    assert foretold(said.document)[0] == fate.outcome == known.outcome
    assert_comes_true(said.document, fate)
    assert known.told in said.out
    cured = CURES[cure](clinic, said.document, folder)
    assert_well(clinic, cured)
    record_property("doctor", row(clinic, mistake, said, fate, cure))


def test_the_doctor_knows_that_a_fifo_keeps_a_gateway_waiting(clinic: Clinic) -> None:
    clinic.fill()
    fifo = clinic.volume / CL100K.cache_key
    fifo.unlink()
    os.mkfifo(fifo)
    said = clinic.tool("verify", "--json", "--cache-dir", str(clinic.volume))
    assert foretold(said.document)[0] == "dies"
    assert "the gateway never starts: it waits for bytes from the FIFO" in said.out
    with subprocess.Popen([clinic.program, "--check"], env={"TIKTOKEN_CACHE_DIR": str(clinic.volume)}) as waiting:
        writing = None
        while writing is None and waiting.poll() is None:
            # It can be opened so from the moment on at which somebody reads.
            with contextlib.suppress(OSError):
                writing = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        assert waiting.poll() is None
        waiting.kill()
    by_fill(clinic, said.document, clinic.volume)
    assert_well(clinic, clinic.volume)


@as_root
@pytest.mark.parametrize("cure", ["fill", "chmod"])
@pytest.mark.parametrize("mistake", ["files that its user cannot read", "a folder that its user cannot enter"])
def test_the_doctor_knows_what_a_user_cannot_read(
    mistake: str, cure: str, clinic: Clinic, record_property: Callable[[str, object], None]
) -> None:
    clinic.fill()
    closed = [clinic.volume] if "folder" in mistake else list(clinic.volume.iterdir())
    for path in closed:
        path.chmod(path.stat().st_mode & 0o700)
    said, fate = examined(clinic, clinic.volume, "--as", "{}:{}".format(*READER), reader=READER)
    assert said.code == 1
    assert foretold(said.document)[0] == fate.outcome == "dies"
    assert_comes_true(said.document, fate)
    cured = CURES[cure](clinic, said.document, clinic.volume)
    assert_well(clinic, cured, "--as", "{}:{}".format(*READER), reader=READER)
    record_property("doctor", row(clinic, mistake, said, fate, cure))


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604, 0o060, 0o004, 0o044, 0o400, 0o000])
def test_who_can_read_is_decided_as_the_kernel_does(mode: int, clinic: Clinic) -> None:
    clinic.fill()
    owner, group = 1234, 5678
    for path in clinic.volume.iterdir():
        os.chown(path, owner, group)
        path.chmod(mode)
    agrees(clinic, clinic.volume, (owner, group), (owner, 1), (1, group), (1, 1), (0, 0))


def agrees(clinic: Clinic, folder: Path, *users: tuple[int, int]) -> None:
    """Check that the doctor is content with a user if, and only if, the gateway counts right that runs as it."""
    for user in users:
        said = clinic.tool("verify", "--cache-dir", str(folder), "--as", "{}:{}".format(*user))
        assert (said.code == 0) is (gateway(clinic.program, str(folder), user=user).counts == RIGHT), (user, said.out)


@as_root
@pytest.mark.parametrize("mode", [0o640, 0o644])
@pytest.mark.parametrize("rights", [0, 4])
def test_an_access_control_list_is_read_as_the_kernel_does(mode: int, rights: int, clinic: Clinic) -> None:
    clinic.fill()
    for path in clinic.volume.iterdir():
        path.chmod(mode)
        put_acl(path, user=1234, rights=rights)
    agrees(clinic, clinic.volume, (1234, 1), (1, 1), (1, 0), (0, 0))


@as_root
def test_a_closed_folder_on_the_way_is_seen(clinic: Clinic) -> None:
    clinic.fill()
    inner = clinic.volume / "inner"
    inner.mkdir(0o755)
    for path in [path for path in clinic.volume.iterdir() if path.is_file()]:
        path.rename(inner / path.name)
    agrees(clinic, inner, (1, 1), (0, 0))
    clinic.volume.chmod(0o700)
    agrees(clinic, inner, (1, 1), (0, 0))
    put_acl(clinic.volume, user=1, rights=1)
    agrees(clinic, inner, (1, 1), (2, 2))


@pytest.mark.parametrize(
    ("mistake", "written"),
    [
        ("a space before the folder", " {}"),
        ("a space behind the folder", "{} "),
        ("quotes round the folder", '"{}"'),
        ("single quotes round the folder", "'{}'"),
        ("a quote in front", '"{}'),
    ],
)
def test_the_doctor_says_how_a_folder_is_written(
    mistake: str, written: str, clinic: Clinic, record_property: Callable[[str, object], None]
) -> None:
    clinic.fill()
    assert_refused_and_cured(clinic, mistake, written.format(clinic.volume), record_property)


def test_the_doctor_refuses_a_relative_folder(clinic: Clinic, record_property: Callable[[str, object], None]) -> None:
    clinic.fill()
    assert_refused_and_cured(clinic, "a relative folder", clinic.volume.name, record_property)


def assert_refused_and_cured(
    clinic: Clinic, mistake: str, value: str, record_property: Callable[[str, object], None]
) -> None:
    elsewhere = clinic.place / "data"
    elsewhere.mkdir()
    said = clinic.tool("verify", variables={"TIKTOKEN_CACHE_DIR": value}, folder=clinic.place)
    fate = gateway(clinic.program, value, elsewhere)
    assert (said.code, fate.outcome) == (2, "dies")
    right = re.search(r"TIKTOKEN_CACHE_DIR: .*write '([^']*)'", said.err)
    assert right, said.err
    assert clinic.tool("verify", variables={"TIKTOKEN_CACHE_DIR": right[1]}, folder=clinic.place).code == 0
    # Where a container has the volume, a process of this host has not.
    here = right[1].replace(MOUNT_POINT, str(clinic.volume))
    assert gateway(clinic.program, here, elsewhere).counts == RIGHT
    record_property("doctor", row(clinic, mistake, said, fate, "write"))


def examined(clinic: Clinic, folder: Path, *flags: str, reader: tuple[int, int] | None = None) -> tuple[Said, Fate]:
    """Return what the doctor says, which changes nothing, and then what the gateway does."""
    before = traces(clinic.place)
    said = clinic.tool("verify", "--json", "--cache-dir", str(folder), *flags)
    assert traces(clinic.place) == before
    return said, gateway(clinic.program, str(folder), user=reader)


def traces(place: Path) -> list[tuple[str, int, int]]:
    return sorted((str(p), p.lstat().st_mode, p.lstat().st_mtime_ns) for p in place.rglob("*"))


def assert_comes_true(document: dict[str, Any], fate: Fate) -> None:
    if fate.outcome == "dies":
        assert quotes(foretold(document)[1], fate.last_words), fate.last_words


def assert_well(clinic: Clinic, folder: Path, *flags: str, reader: tuple[int, int] | None = None) -> None:
    said, fate = examined(clinic, folder, *flags, reader=reader)
    assert said.code == 0, said.out
    assert fate.counts == RIGHT, fate.last_words


def named(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every cure that the doctor names, and what it is for."""
    cures = [(file["cure"], file) for file in document["files"] if file["cure"]]
    return cures or [(problem, {}) for problem in document["problems"]]


def by_fill(clinic: Clinic, document: dict[str, Any], folder: Path) -> Path:
    assert all("run fill" in cure for cure, _ in named(document)), document
    # Where the doctor has found the bytes, no source is needed.
    here = all("its bytes are" in cure or "chmod" in cure for cure, _ in named(document))
    baked = clinic.place / "no-such-folder" if here else clinic.vocabularies
    done = clinic.tool("fill", "--sources", "baked", "--baked-dir", str(baked), "--cache-dir", str(folder))
    assert done.code == 0, done.err
    return folder


def by_renaming(clinic: Clinic, document: dict[str, Any], folder: Path) -> Path:
    for cure, file in named(document):
        place = re.search(r"under (?:the published|another) name, (?:which|(.*?):)", cure)
        right = re.search(r"or rename it to (\w+)$", cure)
        assert place, cure
        assert right, cure
        (folder / (place[1] or file["vocabulary"])).rename(folder / right[1])
    return folder


def by_moving(clinic: Clinic, document: dict[str, Any], folder: Path) -> Path:
    for cure, _ in named(document):
        places = re.search(r"in (\S+): .* or move the file to (\w+)$", cure)
        assert places, cure
        (folder / places[1]).rename(folder / places[2])
    return folder


def by_mounting(clinic: Clinic, document: dict[str, Any], folder: Path) -> Path:
    [place] = {
        match[1]
        for cure, _ in named(document)
        if (match := re.search(r"in (\S+)/\w+: mount or name that folder", cure))
    }
    return (folder / place).resolve()


def by_chmod(clinic: Clinic, document: dict[str, Any], folder: Path) -> Path:
    assert all("chmod" in cure for cure, _ in named(document)), document
    for cure, file in named(document):
        mode = re.search(r"chmod (\d{4}) it", cure)
        assert mode, cure
        (folder / file["name"] if file else folder).chmod(int(mode[1], 8))
    return folder


CURES = {"fill": by_fill, "rename": by_renaming, "move": by_moving, "mount": by_mounting, "chmod": by_chmod}
"""A cure that the doctor names -> what does it as its text says, and returns the folder that the gateway is to have."""


def row(clinic: Clinic, mistake: str, said: Said, fate: Fate, cure: str) -> list[str]:
    if said.code == 2:
        prediction = "refuses the setting"
    else:
        outcome, message = foretold(said.document)
        prediction = message or outcome
    return [
        mistake,
        "host" if clinic.tool is tool else "image",
        f"{said.code}: {prediction}",
        fate.last_words.splitlines()[0] if fate.last_words else str(fate.counts),
        cure,
    ]
