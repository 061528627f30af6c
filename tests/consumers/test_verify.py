"""`verify` compared with the gateway stand-in: its prediction is right, and each fix that it prints works.

Where the gateway fails, docs/troubleshooting.md has its message.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.consumers.known import RIGHT
from tests.consumers.running import offline
from tests.docs.markdown import messages, quotes
from tests.states import COUNTS_RIGHT, COUNTS_WRONG, FAILS, STATES, Place, State, place, slug, snapshot

READER = "65534:65534"
"""User of the gateway."""

as_root = pytest.mark.needs("root")
known = next(state for state in STATES if state.name == "both right")


class Case(NamedTuple):
    """Place with the gateway stand-in."""

    at: Place
    program: Path

    def gateway(self, cache_dir: Path | str, user: str = READER) -> str:
        """Start the gateway with this ``TIKTOKEN_CACHE_DIR``, and return its result in the words of `verify`."""
        uid, _, gid = user.partition(":")
        become = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"] if os.geteuid() == 0 else []
        where = ["env", "--chdir", str(self.at.vocabularies)]
        done = offline([*become, *where, str(self.program), "--check"], {"TIKTOKEN_CACHE_DIR": str(cache_dir)})
        if done.returncode:
            assert any(quotes(message, done.stderr) for message in messages()), done.stderr
            return FAILS
        counts = json.loads(done.stdout.splitlines()[-1])["counts"]
        return COUNTS_RIGHT if counts == RIGHT else COUNTS_WRONG

    def verify(self, directory: Path, *arguments: str) -> Any:
        """Return the document of `verify`."""
        done = self.at.host().run("verify", "--json", "--cache-dir", str(directory), *arguments)
        return json.loads(done.stdout)

    def fill(self, directory: Path, *arguments: str) -> None:
        """Run a fill, which must succeed."""
        done = self.at.host().run("fill", "--sources", "baked", "--cache-dir", str(directory), *arguments)
        assert done.code == 0, done.said


@pytest.fixture
def case(vocabularies: Path, gateway_program: Path) -> Iterator[Case]:
    with place(vocabularies) as at:
        yield Case(at, Path(shutil.copy(gateway_program, at.directory / "gateway")))


def follow(fix: str, texts: dict[str, str], directory: Path) -> Path:
    """Do what the text for each file says; return the directory that the gateway then mounts."""
    if fix == "mount":
        [above] = {re.search(r", in (\S+)/\S+: mount that directory", text)[1] for text in texts.values()}  # type: ignore[index]
        return (directory / above).resolve()
    for name, text in texts.items():
        if copy := re.search(r"or copy (.*) to (\S+)$", text):
            shutil.copy(directory / copy[1], directory / copy[2])
        elif mode := re.search(r"or chmod (\d+) the file$", text):
            (directory / name).chmod(int(mode[1], 8))
    return directory


@pytest.mark.parametrize("state", [state for state in STATES if state.gateway], ids=slug)
def test_the_gateway_does_what_verify_predicts_and_the_fix_works(state: State, case: Case) -> None:
    options = ["--layout", state.layout]
    for fix in [""] if state.unchanged else state.fixes:
        case.at.make(state)
        directory = case.at.volume / state.inside
        before = snapshot(case.at.volume)
        said = case.at.host().run("verify", "--cache-dir", str(directory), *options)
        document = case.verify(directory, *options)
        assert snapshot(case.at.volume) == before
        assert said.code == (0 if state.unchanged else 1), said.said
        assert case.at.text(state.told) in said.said
        # The gateway loads one file after the other.
        predicted = {file["gateway"] for file in document["files"]}
        assert next(each for each in (FAILS, COUNTS_WRONG, COUNTS_RIGHT) if each in predicted) == state.gateway
        assert case.gateway(directory) == state.gateway
        texts = {file["name"]: file["fix"] for file in document["files"] if file["fix"]}
        if fix == "fill":
            assert all("run fill" in text for text in texts.values()), texts
            case.fill(directory, *state.arguments)
        elif fix:
            assert all(fix in text for text in texts.values()), texts
            directory = follow(fix, texts, directory)
            # `tests.test_states` compares what a fill has written with the digests.
            assert case.gateway(directory) == COUNTS_RIGHT
        if fix:
            assert case.verify(directory, *options)["ready"]
        shutil.rmtree(case.at.volume)


@as_root
@pytest.mark.parametrize("fix", ["fill", "chmod"])
def test_verify_reports_a_directory_that_a_gateway_cannot_enter(fix: str, case: Case) -> None:
    case.at.make(known)
    case.at.volume.chmod(0o700)
    [problem] = case.verify(case.at.volume)["problems"]
    assert case.gateway(case.at.volume) == FAILS
    mode = re.search(r"has mode 0700, .*: run fill, or chmod (\d+) the directory", problem)
    assert mode, problem
    if fix == "fill":
        case.fill(case.at.volume)
    else:
        case.at.volume.chmod(int(mode[1], 8))
    assert case.verify(case.at.volume)["ready"]
    assert case.gateway(case.at.volume) == COUNTS_RIGHT


@as_root
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o060, 0o400])
def test_verify_as_a_user_reports_whether_that_user_can_read(mode: int, case: Case) -> None:
    case.at.make(known)
    for path in case.at.volume.iterdir():
        os.chown(path, 1234, 5678)
        path.chmod(mode)
    for user in ("1234:5678", "1234:1", "1:5678", "1:1"):
        said = case.at.host().run("verify", "--mode", "0400", "--cache-dir", str(case.at.volume), user=user)
        reads = case.gateway(case.at.volume, user) == COUNTS_RIGHT
        # The read bit of the owner is required, whichever user runs `verify`.
        assert (said.code == 0) is (reads and bool(mode & 0o400)), (user, said.said)


@pytest.mark.parametrize("written", [" {}", "{} ", '"{}"', "'{}'", '"{}', "volume"])
def test_verify_says_how_to_write_the_directory(written: str, case: Case) -> None:
    case.at.make(known)
    value = written.format(case.at.volume)
    said = case.at.host().run("verify", environment={"TIKTOKEN_CACHE_DIR": value}, cwd=case.at.directory)
    assert (said.code, case.gateway(value)) == (2, FAILS)
    right = re.search(r"TIKTOKEN_CACHE_DIR: .*: write (\S+?)(?:,|$)", said.stderr)
    assert right, said.said
    assert case.at.host().run("verify", environment={"TIKTOKEN_CACHE_DIR": right[1]}).code == 0
    assert case.gateway(right[1]) == COUNTS_RIGHT
