"""The doctor against the gateway stand-in: `verify` foretells what the gateway does, and each fix that it prints works."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.consumers.known import RIGHT
from tests.consumers.running import offline
from tests.containers.engine import LOCKED_DOWN
from tests.drivers import Container, Driver, Host
from tests.states import COUNTS_RIGHT, COUNTS_WRONG, FAILS, STATES, Place, State, place, slug, snapshot

READER = "65534:65534"
"""The user of the gateway."""
MOUNT_POINT = "/cache/tiktoken"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
known = next(state for state in STATES if state.name == "both right")


class Clinic(NamedTuple):
    """A place with the command under test and the gateway stand-in."""

    at: Place
    driver: Driver
    program: Path

    def gateway(self, cache_dir: str, user: str = READER) -> str:
        """Start the gateway with ``TIKTOKEN_CACHE_DIR`` as given, and return what it did, in the doctor's words."""
        uid, _, gid = user.partition(":")
        become = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"] if os.geteuid() == 0 else []
        where = ["env", "--chdir", str(self.at.vocabularies)]
        done = offline([*become, *where, str(self.program), "--check"], {"TIKTOKEN_CACHE_DIR": cache_dir})
        if done.returncode:
            return FAILS
        counts = json.loads(done.stdout.splitlines()[-1])["counts"]
        return COUNTS_RIGHT if counts == RIGHT else COUNTS_WRONG

    def verify(self, directory: Path, *arguments: str) -> Any:
        """Return the doctor's document."""
        done = self.driver.run("verify", "--json", "--cache-dir", str(directory), *arguments)
        return json.loads(done.stdout)

    def fill(self, directory: Path, *arguments: str) -> None:
        """Run a fill, which must end 0."""
        baked = [] if self.driver.name == "image" else ["--baked-dir", str(self.at.vocabularies)]
        done = self.driver.run("fill", "--sources", "baked", *baked, "--cache-dir", str(directory), *arguments)
        assert done.code == 0, done.said


@pytest.fixture(params=["host", "image"])
def clinic(request: pytest.FixtureRequest, vocabularies: Path, gateway_program: Path) -> Iterator[Clinic]:
    with place(vocabularies) as at:
        program = Path(shutil.copy(gateway_program, at.directory / "gateway"))
        driver: Driver = Host()
        if request.param == "image":
            # The doctor must read files of any user, so it keeps root's capabilities, as the front page runs it.
            options = ["--network", "none", "--volume", f"{at.volume}:{MOUNT_POINT}"]
            driver = Container(request.getfixturevalue("image"), [at.directory], options)
        yield Clinic(at, driver, program)


def foretold(document: Any) -> str:
    """Return what the gateway does as a whole: it loads one file after the other."""
    consequences = {file["gateway"] for file in document["files"]}
    return next(each for each in (FAILS, COUNTS_WRONG, COUNTS_RIGHT) if each in consequences)


def by_fill(clinic: Clinic, document: Any, directory: Path, state: State) -> Path:
    clinic.fill(directory, *state.arguments)
    return directory


def by_text(pattern: str, clinic: Clinic, document: Any, directory: Path, state: State) -> Path:
    """Do what a pattern with two groups, a file and its new name, finds in each fix."""
    for file in wrong(document):
        place = re.search(pattern, file["fix"])
        assert place, file["fix"]
        (directory / place[1]).rename(directory / place[2])
    return directory


def by_mounting(clinic: Clinic, document: Any, directory: Path, state: State) -> Path:
    [place] = {re.search(r", in (\S+)/\w+: mount that directory", file["fix"])[1] for file in wrong(document)}  # type: ignore[index]
    return (directory / place).resolve()


def by_chmod(clinic: Clinic, document: Any, directory: Path, state: State) -> Path:
    for file in wrong(document):
        mode = re.search(r"chmod (\d+) the file", file["fix"])
        assert mode, file["fix"]
        (directory / file["name"]).chmod(int(mode[1], 8))
    return directory


def wrong(document: Any) -> list[Any]:
    return [file for file in document["files"] if file["fix"]]


FIXES: dict[str, Callable[[Clinic, Any, Path, State], Path]] = {
    "fill": by_fill,
    "rename": partial(by_text, r"(?:another name, |or rename )(?!it )(.*?)(?:: run fill, or rename it)? to (\w+)$"),
    "move": partial(by_text, r", in (\S+): .*move the file to (\w+)$"),
    "mount": by_mounting,
    "chmod": by_chmod,
}
"""Fix -> a function that does what its text says and returns the directory that the gateway then mounts."""
EXAMINED = [
    (driven, state)
    for driven in ("host", "image")
    for state in STATES
    # What the doctor makes of bytes is the same in the image. What it sees of a directory may not be.
    if state.gateway and (driven == "host" or state.repeated or state.fixes != ("fill",))
]


