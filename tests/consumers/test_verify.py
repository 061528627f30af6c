"""`verify` compared with the gateway stand-in: its prediction is right, and each fix that it prints works.

Where the gateway fails, docs/troubleshooting.md has its message.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.consumers.known import RIGHT
from tests.consumers.running import offline
from tests.containers.engine import LOCKED_DOWN
from tests.docs.markdown import messages, quotes
from tests.drivers import TWO, Container, Driver
from tests.states import COUNTS_RIGHT, COUNTS_WRONG, FAILS, STATES, Place, State, place, slug, snapshot

READER = "65534:65534"
"""User of the gateway."""
MOUNT_POINT = "/cache/tiktoken"

as_root = pytest.mark.needs("root")
known = next(state for state in STATES if state.name == "both right")


class Case(NamedTuple):
    """Place with the command under test and the gateway stand-in."""

    at: Place
    driver: Driver
    program: Path

    def gateway(self, cache_dir: str, user: str = READER) -> str:
        """Start the gateway with this ``TIKTOKEN_CACHE_DIR``, and return its result in the words of `verify`."""
        uid, _, gid = user.partition(":")
        become = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"] if os.geteuid() == 0 else []
        where = ["env", "--chdir", str(self.at.vocabularies)]
        done = offline([*become, *where, str(self.program), "--check"], {"TIKTOKEN_CACHE_DIR": cache_dir})
        if done.returncode:
            assert any(quotes(message, done.stderr) for message in messages()), done.stderr
            return FAILS
        counts = json.loads(done.stdout.splitlines()[-1])["counts"]
        return COUNTS_RIGHT if counts == RIGHT else COUNTS_WRONG

    def verify(self, directory: Path, *arguments: str) -> Any:
        """Return the document of `verify`."""
        done = self.driver.run("verify", "--json", "--cache-dir", str(directory), *arguments)
        return json.loads(done.stdout)

    def fill(self, directory: Path, *arguments: str) -> None:
        """Run a fill, which must succeed."""
        done = self.driver.run("fill", "--sources", "baked", "--cache-dir", str(directory), *arguments)
        assert done.code == 0, done.said


@pytest.fixture(params=["host", "image"])
def case(request: pytest.FixtureRequest, vocabularies: Path, gateway_program: Path) -> Iterator[Case]:
    with place(vocabularies) as at:
        program = Path(shutil.copy(gateway_program, at.directory / "gateway"))
        driver: Driver = at.host()
        if request.param == "image":
            # `verify` must read files of any user, so it keeps the capabilities of root, as on the front page.
            options = ["--network", "none", "--memory", "64m", "--volume", f"{at.volume}:{MOUNT_POINT}"]
            driver = Container(request.getfixturevalue("image"), [at.directory], options, TWO)
        yield Case(at, driver, program)


def predicted(document: Any) -> str:
    """Return the predicted result of the gateway, which loads one file after the other."""
    consequences = {file["gateway"] for file in document["files"]}
    return next(each for each in (FAILS, COUNTS_WRONG, COUNTS_RIGHT) if each in consequences)


def by_fill(case: Case, document: Any, directory: Path, state: State) -> Path:
    case.fill(directory, *state.arguments)
    return directory


def by_copy(case: Case, document: Any, directory: Path, state: State) -> Path:
    for file in wrong(document):
        place = re.search(r"or copy (.*) to (\S+)$", file["fix"])
        assert place, file["fix"]
        shutil.copy(directory / place[1], directory / place[2])
    return directory


def by_mounting(case: Case, document: Any, directory: Path, state: State) -> Path:
    [place] = {re.search(r", in (\S+)/\S+: mount that directory", file["fix"])[1] for file in wrong(document)}  # type: ignore[index]
    return (directory / place).resolve()


def by_chmod(case: Case, document: Any, directory: Path, state: State) -> Path:
    for file in wrong(document):
        mode = re.search(r"chmod (\d+) the file", file["fix"])
        assert mode, file["fix"]
        (directory / file["name"]).chmod(int(mode[1], 8))
    return directory


def wrong(document: Any) -> list[Any]:
    return [file for file in document["files"] if file["fix"]]


FIXES: dict[str, Callable[[Case, Any, Path, State], Path]] = {
    "fill": by_fill,
    "copy": by_copy,
    "mount": by_mounting,
    "chmod": by_chmod,
}
"""Fix -> function that follows its text and returns the directory that the gateway then mounts."""
EXAMINED = [
    (driven, state)
    for driven in ("host", "image")
    for state in STATES
    # The result for the bytes of a file is the same in the image. The result for a directory may differ.
    if state.gateway and (driven == "host" or state.repeated or state.fixes != ("fill",))
]


@pytest.mark.parametrize(
    ("case", "state"), EXAMINED, ids=[f"{driven}-{slug(state)}" for driven, state in EXAMINED], indirect=["case"]
)
def test_the_gateway_does_what_verify_predicts_and_the_fix_works(state: State, case: Case) -> None:
    options = ["--layout", state.layout]
    for fix in [""] if state.unchanged else state.fixes:
        case.at.make(state)
        directory = case.at.volume / state.inside
        before = snapshot(case.at.volume)
        said = case.driver.run("verify", "--cache-dir", str(directory), *options)
        document = case.verify(directory, *options)
        assert snapshot(case.at.volume) == before
        assert said.code == (0 if state.unchanged else 1), said.said
        assert case.at.text(state.told) in said.said
        assert predicted(document) == state.gateway
        assert state.kind in (None, *(file["state"] for file in document["files"]))
        assert case.gateway(str(directory)) == state.gateway
        if fix:
            assert all(f"{'run ' if fix == 'fill' else ''}{fix}" in file["fix"] for file in wrong(document)), document
            fixed = FIXES[fix](case, document, directory, state)
            assert case.verify(fixed, *options)["ready"]
            # `tests.test_states` compares what a fill has written with the digests.
            assert fix == "fill" or case.gateway(str(fixed)) == COUNTS_RIGHT
        shutil.rmtree(case.at.volume)


@as_root
@pytest.mark.parametrize("fix", ["fill", "chmod"])
def test_verify_reports_a_directory_that_a_gateway_cannot_enter(fix: str, case: Case) -> None:
    case.at.make(known)
    case.at.volume.chmod(0o700)
    [problem] = case.verify(case.at.volume)["problems"]
    assert case.gateway(str(case.at.volume)) == FAILS
    mode = re.search(r"has mode 0700, .*: run fill, or chmod (\d+) the directory", problem)
    assert mode, problem
    if fix == "fill":
        case.fill(case.at.volume)
    else:
        case.at.volume.chmod(int(mode[1], 8))
    assert case.verify(case.at.volume)["ready"]
    assert case.gateway(str(case.at.volume)) == COUNTS_RIGHT


@as_root
@pytest.mark.parametrize(
    ("case", "mode"),
    [("image", 0o640), *(("host", mode) for mode in (0o640, 0o604, 0o060, 0o400))],
    indirect=["case"],
)
def test_verify_as_a_user_reports_whether_that_user_can_read(mode: int, case: Case) -> None:
    case.at.make(known)
    for path in case.at.volume.iterdir():
        os.chown(path, 1234, 5678)
        path.chmod(mode)
    driver = case.driver
    if isinstance(driver, Container):
        driver = Container(driver.image, driver.places, LOCKED_DOWN, TWO)
    for user in ("1234:5678", "1234:1", "1:5678", "1:1"):
        said = driver.run("verify", "--mode", "0400", "--cache-dir", str(case.at.volume), user=user)
        reads = case.gateway(str(case.at.volume), user) == COUNTS_RIGHT
        # The read bit of the owner is required, whichever user runs `verify`.
        assert (said.code == 0) is (reads and bool(mode & 0o400)), (user, said.said)


@pytest.mark.parametrize(
    ("case", "written"),
    [("image", " {}"), *(("host", written) for written in (" {}", "{} ", '"{}"', "'{}'", '"{}', "volume"))],
    indirect=["case"],
)
def test_verify_says_how_to_write_the_directory(written: str, case: Case) -> None:
    case.at.make(known)
    value = written.format(case.at.volume)
    said = case.driver.run("verify", environment={"TIKTOKEN_CACHE_DIR": value}, cwd=case.at.directory)
    assert (said.code, case.gateway(value)) == (2, FAILS)
    right = re.search(r"TIKTOKEN_CACHE_DIR: .*: write (\S+?)(?:,|$)", said.stderr)
    assert right, said.said
    assert case.driver.run("verify", environment={"TIKTOKEN_CACHE_DIR": right[1]}).code == 0
    assert case.gateway(right[1].replace(MOUNT_POINT, str(case.at.volume))) == COUNTS_RIGHT