@pytest.mark.parametrize(
    ("clinic", "state"), EXAMINED, ids=[f"{driven}-{slug(state)}" for driven, state in EXAMINED], indirect=["clinic"]
)
def test_the_gateway_does_what_verify_predicts_and_the_fix_works(state: State, clinic: Clinic) -> None:
    for fix in state.fixes if state.gateway != COUNTS_RIGHT else [""]:
        clinic.at.make(state)
        directory = clinic.at.volume / state.inside
        before = snapshot(clinic.at.volume)
        said = clinic.driver.run("verify", "--cache-dir", str(directory))
        document = clinic.verify(directory)
        assert snapshot(clinic.at.volume) == before
        assert said.code == (state.gateway != COUNTS_RIGHT), said.said
        assert clinic.at.text(state.told) in said.said
        assert foretold(document) == state.gateway
        assert clinic.gateway(str(directory)) == state.gateway
        if fix:
            assert all(f"{'run ' if fix == 'fill' else ''}{fix}" in file["fix"] for file in wrong(document)), document
            fixed = FIXES[fix](clinic, document, directory, state)
            assert clinic.verify(fixed)["ready"]
            assert clinic.gateway(str(fixed)) == COUNTS_RIGHT
        shutil.rmtree(clinic.at.volume)


@as_root
@pytest.mark.parametrize("fix", ["fill", "chmod"])
def test_verify_reports_a_directory_that_a_gateway_cannot_enter(fix: str, clinic: Clinic) -> None:
    clinic.at.make(known)
    clinic.at.volume.chmod(0o700)
    [problem] = clinic.verify(clinic.at.volume)["problems"]
    assert clinic.gateway(str(clinic.at.volume)) == FAILS
    mode = re.search(r"has mode 0700, .*: run fill, or chmod (\d+) the directory", problem)
    assert mode, problem
    if fix == "fill":
        clinic.fill(clinic.at.volume)
    else:
        clinic.at.volume.chmod(int(mode[1], 8))
    assert clinic.verify(clinic.at.volume)["ready"]
    assert clinic.gateway(str(clinic.at.volume)) == COUNTS_RIGHT


@as_root
@pytest.mark.parametrize(
    ("clinic", "mode"),
    [("image", 0o640), *(("host", mode) for mode in (0o600, 0o640, 0o604, 0o060, 0o044, 0o400))],
    indirect=["clinic"],
)
def test_verify_as_a_user_reports_whether_that_user_can_read(mode: int, clinic: Clinic) -> None:
    clinic.at.make(known)
    for path in clinic.at.volume.iterdir():
        os.chown(path, 1234, 5678)
        path.chmod(mode)
    driver = clinic.driver
    if isinstance(driver, Container):
        driver = Container(driver.image, driver.places, LOCKED_DOWN)
    for user in ("1234:5678", "1234:1", "1:5678", "1:1"):
        said = driver.run("verify", "--mode", "0400", "--cache-dir", str(clinic.at.volume), user=user)
        reads = clinic.gateway(str(clinic.at.volume), user) == COUNTS_RIGHT
        # The owner's bit is part of the contract, whoever asks.
        assert (said.code == 0) is (reads and bool(mode & 0o400)), (user, said.said)


@pytest.mark.parametrize("written", [" {}", "{} ", '"{}"', "'{}'", '"{}', "volume"])
def test_verify_says_how_to_write_the_directory(written: str, clinic: Clinic) -> None:
    clinic.at.make(known)
    value = written.format(clinic.at.volume)
    said = clinic.driver.run("verify", environment={"TIKTOKEN_CACHE_DIR": value}, cwd=clinic.at.directory)
    assert (said.code, clinic.gateway(value)) == (2, FAILS)
    right = re.search(r"TIKTOKEN_CACHE_DIR: .*: write (\S+?)(?:,|$)", said.stderr)
    assert right, said.said
    assert clinic.driver.run("verify", environment={"TIKTOKEN_CACHE_DIR": right[1]}).code == 0
    assert clinic.gateway(right[1].replace(MOUNT_POINT, str(clinic.at.volume))) == COUNTS_RIGHT
